//! The verdicts that other tools get wrong, on drawn data with fixed seeds.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod model;

use driftline_evaluate::{FeatureReport, Severity, Verdict};
use driftline_summary::FeatureSummary;
use model::{Law, Value, add, laws, number, reference, report, report_of, window};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const REFERENCE_ROWS: usize = 10_000;

/// Windows with a verdict of drift, and with a quality finding, of `windows` drawn from the reference's own
/// distribution; a new reference for every 250.
fn false_alarms(rows: usize, windows: usize, seed: u64) -> (usize, usize) {
    let laws = laws();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut drifted, mut found) = (0, 0);
    let mut against = reference(&laws, REFERENCE_ROWS, &mut rng);
    for count in 0..windows {
        if count > 0 && count % 250 == 0 {
            against = reference(&laws, REFERENCE_ROWS, &mut rng);
        }
        let current = window(&against, &laws, rows, &mut rng, |_, value| value);
        let report = report(&current, &against);
        drifted += usize::from(report.drift.drifted_features > 0);
        found += usize::from(report.drift.quality_findings > 0);
    }
    (drifted, found)
}

fn check_false_alarms(rows: usize, seed: u64) {
    let (drifted, found) = false_alarms(rows, 1_000, seed);
    println!("{rows} rows, seed {seed}: {drifted} of 1000 windows drifted, {found} with a quality finding");
    assert!(drifted <= 10, "{rows} rows, seed {seed}: {drifted} of 1000 windows called drifted");
    assert!(found <= 10, "{rows} rows, seed {seed}: {found} of 1000 windows with a quality finding");
}

#[test]
fn identical_windows_of_30_rows_are_stable() {
    check_false_alarms(30, 1);
}

#[test]
fn identical_windows_of_100_rows_are_stable() {
    check_false_alarms(100, 2);
}

#[test]
fn identical_windows_of_200_rows_are_stable() {
    check_false_alarms(200, 3);
}

#[test]
fn identical_windows_of_500_rows_are_stable() {
    check_false_alarms(500, 4);
}

/// Rates for docs/statistics.md: `cargo test --release -p driftline-evaluate --test verdicts -- --include-ignored --nocapture`.
#[test]
#[ignore = "minutes long: it prints a table"]
fn rates_for_the_documentation() {
    for rows in [30, 60, 100, 200, 500] {
        let (drifted, found) = false_alarms(rows, 10_000, 100 + rows as u64);
        println!("identical, {rows} rows: {drifted} drifted, {found} findings of 10000");
    }
    for (rows, shift) in [
        (30, 1.0),
        (100, 0.5),
        (100, 1.0),
        (200, 0.5),
        (300, 0.5),
        (500, 0.35),
        (500, 0.4),
        (500, 0.5),
        (1_000, 0.35),
    ] {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let laws = laws();
        let against = reference(&laws, REFERENCE_ROWS, &mut rng);
        let drifted = (0..1_000)
            .filter(|_| shifted(&against, &laws, rows, shift, &mut rng).features[0].drifted)
            .count();
        println!("shift of {shift} sd, {rows} rows: {drifted} of 1000 called drifted");
    }
}

/// A window whose first feature (normal) is moved by `shift` standard deviations.
fn shifted(
    against: &driftline_summary::CellSummary,
    laws: &[Law],
    rows: usize,
    shift: f64,
    rng: &mut ChaCha8Rng,
) -> driftline_evaluate::WindowReport {
    let change = |position, value| match value {
        Value::Number(number) if position == 0 => Value::Number(number + shift),
        other => other,
    };
    report(&window(against, laws, rows, rng, change), against)
}

#[test]
fn half_a_standard_deviation_is_found_in_500_rows() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let laws = laws();
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let found = (0..50)
        .filter(|_| {
            let report = shifted(&against, &laws, 500, 0.5, &mut rng);
            // Only what drifted names its bins.
            let named = |feature: &FeatureReport| feature.changed_bins.is_empty() != feature.drifted;
            assert!(report.features.iter().all(named), "{:?}", report.features);
            report.features[0].drifted && report.drift.drifted_features == 1
        })
        .count();
    assert!(found >= 49, "found in {found} of 50 windows");
}

