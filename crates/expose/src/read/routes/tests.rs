use std::sync::Mutex;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use driftline_events::{Feature, FeatureKind, ModelId, Task};
use driftline_http::{PROBLEM_JSON, Shell, Tokens};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::config::ExposeSpec;
use crate::fixture::{report_with, snapshot};
use crate::read::error::ReadError;
use crate::read::model::{BoxFuture, Page};
use crate::read::query::{CompareQuery, Period, SegmentFilter, WindowsQuery};

/// Knows one model, and remembers what it was asked.
#[derive(Default)]
struct Fake {
    ready: Option<String>,
    windows: Mutex<Vec<WindowsQuery>>,
    compared: Mutex<Vec<CompareQuery>>,
}

fn overview() -> ModelOverview {
    ModelOverview {
        model: "churn".into(),
        task: Task::Binary,
        origin: ModelOrigin::Config,
        versions: vec!["3".into()],
        windows: vec!["1h".into()],
        segments: vec!["country".into()],
        features: 2,
        rows: 500,
        watermark: Some("2026-01-01T01:00:00Z".into()),
        reference: Some("file".into()),
    }
}

fn known(model: &ModelId) -> Result<(), ReadError> {
    match model.as_str() {
        "churn" => Ok(()),
        "broken" => Err(ReadError::Internal("a secret of the inside".into())),
        "panicking" => panic!("a secret of the inside"),
        "loading" => Err(ReadError::Unavailable { why: "the reference is being read".into() }),
        model => Err(ReadError::UnknownModel { model: model.to_owned() }),
    }
}

impl ReadModel for Fake {
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelOverview>, ReadError>> {
        Box::pin(async { Ok(vec![overview()]) })
    }

    fn model(&self, model: ModelId) -> BoxFuture<'_, Result<ModelDetail, ReadError>> {
        Box::pin(async move {
            known(&model)?;
            let inputs = vec![Feature { name: "age".into(), kind: FeatureKind::Numeric }];
            let latest = vec![report_with(&[])];
            Ok(ModelDetail { overview: overview(), positive: Some("yes".into()), inputs, latest })
        })
    }

    fn windows(&self, query: WindowsQuery) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            known(&query.model)?;
            if query.cursor.as_deref() == Some("stale") {
                let accepted = "the `next` of an answer".into();
                return Err(ReadError::BadParameter { name: "cursor", value: "stale".into(), accepted });
            }
            self.windows.lock().unwrap().push(query);
            Ok(Page { windows: vec![report_with(&[])], next: Some("after-1".into()) })
        })
    }

    fn compare(&self, query: CompareQuery) -> BoxFuture<'_, Result<Arc<WindowReport>, ReadError>> {
        Box::pin(async move {
            known(&query.model)?;
            match &query.current {
                Period::Window(window) if window == "1y" => {
                    return Err(ReadError::NotFound { what: "there is no window \"1y\"".into() });
                }
                Period::Window(window) if window == "other" => {
                    return Err(ReadError::NotComparable { why: "the grids differ".into() });
                }
                _ => self.compared.lock().unwrap().push(query),
            }
            Ok(report_with(&[]))
        })
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.clone().map_or(Ok(()), Err)
    }
}

fn app(model: Arc<Fake>) -> Router {
    let snapshot = Arc::new(snapshot(vec![report_with(&[])]));
    let spec = ExposeSpec { max_series: 20_000 };
    let metrics = Metrics::new(spec, Arc::new(move || Arc::clone(&snapshot)));
    Shell::new(Tokens::default()).around(read_router(model, Arc::new(metrics)))
}

async fn get_from(model: &Arc<Fake>, path: &str, accept: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().uri(path);
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = app(Arc::clone(model)).oneshot(request).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn json_of(path: &str) -> Value {
    let (status, headers, body) = get_from(&Arc::default(), path, None).await;
    assert_eq!(
        (status, &headers[CONTENT_TYPE]),
        (StatusCode::OK, &"application/json".parse().unwrap()),
        "{path}"
    );
    serde_json::from_slice(&body).unwrap()
}

async fn problem_of(path: &str) -> (u16, Value) {
    let (status, headers, body) = get_from(&Arc::default(), path, None).await;
    assert_eq!(headers[CONTENT_TYPE], PROBLEM_JSON, "{path}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert!(!body.to_string().contains("secret"), "{body}");
    (status.as_u16(), body)
}

#[tokio::test]
async fn models_are_listed_and_shown() {
    assert_eq!(json_of("/v1/models").await["models"][0]["model"], "churn");
    let model = json_of("/v1/models/churn").await;
    assert_eq!((&model["task"], &model["origin"]), (&json!("binary"), &json!("config")));
    assert_eq!((&model["inputs"][0]["name"], &model["latest"][0]["revision"]), (&json!("age"), &json!(2)));
}

#[tokio::test]
async fn windows_are_reports_and_a_cursor() {
    let fake = Arc::new(Fake::default());
    let path = "/v1/models/churn/windows?window=1h&segment=country%3DBE&version=3&limit=7&cursor=x&latest";
    let (status, headers, body) = get_from(&fake, path, None).await;
    assert_eq!((status, &headers[VARY]), (StatusCode::OK, &"accept".parse().unwrap()));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["windows"][0]["model"], &body["next"]), (&json!("churn"), &json!("after-1")));
    assert_eq!(body["windows"][0]["latency"]["quantiles"]["0.999"]["absent"], "too_few_rows");
    let asked = fake.windows.lock().unwrap().remove(0);
    assert_eq!((asked.window.as_deref(), asked.version.as_deref(), asked.limit), (Some("1h"), Some("3"), 7));
    assert_eq!(asked.segment, SegmentFilter::One { tag: "country".into(), value: "BE".into() });
    assert_eq!((asked.cursor.as_deref(), asked.latest), (Some("x"), true));
}

