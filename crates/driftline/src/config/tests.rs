//! Tests of the configuration.

use std::path::PathBuf;

use driftline_events::Task;

use super::{Config, ConfigError, ModelConfig, ModelOptions};

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Config::parse(text, "driftline.toml", PathBuf::from("/etc/driftline"), environment)
}

fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<(String, String)> {
    match parse(text, environment) {
        Err(ConfigError::Faults { faults, .. }) => {
            faults.into_iter().map(|fault| (fault.place, fault.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The example of the documentation.
const CENSUS: &str = r#"
    [[models]]
    name = "census"
    task = "binary"                      # binary | multiclass | regression
    positive = "1"
    windows = [{ name = "1d", length = "1d" }]
    reference = { kind = "file", path = "reference.parquet" }
    [models.columns]                     # for tables; features go by their own names
    timestamp = "timestamp"
    prediction_id = "id"
    prediction = "prediction"
    score = "predicted_probability"
    label = "employed"
    [[models.features]]
    name = "AGEP"
    kind = "numeric"                     # numeric | categorical | boolean
"#;

#[test]
fn the_documented_example_holds_and_paths_start_at_the_file() {
    let config = parse(CENSUS, &[]).unwrap();
    assert_eq!(config.options.server.listen.to_string(), "127.0.0.1:8080");
    let driftline_evaluate::ReferenceSpec::File { path } = &config.models[0].reference else {
        panic!("{:?}", config.models[0].reference)
    };
    assert_eq!(path, &PathBuf::from("/etc/driftline/reference.parquet"));
}

#[test]
fn an_empty_configuration_holds() {
    assert_eq!(parse("", &[]).unwrap().models.len(), 0);
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place() {
    let text = r#"
        colour = "blue"
        [server]
        listen = "nowhere"
        port = 9
        [state]
        reports_per_model = 0
        [[models]]
        name = "a b"
        task = "binary"
        windows = [{ name = "x", length = "90s" }, { name = "y", length = "soon" }]
        features = [{ name = "f", kind = "number" }, { name = "g", kind = "numeric" }]
        [models.drift]
        psi_threshold = -1.0
        [[models]]
        task = "binary"
    "#;
    let found = faults(text, &[]);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    for place in [
        "colour",
        "server.listen",
        "server.port",
        "state.reports_per_model",
        "models[0].name",
        "models[0].windows",
        "models[0].windows[1].length",
        "models[0].features[0].kind",
        "models[0].drift",
        "models[1]",
    ] {
        assert!(places.contains(&place), "{place} is not among {found:#?}");
    }
}

#[test]
fn the_environment_wins_over_the_file_by_key_place_and_name() {
    let config = parse(
        CENSUS,
        &[
            ("DRIFTLINE_SERVER__LISTEN", "127.0.0.1:9000"),
            ("DRIFTLINE_METRICS__MAX_SERIES", "5"),
            ("DRIFTLINE_MODELS__CENSUS__RETENTION", "30days"),
            ("DRIFTLINE_MODELS__0__POSITIVE", "'0'"),
            ("DRIFTLINE_TEST_ANYTHING", "is not ours"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.options.server.listen.port(), 9000);
    assert_eq!(config.options.metrics.max_series, 5);
    assert_eq!(config.models[0].options.positive.as_deref(), Some("0"));
    assert_eq!(config.models[0].time.retention().as_secs(), 30 * 86_400);
}

#[test]
fn a_key_of_the_environment_that_leads_nowhere_is_a_fault() {
    let found = faults(
        CENSUS,
        &[("DRIFTLINE_SERVRE__LISTEN", "127.0.0.1:9000"), ("DRIFTLINE_MODELS__CHURN__TASK", "binary")],
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, "DRIFTLINE_MODELS__CHURN__TASK");
    assert_eq!(found[1].0, "servre");
}

/// A rule that fires beyond `below`, for models in the window `window`.
fn rule(window: &str, below: f64) -> String {
    format!(
        "[[alerts.rules]]\nname = \"low\"\nmetric = \"accuracy\"\nwindow = \"{window}\"\nbelow = {below}\n"
    )
}

#[test]
fn alerts_of_all_models_hold_for_those_that_say_nothing() {
    let text = format!(
        "{}\n[[models]]\nname = \"a\"\ntask = \"multiclass\"\n[[models]]\nname = \"b\"\ntask = \"multiclass\"\n\
         [models.alerts]\ndefaults = false\n",
        rule("1h", 0.5)
    );
    let config = parse(&text, &[]).unwrap();
    let names: Vec<Vec<String>> =
        config.models.iter().map(|model| model.alerts.rules().map(str::to_owned).collect()).collect();
    assert!(names[0].iter().any(|name| name == "low"), "{names:?}");
    assert!(names[1].is_empty(), "{names:?}");
    // A model that registers itself has them too.
    let own =
        ModelConfig::try_new(&ModelOptions::new("c", Task::Multiclass), &config.model_defaults()).unwrap();
    assert!(own.alerts.rules().any(|name| name == "low"));
}

#[test]
fn alerts_of_all_models_that_a_model_cannot_have_are_a_fault() {
    let found = faults(&rule("2h", 0.5), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0.starts_with("alerts") && found[0].0.contains("registered-from-events"), "{found:?}");
    // Where no model registers itself, only those of the configuration must have the window.
    let text = format!("{}\n[registration]\nenabled = false\n", rule("2h", 0.5));
    parse(&text, &[]).unwrap();
}

#[test]
fn a_binary_model_says_which_class_its_score_is_of() {
    let found = faults(
        r#"
        [[models]]
        name = "m"
        task = "binary"
        features = [{ name = "x", kind = "numeric" }]
        "#,
        &[],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "models[0].positive");
}

#[test]
fn a_file_reference_needs_features_to_compare() {
    let found = faults(
        r#"
        [[models]]
        name = "m"
        task = "multiclass"
        reference = { kind = "file", path = "reference.csv" }
        "#,
        &[],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "models[0].features");
    assert!(found[0].1.contains("features = [{ name ="), "{}", found[0].1);
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line() {
    let error = parse("[server\nlisten = 1", &[]).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("line 1"), "{source}");
}

#[test]
fn a_key_that_is_wrong_is_not_called_missing_too() {
    let found = faults(
        r#"
        [[models]]
        name = "m"
        task = "binry"
        "#,
        &[],
    );
    let expected = "unknown variant `binry`, expected one of `binary`, `multiclass`, `regression`";
    assert_eq!(found, [("models[0].task".to_owned(), expected.to_owned())]);
}