#[test]
fn the_ten_that_drifted_most_have_their_bins() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let laws = laws();
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let report = shifted(&against, &laws, 500, 0.5, &mut rng);
    let (shown, hidden): (Vec<_>, Vec<_>) =
        report.features.iter().partition(|feature| !feature.bins.is_empty());
    assert_eq!((shown.len(), shown[0].name == report.features[0].name), (10, true), "{shown:?}");
    let excess = |feature: &&FeatureReport| feature.psi.excess.value().unwrap();
    let least = shown.iter().map(excess).fold(f64::INFINITY, f64::min);
    assert!(hidden.iter().map(excess).all(|excess| excess <= least), "{report:?}");
    // The first is normal and moved up: less below, more above.
    let bins = &shown[0].bins;
    assert_eq!(bins.len(), 10, "{bins:?}");
    assert!(bins[0].current < bins[0].reference && bins[9].current > bins[9].reference, "{bins:?}");
    // As many again for each segment would be too many.
    let current = window(&against, &laws, 500, &mut rng, |_, value| value);
    let segment = report_of(&[("country", "BE")], &current, &against);
    assert!(segment.features.iter().all(|feature| feature.bins.is_empty()), "{segment:?}");
}

#[test]
fn a_hundredth_of_a_standard_deviation_is_no_drift_at_a_million_rows() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let laws = [Law::Normal];
    let against = reference(&laws, 1_000_000, &mut rng);
    let report = shifted(&against, &laws, 1_000_000, 0.01, &mut rng);
    let feature = &report.features[0];
    // It is beyond doubt, and does not matter.
    assert!(feature.psi.p_value.value().unwrap() < 1e-3, "{:?}", feature.psi);
    assert_eq!(feature.verdict, Verdict::Stable, "{:?}", feature.psi);
}

#[test]
fn an_outlier_does_not_hide_a_shift() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let laws = [Law::Normal];
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let mut first = true;
    let current = window(&against, &laws, 500, &mut rng, |_, value| {
        let number = number(value).unwrap() + 1.0;
        Value::Number(if std::mem::take(&mut first) { 1e6 } else { number })
    });
    let report = report(&current, &against);
    let feature = &report.features[0];
    assert_eq!((feature.verdict, feature.severity), (Verdict::Drifted, Some(Severity::Major)));
    // scipy's distance of a shift by 1 with one outlier of 1e6 among 500: 1 + 1e6 / 500.
    let distance = feature.wasserstein.as_ref().unwrap();
    assert!((distance.value.value().unwrap() - 2001.0).abs() < 0.2, "{distance:?}");
    // The reference may have one in the same way.
    let mut with_outlier = against.clone();
    add(&mut with_outlier.features[0], Value::Number(1e6));
    let report = model::report(&current, &with_outlier);
    assert_eq!(report.features[0].severity, Some(Severity::Major));
}

#[test]
fn a_new_category_in_one_of_ten_thousand_rows_is_no_finding() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let laws = [Law::Categories(&[0.6, 0.3, 0.1])];
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let mut current = window(&against, &laws, 9_999, &mut rng, |_, value| value);
    add(&mut current.features[0], Value::Category(99));
    let report = report(&current, &against);
    let feature = &report.features[0];
    let unseen = feature.unseen.as_ref().unwrap();
    assert_eq!((unseen.count, unseen.finding, feature.verdict), (1, false, Verdict::Stable));
    assert_eq!(unseen.top.as_ref().unwrap()[0].value, "category 99");
}

#[test]
fn a_category_that_is_new_and_common_is_a_finding_and_drift() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let laws = [Law::Categories(&[0.6, 0.3, 0.1])];
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let current = window(&against, &laws, 60, &mut rng, |_, value| match value {
        Value::Category(0) => Value::Category(99),
        other => other,
    });
    let report = report(&current, &against);
    let feature = &report.features[0];
    assert!(feature.unseen.as_ref().unwrap().finding, "{:?}", feature.unseen);
    assert_eq!(feature.severity, Some(Severity::Major), "{:?}", feature.psi);
}

