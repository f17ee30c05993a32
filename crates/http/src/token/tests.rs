use super::*;

fn token(name: &str, secret: &str, scopes: &[Scope]) -> TokenOptions {
    TokenOptions { name: name.into(), secret: secret.into(), scopes: scopes.iter().copied().collect() }
}

fn tokens() -> Tokens {
    Tokens::try_new(vec![
        token("app", "app-secret-0123456789", &[Scope::Ingest]),
        token("prometheus", "prom-secret-0123456789", &[Scope::Read]),
        token("ops", "ops-secret-0123456789", &[Scope::Admin]),
    ])
    .unwrap()
}

fn headers(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

#[test]
fn all_faults_are_found_at_once() {
    let errors = Tokens::try_new(vec![
        token("a", "short", &[Scope::Read]),
        token("b", "with a blank in it", &[]),
        token("a", "with a blank in it", &[Scope::Read]),
    ])
    .unwrap_err();
    assert_eq!(
        errors,
        [
            TokenError::Short { name: "a".into(), length: 5 },
            TokenError::Character { name: "b".into() },
            TokenError::NoScopes { name: "b".into() },
            TokenError::Character { name: "a".into() },
            TokenError::Twice { first: "a".into(), second: "a".into(), what: "name" },
            TokenError::Twice { first: "b".into(), second: "a".into(), what: "secret" },
        ]
    );
}

#[test]
fn the_secret_is_not_shown() {
    let shown = format!("{:?}", tokens());
    assert!(shown.contains("prometheus") && !shown.contains("prom-secret"), "{shown}");
}

#[test]
fn a_secret_may_be_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "file-secret-0123456789\n").unwrap();
    let from = |path: &std::path::Path| TokenOptions {
        name: "app".into(),
        secret: SecretOptions::File(crate::SecretFromFile { file: path.to_owned() }),
        scopes: [Scope::Ingest].into(),
    };
    let tokens = Tokens::try_new(vec![from(file.path())]).unwrap();
    let caller = tokens.authorise(&headers("Bearer file-secret-0123456789"), Scope::Ingest).unwrap();
    assert_eq!(caller, Caller("app".into()));
    let errors = Tokens::try_new(vec![from(std::path::Path::new("/nowhere/at/all"))]).unwrap_err();
    assert!(
        errors[0].to_string().contains("app") && errors[0].to_string().contains("/nowhere/at/all"),
        "{errors:?}"
    );
}

#[test]
fn each_route_has_its_scope() {
    let of = |method: Method, path| Scope::of(&method, path);
    assert_eq!(of(Method::GET, "/healthz"), None);
    assert_eq!(of(Method::HEAD, "/readyz"), None);
    assert_eq!(of(Method::POST, "/v1/predictions"), Some(Scope::Ingest));
    assert_eq!(of(Method::POST, "/v1/labels"), Some(Scope::Ingest));
    assert_eq!(of(Method::GET, "/metrics"), Some(Scope::Read));
    assert_eq!(of(Method::GET, "/v1/models/census/windows"), Some(Scope::Read));
    assert_eq!(of(Method::PUT, "/v1/models/census"), Some(Scope::Admin));
    assert_eq!(of(Method::DELETE, "/healthz"), Some(Scope::Admin));
    assert_eq!(of(Method::GET, "/healthz/../v1/models"), Some(Scope::Read));
}

#[test]
fn a_token_does_what_its_scopes_say_and_admin_all() {
    let allowed = |secret: &str, scope| tokens().authorise(&headers(&format!("bearer {secret}")), scope);
    assert_eq!(allowed("app-secret-0123456789", Scope::Ingest), Ok(Caller("app".into())));
    assert_eq!(allowed("ops-secret-0123456789", Scope::Ingest), Ok(Caller("ops".into())));
    assert_eq!(allowed("ops-secret-0123456789", Scope::Read), Ok(Caller("ops".into())));
    for (secret, scope) in [("app-secret-0123456789", Scope::Read), ("prom-secret-0123456789", Scope::Admin)]
    {
        assert_eq!(allowed(secret, scope).unwrap_err().status(), StatusCode::FORBIDDEN);
    }
}

#[test]
fn anything_else_is_unauthorised() {
    let sent =
        ["Bearer app-secret-012345678", "Bearer ", "Basic YXBwOnNlY3JldA==", "B", "app-secret-0123456789"];
    for authorization in sent {
        let problem = tokens().authorise(&headers(authorization), Scope::Ingest).unwrap_err();
        assert_eq!(problem.status(), StatusCode::UNAUTHORIZED, "{authorization}");
        assert!(problem.into_response().headers().contains_key(WWW_AUTHENTICATE), "{authorization}");
    }
    let none = tokens().authorise(&HeaderMap::new(), Scope::Read).unwrap_err();
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
}
