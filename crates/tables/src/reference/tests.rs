use driftline_summary::{FeatureSummary, Performance, Reducer};
use tempfile::tempdir;

use super::*;
use crate::learn_spec;
use crate::testing::{FORMATS, columns, schema, write_rows};

fn reference(format: &str) -> Reference {
    reference_of(format, 100)
}

fn reference_of(format: &str, segment_values: usize) -> Reference {
    let folder = tempdir().unwrap();
    let table = Table::open([write_rows(folder.path(), format)]).unwrap();
    let created = EventTime::from_millis(0);
    build_reference(&table, &schema(), &columns(), segment_values, created, "rows".into(), &mut |_| ())
        .unwrap()
}

#[test]
fn every_format_gives_the_same_reference() {
    let expected = reference("parquet");
    for format in FORMATS {
        assert_eq!(reference(format), expected, "{format}");
    }
}

#[test]
fn a_reference_counts_rows_segments_and_labels() {
    let reference = reference("parquet");
    assert_eq!(reference.rows, 6);
    let FeatureSummary::Numeric(age) = &reference.overall.features[0] else { panic!("age is a number") };
    assert_eq!((age.present().rows, age.missing.rows, age.invalid.rows), (4, 1, 1));
    let FeatureSummary::Categorical(plan) = &reference.overall.features[1] else { panic!("plan is none") };
    assert_eq!((plan.present.rows, plan.missing.rows), (5, 1));
    let keys: Vec<String> = reference.segments.keys().map(|(tag, value)| format!("{tag}={value}")).collect();
    assert_eq!(keys, ["country=BE", "country=NL"]);
    let be = &reference.segments[&("country".into(), "BE".into())];
    assert_eq!((be.traffic.total.rows, be.outcomes.labels.rows), (3, 3));
    assert_eq!(reference.overall.outcomes.labels.rows, 5);
    let Performance::Classification(classes) = &reference.overall.outcomes.performance else {
        panic!("a binary model")
    };
    let at = |class: &str| classes.classes().iter().position(|other| **other == *class).unwrap();
    let count = |actual, predicted| classes.weight(at(actual), at(predicted));
    // Actual and predicted agree in rows 1, 2, 4 and 5.
    assert_eq!((count("yes", "yes"), count("no", "no")), (2.0, 2.0));
    assert_eq!((count("yes", "no"), count("no", "yes")), (1.0, 0.0));
}

#[test]
fn segment_values_beyond_the_bound_are_pooled() {
    let reference = reference_of("csv", 1);
    let rows: Vec<(String, u64)> = reference
        .segments
        .iter()
        .map(|((tag, value), summary)| (format!("{tag}={value}"), summary.traffic.total.rows))
        .collect();
    assert_eq!(rows, [("country=BE".to_owned(), 3), ("country=__other__".to_owned(), 2)]);
}

#[test]
fn the_grid_is_that_of_the_sorted_values() {
    let folder = tempdir().unwrap();
    let table = Table::open([write_rows(folder.path(), "csv")]).unwrap();
    let spec = learn_spec(&table, &schema(), &columns()).unwrap();
    let Reducer::Numeric(Some(grid)) = &spec.features()[0].reducer else { panic!("age has values") };
    let expected = driftline_summary::Grid::from_sorted(&[-0.001, 7.0, 41.5, 41.5]).unwrap();
    assert_eq!(grid.cuts(), expected.cuts());
    let Reducer::Categorical(Some(plan)) = &spec.features()[1].reducer else { panic!("plan has values") };
    let kept: Vec<&str> = plan.kept().iter().map(AsRef::as_ref).collect();
    assert_eq!(kept, ["gold", "007", "silver"]);
    assert_eq!(spec.label().unwrap().kept().len(), 2);
    assert_eq!(spec.score().unwrap().cuts().len(), 12);
}

#[test]
fn a_table_of_unusable_rows_is_no_reference() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, "age,plan,active,predicted,probability\n1,a,true,yes,7\n").unwrap();
    let table = Table::open([&path]).unwrap();
    let created = EventTime::from_millis(0);
    let built = build_reference(&table, &schema(), &columns(), 100, created, String::new(), &mut |_| ());
    let error = built.unwrap_err();
    assert!(matches!(error, ReferenceError::NoRows { read: 1, rejected: 1 }), "{error:?}");
}

#[test]
fn labels_stay_with_their_rows_when_others_are_rejected() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("some-bad.csv");
    let rows = "\
age,plan,active,country,predicted,probability,churned
1,z,true,BE,yes,7,no
2,a,true,BE,yes,0.9,yes
3,a,true,BE,yes,0.9,
4,a,true,BE,no,-1,yes
5,a,true,BE,no,0.1,no
";
    std::fs::write(&path, rows).unwrap();
    let table = Table::open([&path]).unwrap();
    let created = EventTime::from_millis(0);
    let reference =
        build_reference(&table, &schema(), &columns(), 100, created, String::new(), &mut |_| ()).unwrap();
    assert_eq!((reference.rows, reference.overall.outcomes.labels.rows), (3, 2));
    let Performance::Classification(classes) = &reference.overall.outcomes.performance else {
        panic!("a binary model")
    };
    // Both labels agree with the predictions of their own rows.
    assert_eq!((classes.weight(0, 0), classes.weight(1, 1)), (1.0, 1.0));
    let Reducer::Numeric(Some(age)) = &reference.spec.features()[0].reducer else { panic!("age has values") };
    assert_eq!(age.cuts()[0], 2.0, "a rejected row gives no value to the grid");
    let Reducer::Categorical(Some(plan)) = &reference.spec.features()[1].reducer else {
        panic!("plan has some")
    };
    assert_eq!(plan.kept().len(), 1, "nor a category");
}
