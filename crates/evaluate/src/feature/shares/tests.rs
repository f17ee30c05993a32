use std::sync::Arc;

use driftline_events::FeatureKind;
use driftline_summary::{CategoricalSummary, Categories, FeatureSummary, NumericSummary};

use super::super::{bins, categorical, numeric};
use super::*;

/// The shares that go with a feature's report.
fn shares(current: &FeatureSummary, reference: Option<&FeatureSummary>) -> Vec<BinShare> {
    match (current, reference) {
        (FeatureSummary::Numeric(current), Some(FeatureSummary::Numeric(reference))) => {
            of_numbers(current, reference)
        }
        (FeatureSummary::Categorical(current), Some(FeatureSummary::Categorical(reference))) => {
            of_categories(current, reference)
        }
        (FeatureSummary::Numeric(current), _) => of(numeric::report("x", current, None).1),
        (FeatureSummary::Categorical(current), _) => {
            of(categorical::report("x", FeatureKind::Categorical, current, None).1)
        }
    }
}

fn of_numbers(current: &NumericSummary, reference: &NumericSummary) -> Vec<BinShare> {
    of(numeric::report("x", current, Some(reference)).1)
}

fn of_categories(current: &CategoricalSummary, reference: &CategoricalSummary) -> Vec<BinShare> {
    of(categorical::report("x", FeatureKind::Categorical, current, Some(reference)).1)
}

fn of(bins: Option<Bins<'_>>) -> Vec<BinShare> {
    bins.map(super::shares).unwrap_or_default()
}

fn numeric_summary(grid: &Arc<Grid>, values: impl IntoIterator<Item = f64>) -> NumericSummary {
    let mut summary = NumericSummary::new(Some(Arc::clone(grid)));
    values.into_iter().for_each(|value| summary.add(value, 1.0));
    summary
}

fn labels(bins: &[BinShare]) -> Vec<&str> {
    bins.iter().map(|bin| bin.label.as_str()).collect()
}

/// What a chart and a reader of labels need of any bins.
fn check(bins: &[BinShare]) {
    assert!(bins.len() <= BINS, "{bins:?}");
    assert!(labels(bins).is_sorted(), "{bins:?}");
    for side in [|bin: &BinShare| bin.reference, |bin: &BinShare| bin.current] {
        let all: f64 = bins.iter().map(side).sum();
        assert!((all - 1.0).abs() < 1e-12, "{bins:?}");
    }
}

#[test]
fn numbers_come_as_tenths_that_sort_in_order() {
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    let grid = Arc::new(Grid::from_sorted(&values).unwrap());
    let reference = numeric_summary(&grid, values.clone());
    let high = numeric_summary(&grid, values.iter().map(|value| value + 500.0));
    let bins =
        shares(&FeatureSummary::Numeric(high.clone()), Some(&FeatureSummary::Numeric(reference.clone())));
    check(&bins);
    assert_eq!(bins.len(), 10);
    let ends = (bins[0].label.as_str(), bins[1].label.as_str(), bins[9].label.as_str());
    assert_eq!(ends, ("01: below 99", "02: 99 to 199", "10: above 899"));
    assert_eq!((bins[0].current, bins[9].reference, bins[9].current), (0.0, 0.101, 0.601));
    // Without a reference, and against nothing, there is nothing to show.
    assert!(shares(&FeatureSummary::Numeric(high), None).is_empty());
    let nothing = FeatureSummary::Numeric(numeric_summary(&grid, []));
    assert!(shares(&nothing, Some(&FeatureSummary::Numeric(reference))).is_empty());
}

#[test]
fn few_numbers_keep_their_place_when_others_come() {
    let grid = Arc::new(Grid::from_sorted(&[0.0, 0.0, 1.0]).unwrap());
    let reference = numeric_summary(&grid, [0.0, 0.0, 1.0, 1.0]);
    let bins = of_numbers(&numeric_summary(&grid, [1.0]), &reference);
    check(&bins);
    assert_eq!(labels(&bins), ["01: 0", "02: 1"]);
    let bins = of_numbers(&numeric_summary(&grid, [0.0, 0.5]), &reference);
    check(&bins);
    assert_eq!(labels(&bins), ["01: 0", "02: 1", "03: other values"]);
    assert_eq!((bins[2].reference, bins[2].current), (0.0, 0.5));
}

#[test]
fn many_values_that_are_each_a_tenth_are_pooled_to_eleven_bins() {
    // 5 % that vary, then 10 % that are one value, and so on: the PSI has fifteen bins.
    let values: Vec<f64> = (0..1000)
        .map(|i| {
            let (block, within) = (i / 200, i % 200);
            f64::from(block * 200 + if (50..150).contains(&within) { 50 } else { within })
        })
        .collect();
    let grid = Arc::new(Grid::from_sorted(&values).unwrap());
    let reference = numeric_summary(&grid, values);
    assert!(bins::numeric(&grid, &reference, &reference).binned.reference.len() > BINS);
    let bins = of_numbers(&reference, &reference);
    check(&bins);
    assert_eq!(bins.len(), BINS);
}

fn categorical_summary(categories: &Arc<Categories>, names: &[(&str, usize)]) -> CategoricalSummary {
    let mut summary = CategoricalSummary::new(Some(Arc::clone(categories)));
    names.iter().for_each(|(name, times)| (0..*times).for_each(|_| summary.add(name, 1.0)));
    summary
}

#[test]
fn categories_come_by_their_share_of_the_reference() {
    let long = "x".repeat(60);
    let known = [("gold", 30), ("free", 50), (long.as_str(), 20)];
    let categories = Arc::new(Categories::from_weights(known.map(|(name, rows)| (name, rows as f64))));
    let reference = categorical_summary(&categories, &known);
    let current = categorical_summary(&categories, &[("gold", 5), ("new", 5)]);
    let bins = shares(&FeatureSummary::Categorical(current), Some(&FeatureSummary::Categorical(reference)));
    check(&bins);
    let third = format!("03: {}…", "x".repeat(NAME_CHARS));
    assert_eq!(labels(&bins), ["01: free", "02: gold", third.as_str(), "04: rare and new values"]);
    assert_eq!((bins[0].reference, bins[1].current, bins[3].current), (0.5, 0.5, 0.5));
}

#[test]
fn more_categories_than_bars_are_pooled() {
    let names: Vec<String> = (0..30).map(|i| format!("c{i:02}")).collect();
    let known: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    let categories =
        Arc::new(Categories::from_weights(known.iter().map(|(name, rows)| (*name, *rows as f64))));
    let reference = categorical_summary(&categories, &known);
    let bins = of_categories(&reference, &reference);
    check(&bins);
    assert_eq!((bins.len(), bins[10].label.as_str()), (BINS, "11: all others"));
    assert!((bins[10].reference - 20.0 / 30.0).abs() < 1e-12, "{bins:?}");
}
