//! Tests of when a stored reference is used.

use std::path::PathBuf;

use driftline_evaluate::ReferenceOptions;
use driftline_events::{Feature, FeatureKind, Task};
use tempfile::TempDir;

use super::*;
use crate::config::{ModelDefaults, ModelOptions};

/// Later than every file that a test writes.
const LATER: EventTime = EventTime::from_millis(4_000_000_000_000);

/// A folder with the tables `a.csv` (2 rows) and `b.csv` (3 rows), and a model whose reference is `a.csv`.
struct Case {
    folder: TempDir,
    options: ModelOptions,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "x,country\n1,BE\n2,NL\n").unwrap();
        std::fs::write(folder.path().join("b.csv"), "x,country\n1,BE\n2,NL\n3,NL\n").unwrap();
        let mut options = ModelOptions::new("m", Task::Multiclass);
        options.features = vec![Feature { name: "x".into(), kind: FeatureKind::Numeric }];
        options.reference = ReferenceOptions::File { path: PathBuf::from("a.csv") };
        Self { folder, options }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn defaults(&self) -> ModelDefaults {
        ModelDefaults { folder: self.folder.path().to_owned(), ..ModelDefaults::default() }
    }

    fn model(&self) -> ModelConfig {
        ModelConfig::try_new(&self.options, &self.defaults()).unwrap()
    }

    fn references(&self) -> ReferenceFolder {
        ReferenceFolder::of(&self.path("state"))
    }

    fn load(&self, now: EventTime) -> Result<Option<Arc<Reference>>, ReferenceFileError> {
        load_or_build(&self.model(), &self.references(), now)
    }

    /// The rows of the reference that the model starts with.
    fn rows(&self) -> Option<u64> {
        self.load(LATER).unwrap().map(|reference| reference.rows)
    }

    /// Stores what somebody asked for: the three rows of `b.csv`.
    fn store_explicit(&self, source: String) {
        let mut reference = build(&self.model(), &[self.path("b.csv")], LATER, &mut |_| {}).unwrap();
        reference.source = source;
        self.references().save(self.model().schema.model(), &reference).unwrap();
    }
}

fn explicit_sources() -> [String; 2] {
    [source_by_command(&["b.csv"]), source_by_request(&ModelId::try_new("m").unwrap())]
}

#[test]
fn an_automatic_reference_is_kept_while_its_table_stays() {
    let case = Case::new();
    let built = case.load(LATER).unwrap().unwrap();
    std::fs::remove_file(case.path("a.csv")).unwrap();
    assert_eq!(case.load(LATER).unwrap().unwrap(), built);
}

#[test]
fn an_automatic_reference_follows_a_changed_path() {
    let mut case = Case::new();
    assert_eq!(case.rows(), Some(2));
    case.options.reference = ReferenceOptions::File { path: PathBuf::from("b.csv") };
    assert_eq!(case.rows(), Some(3));
}

#[test]
fn an_automatic_reference_follows_a_newer_table() {
    let case = Case::new();
    let long_ago = EventTime::from_millis(0);
    assert_eq!(case.load(long_ago).unwrap().unwrap().rows, 2);
    std::fs::copy(case.path("b.csv"), case.path("a.csv")).unwrap();
    assert_eq!(case.rows(), Some(3));
}

#[test]
fn an_explicit_reference_wins_over_the_path() {
    for source in explicit_sources() {
        let mut case = Case::new();
        case.store_explicit(source.clone());
        assert_eq!(case.rows(), Some(3), "{source}");
        case.options.reference = ReferenceOptions::File { path: PathBuf::from("not-there.csv") };
        assert_eq!(case.rows(), Some(3), "{source}");
    }
}

#[test]
fn an_automatic_reference_follows_a_segment_that_its_table_has() {
    let mut case = Case::new();
    assert!(case.load(LATER).unwrap().unwrap().segments.is_empty());
    case.options.segments = vec!["country".to_owned()];
    assert_eq!(case.load(LATER).unwrap().unwrap().segments.len(), 2);
    case.options.segments.clear();
    for source in explicit_sources() {
        case.store_explicit(source);
        case.options.segments = vec!["country".to_owned()];
        assert_eq!(case.rows(), Some(3), "what somebody asked for stays");
        case.options.segments.clear();
    }
}

#[test]
fn a_reference_is_not_built_anew_for_a_segment_that_its_table_lacks() {
    let mut case = Case::new();
    case.options.segments = vec!["shop".to_owned()];
    let built = case.load(LATER).unwrap().unwrap();
    let later = LATER.saturating_add(std::time::Duration::from_secs(1));
    assert_eq!(case.load(later).unwrap().unwrap(), built);
}

#[test]
fn a_reference_keeps_as_many_segments_as_its_model() {
    let mut case = Case::new();
    case.options.segments = vec!["country".to_owned()];
    case.options.max_segment_values = 1;
    let reference = case.load(LATER).unwrap().unwrap();
    let values: Vec<&str> = reference.segments.keys().map(|(_, value)| &**value).collect();
    assert_eq!(values, ["BE", "__other__"]);
}

#[test]
fn an_explicit_reference_that_does_not_fit_is_an_error_without_a_table() {
    let mut case = Case::new();
    case.store_explicit(source_by_command(&["b.csv"]));
    case.options.reference = ReferenceOptions::File { path: PathBuf::from("not-there.csv") };
    case.options.task = Task::Regression;
    let error = case.load(LATER).unwrap_err();
    let ReferenceFileError::Outdated { why, .. } = &error else { panic!("{error:?}") };
    assert_eq!(why, "it is of another task");
    assert!(error.to_string().contains("driftline reference --model m --from TABLE"), "{error}");
}

#[test]
fn a_learned_model_starts_with_an_explicit_reference_that_fits() {
    let mut case = Case::new();
    assert_eq!(case.rows(), Some(2));
    case.options.reference = ReferenceOptions::default();
    assert_eq!(case.rows(), None, "an automatic one was of another kind of model");
    for source in explicit_sources() {
        case.store_explicit(source.clone());
        assert_eq!(case.rows(), Some(3), "{source}");
        let mut other = case.options.clone();
        other.task = Task::Regression;
        let other = ModelConfig::try_new(&other, &case.defaults()).unwrap();
        assert_eq!(load_or_build(&other, &case.references(), LATER).unwrap(), None, "{source}");
    }
}

#[test]
fn a_model_that_is_compared_with_its_own_windows_takes_no_table() {
    let mut case = Case::new();
    check_takes_table(&case.model()).unwrap();
    case.options.reference = ReferenceOptions::default();
    check_takes_table(&case.model()).unwrap();
    for (reference, kind) in [
        (ReferenceOptions::Trailing { windows: 3 }, "trailing"),
        (ReferenceOptions::Seasonal { weeks: 2 }, "seasonal"),
        (
            ReferenceOptions::Version {
                version: "1".to_owned(),
                lookback: driftline_events::Span::from_days(7),
            },
            "version",
        ),
    ] {
        case.options.reference = reference;
        case.store_explicit(source_by_command(&["b.csv"]));
        assert_eq!(case.rows(), None, "{kind}");
        let error = check_takes_table(&case.model()).unwrap_err();
        let ReferenceFileError::OwnWindows { kind: found, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*found, kind);
    }
}
