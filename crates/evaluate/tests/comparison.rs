//! Weighted rows, and any period against any other.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod model;

use std::sync::Arc;

use driftline_evaluate::{
    FeatureReport, Figure, ReferenceKind, ReferenceSummary, Verdict, WindowSpan, compare,
};
use driftline_events::EventTime;
use driftline_summary::{CellSummary, FeatureSummary};
use model::{Law, Value, laws, number, reference, report, window};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn near(figure: &Figure, expected: f64, relative: f64) {
    let got = figure.value().expect("a figure");
    assert!((got - expected).abs() <= relative * expected.abs(), "{got}, expected {expected}");
}

/// The reports of one numeric and one categorical feature, each row being added once with each of its weights.
fn features_of(
    against: &CellSummary,
    rows: &[(f64, &str)],
    weights: impl Fn(usize) -> Vec<f64>,
) -> [FeatureReport; 2] {
    let mut current = CellSummary::new(Arc::clone(against.spec()));
    for (position, &(number, category)) in rows.iter().enumerate() {
        for weight in weights(position) {
            for feature in &mut current.features {
                match feature {
                    FeatureSummary::Numeric(summary) => summary.add(number, weight),
                    FeatureSummary::Categorical(summary) => summary.add(category, weight),
                }
            }
            current.traffic.total.add(weight);
        }
    }
    report(&current, against).features.try_into().expect("two features")
}

/// What depends on the shares alone.
fn shares(report: &FeatureReport) -> Vec<Figure> {
    let numeric = report.ks.iter().flat_map(|ks| [ks.value, ks.upper]);
    let distance = report.wasserstein.iter().map(|distance| distance.value);
    [report.psi.value, report.js, report.hellinger, report.total_variation, report.linf]
        .into_iter()
        .chain(report.mean)
        .chain(numeric)
        .chain(distance)
        .collect()
}

#[test]
fn a_weight_of_two_is_a_doubled_row_in_the_shares_and_less_in_the_evidence() {
    let mut rng = ChaCha8Rng::seed_from_u64(25);
    let laws = [Law::Normal, Law::Categories(&[0.5, 0.3, 0.2])];
    let against = reference(&laws, 10_000, &mut rng);
    let rows: Vec<(f64, &str)> = (0..300)
        .map(|row| {
            let name = if row % 5 < 3 { "category 0" } else { ["category 1", "category 2"][row % 2] };
            (number(Law::Normal.draw(&mut rng)).unwrap() + 0.2, name)
        })
        .collect();
    // Every third row counts twice: 200 rows of weight 1 and 100 of weight 2.
    let twice = |row: usize| row.is_multiple_of(3);
    let weighted = features_of(&against, &rows, |row| vec![if twice(row) { 2.0 } else { 1.0 }]);
    let doubled = features_of(&against, &rows, |row| vec![1.0; if twice(row) { 2 } else { 1 }]);
    let effective = 400.0 * 400.0 / (200.0 + 100.0 * 4.0);
    for ((weighted, doubled), bins) in weighted.iter().zip(&doubled).zip([10.0, 3.0]) {
        assert_eq!((weighted.rows, doubled.rows), (300, 400));
        for (a, b) in shares(weighted).iter().zip(shares(doubled)) {
            near(a, b.value().unwrap(), 1e-9);
        }
        near(&weighted.psi.noise_floor, (bins - 1.0) * (1e-4 + 1.0 / effective), 1e-12);
        near(&doubled.psi.noise_floor, (bins - 1.0) * (1e-4 + 1.0 / 400.0), 1e-12);
        assert!(weighted.psi.p_value.value() > doubled.psi.p_value.value(), "{:?}", weighted.psi);
        assert!(weighted.chi2.p_value.value() > doubled.chi2.p_value.value(), "{:?}", weighted.chi2);
    }
    // The same weight for all says nothing: 300 rows are 300 rows.
    let heavy = features_of(&against, &rows, |_| vec![8.0]);
    for (heavy, plain) in heavy.iter().zip(features_of(&against, &rows, |_| vec![1.0])) {
        assert_eq!((&heavy.psi, &heavy.ks, &heavy.chi2), (&plain.psi, &plain.ks, &plain.chi2));
        assert_eq!((heavy.missing.count, heavy.verdict), (plain.missing.count, plain.verdict));
    }
}

#[test]
fn any_period_compares_with_any_other_as_a_window_with_its_reference() {
    let mut rng = ChaCha8Rng::seed_from_u64(26);
    let laws = laws();
    let before = reference(&laws, 5_000, &mut rng);
    let now = window(&before, &laws, 500, &mut rng, |position, value| match value {
        Value::Number(number) if position == 0 => Value::Number(number + 1.0),
        other => other,
    });
    let hour = |count: i64| EventTime::from_millis(count * 3_600_000);
    let against = |summary| ReferenceSummary {
        kind: ReferenceKind::Period,
        version: Some("3".to_owned()),
        period: Some((hour(1), hour(2))),
        summary,
    };
    let span = WindowSpan::new("evening", hour(5), hour(7));
    let compared = compare("model", span.clone(), &now, against(&before));
    assert_eq!(compared.features, report(&now, &before).features);
    assert_eq!((compared.drift.drifted_features, compared.features[0].drifted), (1, true));
    assert_eq!((&compared.window, compared.is_final), (&span, true));
    near(&compared.traffic.rate_per_second, 500.0 / 7200.0, 1e-15);
    let reference = compared.reference.unwrap();
    assert_eq!((reference.kind, reference.rows, reference.weight), (ReferenceKind::Period, 5_000, 5_000.0));
    let version = reference.version.as_deref();
    assert_eq!((version, reference.start, reference.end), (Some("3"), Some(hour(1)), Some(hour(2))));

    // With itself everything is the same.
    let same = compare("model", span, &before, against(&before));
    for feature in &same.features {
        let none = [feature.psi.value, feature.psi.excess, feature.js, feature.linf, feature.chi2.value];
        assert!(none.iter().all(|figure| figure.value().unwrap() < 1e-12), "{feature:?}");
        assert_eq!((feature.verdict, feature.psi.p_value), (Verdict::Stable, Figure::new(1.0)));
        assert!(feature.ks.as_ref().is_none_or(|ks| ks.value == Figure::new(0.0)), "{:?}", feature.ks);
    }
    assert_eq!((same.drift.drifted_features, same.drift.quality_findings), (0, 0));
}