#[tokio::test]
async fn arrow_is_answered_where_it_is_accepted_first() {
    let path = "/v1/models/churn/windows";
    for (accept, arrow) in [
        (ARROW_STREAM, true),
        ("application/vnd.apache.arrow.stream, application/json;q=0.5", true),
        ("application/json, application/vnd.apache.arrow.stream", false),
        ("text/html, */*;q=0.1", false),
        ("application/vnd.apache.arrow.stream;q=0, */*", false),
    ] {
        let (status, headers, body) = get_from(&Arc::default(), path, Some(accept)).await;
        let expected = if arrow { ARROW_STREAM } else { "application/json" };
        assert_eq!((status, headers[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, expected), "{accept}");
        assert_eq!(serde_json::from_slice::<Value>(&body).is_err(), arrow, "{accept}");
    }
    let (status, _, body) = get_from(&Arc::default(), path, Some("text/html")).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    assert!(String::from_utf8(body).unwrap().contains(ARROW_STREAM));
    let (_, headers, _) =
        get_from(&Arc::default(), "/v1/models/churn/compare?current=1h", Some(ARROW_STREAM)).await;
    assert_eq!(headers[CONTENT_TYPE], ARROW_STREAM);
}

#[tokio::test]
async fn a_comparison_is_a_report() {
    let fake = Arc::new(Fake::default());
    let path = "/v1/models/churn/compare?current=0..1000&reference=1h&reference_version=2";
    let (status, _, body) = get_from(&fake, path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["schema"], "driftline.window_report.v1");
    assert_eq!(fake.compared.lock().unwrap()[0].reference_version.as_deref(), Some("2"));
}

#[tokio::test]
async fn every_error_is_a_problem() {
    for (path, status, word) in [
        ("/v1/models/none", 404, "no model"),
        ("/v1/models/none/windows", 404, "no model"),
        ("/v1/models/a%20b/windows", 400, "`model`"),
        ("/v1/models/%ff/windows", 400, "UTF-8"),
        ("/v1/models/churn/windows?limit=x", 400, "`limit`"),
        ("/v1/models/churn/windows?windows=1h", 400, "unknown field `windows`"),
        ("/v1/models/churn/windows?limit=1&limit=2", 400, "duplicate field"),
        ("/v1/models/churn/windows?cursor=stale", 400, "`cursor`"),
        ("/v1/models/churn/compare", 400, "`current`"),
        ("/v1/models/churn/compare?current=1y", 404, "1y"),
        ("/v1/models/churn/compare?current=other", 409, "grids differ"),
        ("/v1/models/loading", 503, "being read"),
        ("/v1/models/broken", 500, "log"),
        ("/v1/models/panicking/windows", 500, "log"),
        ("/v1/models/churn/nothing", 404, "no such route"),
    ] {
        let (answered, body) = problem_of(path).await;
        assert_eq!(answered, status, "{path}: {body}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains(word)), "{path}: {body}");
    }
}

#[tokio::test]
async fn metrics_say_what_they_are() {
    let accept = Some("text/plain;version=0.0.4");
    let (status, headers, body) = get_from(&Arc::default(), "/metrics", accept).await;
    assert_eq!((status, headers[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, OPENMETRICS));
    assert!(String::from_utf8(body).unwrap().ends_with("# EOF\n"));
}

#[tokio::test]
async fn health_and_readiness_differ() {
    assert_eq!(json_of("/healthz").await["status"], "ok");
    assert_eq!(json_of("/readyz").await["status"], "ready");
    let starting = Arc::new(Fake { ready: Some("the state is being read".into()), ..Fake::default() });
    let (status, _, body) = get_from(&starting, "/readyz", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(String::from_utf8(body).unwrap().contains("the state is being read"));
    assert_eq!(get_from(&starting, "/healthz", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_page_takes_nothing_from_elsewhere() {
    let (status, headers, body) = get_from(&Arc::default(), "/", Some("text/html")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
    let page = String::from_utf8(body).unwrap();
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("innerHTML"));
}

#[test]
fn openapi_knows_every_route() {
    let description = serde_json::to_value(read_openapi()).unwrap();
    let paths: Vec<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
    let mut routes = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/models/{model}/windows",
        "/v1/models/{model}/compare",
    ];
    routes.sort_unstable();
    assert_eq!(paths, routes);
    let windows = &description["paths"]["/v1/models/{model}/windows"]["get"];
    let names: Vec<_> =
        windows["parameters"].as_array().unwrap().iter().map(|of| of["name"].clone()).collect();
    assert_eq!(names, ["model", "window", "from", "to", "segment", "version", "limit", "cursor", "latest"]);
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for reference in description.to_string().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not described");
    }
}