fn feature(report: &driftline_evaluate::WindowReport, position: usize) -> &FeatureReport {
    &report.features[position]
}

#[test]
fn nulls_from_none_to_ninety_percent_are_a_finding_and_no_drift() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let laws = laws();
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let mut current = window(&against, &laws, 1_000, &mut rng, |_, value| value);
    let FeatureSummary::Numeric(nulls) = &mut current.features[4] else { panic!("a numeric feature") };
    let values = std::mem::replace(nulls, driftline_summary::NumericSummary::new(nulls.grid().cloned()));
    (0..900).for_each(|_| nulls.missing.add(1.0));
    for number in 0..100 {
        nulls.add(values.quantile((f64::from(number) + 0.5) / 100.0).unwrap(), 1.0);
    }
    let report = report(&current, &against);
    let missing = &feature(&report, 4).missing;
    assert!(missing.finding && missing.ratio.value() == Some(0.9), "{missing:?}");
    assert_eq!(feature(&report, 4).verdict, Verdict::Stable);
    assert_eq!((report.drift.quality_findings, report.drift.drifted_features), (1, 0));
}

#[test]
fn a_change_of_unit_is_drift_even_of_a_feature_with_two_values() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let laws = [Law::Categories(&[0.5, 0.5]), Law::Normal];
    let zero_or_one = |value| match value {
        Value::Category(index) => Value::Number(index as f64),
        other => other,
    };
    // A numeric feature with the values 0 and 1.
    let mut numbers = reference(&[Law::Normal, Law::Normal], 1_000, &mut rng).spec().parts().clone();
    let grid = driftline_summary::Grid::from_distinct(&[0.0, 1.0]).unwrap();
    numbers.features[0].reducer = driftline_summary::Reducer::Numeric(Some(grid.into()));
    let spec = driftline_summary::SummarySpec::new(numbers);
    let empty = driftline_summary::CellSummary::new(spec);
    let against = window(&empty, &laws, REFERENCE_ROWS, &mut rng, |_, value| zero_or_one(value));
    let current = window(&against, &laws, 100, &mut rng, |_, value| {
        Value::Number(number(zero_or_one(value)).unwrap() * 1000.0)
    });
    let report = report(&current, &against);
    for position in 0..2 {
        assert_eq!(
            feature(&report, position).severity,
            Some(Severity::Major),
            "{:?}",
            feature(&report, position).psi
        );
    }
    assert!(feature(&report, 0).out_of_range.as_ref().unwrap().finding);
}

#[test]
fn broken_features_leave_the_others_as_they_were() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let laws = laws();
    let against = reference(&laws, REFERENCE_ROWS, &mut rng);
    let whole = window(&against, &laws, 500, &mut rng, |_, value| value);
    let mut broken = whole.clone();
    for (position, fill) in [(0, None), (1, Some(f64::NAN)), (2, Some(7.0))] {
        let FeatureSummary::Numeric(feature) = &mut broken.features[position] else { panic!("numeric") };
        *feature = driftline_summary::NumericSummary::new(feature.grid().cloned());
        (0..500).for_each(|_| match fill {
            None => feature.missing.add(1.0),
            Some(value) => feature.add(value, 1.0),
        });
    }
    let (whole, broken) = (report(&whole, &against), report(&broken, &against));
    assert_eq!(feature(&broken, 0).verdict, Verdict::NoValues);
    assert!(feature(&broken, 0).missing.finding && feature(&broken, 1).invalid.finding);
    assert_eq!(feature(&broken, 1).verdict, Verdict::NoValues);
    assert_eq!(feature(&broken, 2).verdict, Verdict::Drifted);
    for position in 3..laws.len() {
        let (mut whole, mut broken) = (feature(&whole, position).clone(), feature(&broken, position).clone());
        // The q-values are of the whole family.
        for report in [&mut whole, &mut broken] {
            report.psi.q_value = report.psi.p_value;
            let optional = [&mut report.out_of_range, &mut report.unseen].into_iter().flatten();
            for test in [&mut report.missing, &mut report.invalid].into_iter().chain(optional) {
                test.q_value = test.p_value;
            }
        }
        assert_eq!(whole, broken);
    }
}
