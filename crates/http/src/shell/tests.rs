use axum::Extension;
use axum::body::Body;
use axum::http::Method;
use axum::http::header::{ALLOW, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{Json, PROBLEM_JSON, Path, Query, Scope, TokenOptions};

#[derive(serde::Deserialize)]
struct Numbers {
    number: u8,
}

fn routes() -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/id", get(|Extension(id): Extension<RequestId>| async move { id.to_string() }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("a secret of the inside")
                }
            }),
        )
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(3600)).await }))
        .route("/query", get(|Query(numbers): Query<Numbers>| async move { numbers.number.to_string() }))
        .route("/path/{number}", get(|Path(number): Path<u8>| async move { number.to_string() }))
        .route(
            "/v1/predictions",
            post(|Json(numbers): Json<Numbers>| async move { numbers.number.to_string() }),
        )
        .route("/foreign", get(|axum::extract::Query(_): axum::extract::Query<Numbers>| async {}))
        .route("/failed", get(|| async { (StatusCode::BAD_GATEWAY, "a secret of the inside") }))
}

fn app() -> Router {
    Shell::new(Tokens::default()).timeout(Duration::from_secs(5)).around(routes())
}

fn request(method: Method, path: &str) -> Request {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

async fn send(app: Router, request: Request) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

/// Sends the request, and checks that the answer is a problem that names its request.
async fn problem(request: Request) -> (StatusCode, axum::http::HeaderMap, Value) {
    let (status, headers, body) = send(app(), request).await;
    assert_eq!(headers[CONTENT_TYPE], PROBLEM_JSON);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["status"], json!(status.as_u16()));
    assert_eq!(body["instance"], json!(headers[X_REQUEST_ID].to_str().unwrap()));
    assert!(body["type"].as_str().unwrap().starts_with("urn:problem-type:driftline:"), "{body}");
    assert!(!body.to_string().contains("secret"), "{body}");
    (status, headers, body)
}

#[tokio::test]
async fn a_good_answer_passes_unchanged_with_its_id() {
    let mut request = request(Method::GET, "/id");
    request.headers_mut().insert(X_REQUEST_ID, HeaderValue::from_static("mine-1"));
    let (status, headers, body) = send(app(), request).await;
    assert_eq!((status, body.as_slice()), (StatusCode::OK, &b"mine-1"[..]));
    assert_eq!(headers[X_REQUEST_ID], "mine-1");
}

#[tokio::test]
async fn the_routers_own_errors_are_problems() {
    let (status, _, body) = problem(request(Method::GET, "/nowhere")).await;
    assert_eq!((status, &body["detail"]), (StatusCode::NOT_FOUND, &json!("there is no such route")));
    let (status, headers, _) = problem(request(Method::DELETE, "/healthz")).await;
    assert_eq!(
        (status, &headers[ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("GET,HEAD"))
    );
}

#[tokio::test]
async fn rejections_of_extractors_are_problems() {
    for path in ["/query", "/query?number=300", "/path/x", "/foreign?number=x"] {
        let (status, _, body) = problem(request(Method::GET, path)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{path}: {body}");
    }
    let json = |content_type: &'static str, body: &'static str| {
        let mut request = request(Method::POST, "/v1/predictions");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        *request.body_mut() = Body::from(body);
        request
    };
    assert_eq!(problem(json("text/csv", "{}")).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(problem(json("application/json", "{")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(problem(json("application/json", "{}")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    assert_eq!(problem(request(Method::GET, "/panic")).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem(request(Method::GET, "/failed")).await.0, StatusCode::BAD_GATEWAY);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered() {
    let (status, headers, body) = problem(request(Method::GET, "/slow")).await;
    assert_eq!(
        (status, &headers[RETRY_AFTER]),
        (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("1"))
    );
    assert_eq!(body["type"], "urn:problem-type:driftline:timeout");
}

#[tokio::test]
async fn tokens_guard_all_but_the_open_routes() {
    let secret = "prom-secret-0123456789";
    let options = TokenOptions { name: "p".into(), secret: secret.into(), scopes: [Scope::Read].into() };
    let tokens = Tokens::try_new(vec![options]).unwrap();
    let app = || Shell::new(tokens.clone()).around(routes());
    assert_eq!(send(app(), request(Method::GET, "/healthz")).await.0, StatusCode::OK);
    for path in ["/id", "/nowhere"] {
        let (status, headers, _) = send(app(), request(Method::GET, path)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(headers.contains_key(WWW_AUTHENTICATE) && headers[CONTENT_TYPE] == PROBLEM_JSON, "{path}");
    }
    let with_token = |method, path| {
        let mut request = request(method, path);
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {secret}").parse().unwrap());
        request
    };
    assert_eq!(send(app(), with_token(Method::GET, "/id")).await.0, StatusCode::OK);
    assert_eq!(send(app(), with_token(Method::POST, "/v1/predictions")).await.0, StatusCode::FORBIDDEN);
}
