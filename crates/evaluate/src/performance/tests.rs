//! Against scikit-learn 1.6.0 and numpy 2.0.2. Standard errors "by influence": the root mean square of
//! `n * d figure / d weight_i`, with scikit-learn's `sample_weight` moved by 1e-5, over `sqrt(n)`: the delta method
//! without its formulas.

use std::sync::Arc;

use driftline_summary::{Actual, Outcome, Predicted, SpecParts, SummarySpec};

use super::*;
use crate::Z_95;

const ROWS: usize = 400;

fn summary(task: Task, outcomes: impl IntoIterator<Item = Outcome>) -> CellSummary {
    let spec = SummarySpec::new(SpecParts {
        task,
        positive: (task == Task::Binary).then(|| "1".into()),
        features: Vec::new(),
        score: None,
        value: None,
        prediction: None,
        label: None,
        label_value: None,
    });
    let mut summary = CellSummary::new(spec);
    outcomes.into_iter().for_each(|outcome| summary.outcomes.add(&outcome));
    summary
}

fn metrics(task: Task, outcomes: impl IntoIterator<Item = Outcome>) -> PerformanceReport {
    by_prediction_time(&summary(task, outcomes), &PerformanceSpec::default())
}

/// Numbers in [0, 1) that look random: the fractions of the multiples of an irrational number.
fn fractions(step: f64) -> impl Iterator<Item = f64> {
    (1..=ROWS).map(move |i| (i as f64 * step).fract())
}

const PHI: f64 = 0.618_033_988_749_894_9;

fn outcome(predicted: Predicted, actual: Actual) -> Outcome {
    Outcome { predicted, actual, weight: 1.0, delay_seconds: 1.0 }
}

fn binary_row(score: f64, positive: bool) -> Outcome {
    let label = |positive: bool| Arc::from(if positive { "1" } else { "0" });
    let predicted =
        Predicted { label: Some(label(score >= 0.5)), score: Some(score), ..Predicted::default() };
    outcome(predicted, Actual::Class(label(positive)))
}

/// Scores at multiples of 1/64, each a cell of its own, so that cells lose nothing.
fn binary_rows() -> Vec<Outcome> {
    let scores = fractions(PHI).map(|u| (u * 61.0 + 2.0).floor() / 64.0);
    let labels = fractions(2f64.sqrt() - 1.0);
    scores.zip(labels).map(|(score, u)| binary_row(score, u < score.powf(1.5))).collect()
}

fn multiclass_rows() -> Vec<Outcome> {
    let names = ["a", "b", "c"].map(Arc::<str>::from);
    let actual: Vec<usize> =
        fractions(2f64.sqrt() - 1.0).map(|u| ((u.powf(1.3) * 3.0) as usize).min(2)).collect();
    let right = fractions(3f64.sqrt() - 1.0).map(|u| u < 0.6);
    let step = fractions(PHI).map(|u| 1 + usize::from(u > 0.7));
    let rows = actual.into_iter().zip(right).zip(step).zip(1..);
    rows.map(|(((actual, right), step), i)| {
        let predicted = if right { actual } else { (actual + step) % 3 };
        let raw: Vec<f64> = (0..3)
            .map(|k| {
                let base = if actual == k { 2.0 } else { 1.0 };
                base + (f64::from(i * (k as i32 + 1)) * PHI).fract() * 3.0
            })
            .collect();
        let sum: f64 = raw.iter().sum();
        let score = |k: usize| (Arc::clone(&names[k]), (raw[k] / sum * 1024.0).floor() / 1024.0);
        let predicted = Predicted {
            label: Some(Arc::clone(&names[predicted])),
            scores: Some((0..3).map(score).collect()),
            ..Predicted::default()
        };
        outcome(predicted, Actual::Class(Arc::clone(&names[actual])))
    })
    .collect()
}

fn regression_row(predicted: f64, actual: f64) -> Outcome {
    outcome(Predicted { value: Some(predicted), ..Predicted::default() }, Actual::Value(actual))
}

fn value(report: &PerformanceReport, name: &str) -> f64 {
    report.metrics[name].value().unwrap_or_else(|| panic!("{name}: {:?}", report.metrics[name]))
}

#[track_caller]
fn near(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "{got}, expected {expected}");
}

/// The figure, and the half-width of its normal interval in standard errors.
#[track_caller]
fn with_error(metrics: &Metrics, name: &str, expected: f64, standard_error: f64) {
    let interval = metrics[name].interval().expect(name);
    near(interval.value, expected, 1e-12);
    let half = 0.5 * (interval.high.expect(name) - interval.low.expect(name));
    near(half / Z_95, standard_error, 2e-7);
}

fn absent(report: &PerformanceReport, name: &str) -> Option<Reason> {
    match report.metrics[name] {
        Estimate::Absent { absent } => Some(absent),
        Estimate::Value(_) => None,
    }
}

#[test]
fn binary_figures_are_scikit_learns() {
    let report = metrics(Task::Binary, binary_rows());
    let confusion = report.confusion.as_ref().unwrap();
    assert_eq!(confusion.classes, ["0", "1"]);
    assert_eq!(confusion.counts, [[167.0, 73.0], [29.0, 131.0]]);
    for (name, expected) in [
        ("accuracy", 0.745),
        ("precision", 0.642_156_862_745_098_1),
        ("recall", 0.818_75),
        ("f1", 0.719_780_219_780_219_8),
        ("specificity", 0.695_833_333_333_333_3),
        ("expected_calibration_error", 0.101_328_125),
    ] {
        near(value(&report, name), expected, 1e-12);
    }
    // By influence.
    with_error(&report.metrics, "balanced_accuracy", 0.757_291_666_666_666_7, 0.021_268_300_067_262_772);
    with_error(&report.metrics, "mcc", 0.504_287_506_311_901, 0.041_961_787_469_942_98);
    with_error(&report.metrics, "kappa", 0.492_031_872_509_960_17, 0.042_382_502_362_611_38);
    // log_loss and brier_score_loss; standard deviation of the rows' losses (ddof 1) over sqrt(n).
    with_error(&report.metrics, "log_loss", 0.502_974_317_311_760_6, 0.023_475_836_580_364_777);
    with_error(&report.metrics, "brier", 0.166_912_841_796_875, 0.009_497_291_777_707_192);
    // sqrt((((s - y) ** 2).mean() - ece ** 2) / n)
    with_error(&report.metrics, "expected_calibration_error", 0.101_328_125, 0.019_789_230_207_417_07);
}

#[test]
fn wilson_of_f1_is_the_delta_method_on_many_rows() {
    let report = metrics(Task::Binary, (0..100).flat_map(|_| binary_rows()));
    let f1 = report.metrics["f1"].interval().unwrap();
    // By influence on 400 rows, over ten.
    near(0.5 * (f1.high.unwrap() - f1.low.unwrap()) / Z_95, 0.002_663_427_761_294_351_3, 1e-3);
}

#[test]
fn ranking_figures_are_scikit_learns_within_the_bound() {
    let report = metrics(Task::Binary, binary_rows());
    // roc_auc_score; DeLong's standard error from the placements of all pairs.
    with_error(&report.metrics, "roc_auc", 0.847_682_291_666_666_6, 0.019_107_388_277_562_22);
    near(report.metrics["roc_auc"].interval().unwrap().bound.unwrap(), 0.005_026_041_666_666_666, 1e-12);
    // average_precision_score, and Boyd's interval.
    let precision = report.metrics["average_precision"].interval().unwrap();
    near(precision.value, 0.779_670_936_806_406, 1e-12);
    near(precision.low.unwrap(), 0.708_869_642_469_821_5, 1e-12);
    near(precision.high.unwrap(), 0.837_207_975_030_086_8, 1e-12);
}

#[test]
fn raw_scores_are_within_the_bound_of_their_cells() {
    // All scores in one cell: everything from 0 to 1 is possible.
    let rows = (0..20).map(|i| binary_row(0.5 + f64::from(i) * 1e-5, i >= 15));
    let report = metrics(Task::Binary, rows);
    let roc = report.metrics["roc_auc"].interval().unwrap();
    assert_eq!((roc.value, roc.bound), (0.5, Some(0.5)));
    // The raw scores separate perfectly: average precision 1.
    let precision = report.metrics["average_precision"].interval().unwrap();
    assert_eq!((precision.value, precision.value + precision.bound.unwrap()), (0.25, 1.0));
    // Reversed: average_precision_score gives 0.1585 (mean of k / (15 + k), k = 1..5).
    let worst = (1..=5).map(|k| f64::from(k) / f64::from(15 + k)).sum::<f64>() / 5.0;
    assert!(precision.value - precision.bound.unwrap() <= worst);
}

#[test]
fn multiclass_figures_are_scikit_learns() {
    let report = metrics(Task::Multiclass, multiclass_rows());
    let expected = [[99.0, 53.0, 20.0], [16.0, 73.0, 32.0], [26.0, 14.0, 67.0]];
    assert_eq!(report.confusion.as_ref().unwrap().counts, expected);
    // By influence.
    for (name, expected, standard_error) in [
        ("precision_macro", 0.595_527_147_029_024_4, 0.024_342_894_908_132_087),
        ("recall_macro", 0.601_685_134_923_956_6, 0.024_912_894_615_193_755),
        ("f1_macro", 0.594_965_062_195_765_8, 0.024_678_913_691_608_174),
        ("specificity_macro", 0.799_390_567_259_402_5, 0.012_344_306_940_289_434),
        ("precision_weighted", 0.610_256_280_171_643_1, 0.024_598_751_118_412_185),
        ("recall_weighted", 0.5975, 0.024_520_081_038_570_31),
        ("f1_weighted", 0.599_833_533_629_954_3, 0.024_379_569_741_610_27),
        ("specificity_weighted", 0.800_671_701_778_207_9, 0.013_106_995_300_950_683),
        ("balanced_accuracy", 0.601_685_134_923_956_6, 0.024_912_894_615_193_755),
        ("mcc", 0.395_634_585_208_420_5, 0.036_750_516_915_677_16),
        // The same as Fleiss, Cohen & Everitt's formula (0.036729156953943444).
        ("kappa", 0.392_882_394_532_170_66, 0.036_729_156_921_201_59),
    ] {
        with_error(&report.metrics, name, expected, standard_error);
    }
    near(value(&report, "log_loss"), 0.894_282_658_224_114, 1e-12);
    near(value(&report, "brier"), 0.527_269_492_149_353, 1e-12);
    let classes = [
        ("a", 0.910_240_718_074_255_4, 0.892_661_702_364_522_9),
        ("b", 0.865_828_371_693_474_4, 0.777_312_751_352_846_4),
        ("c", 0.814_136_710_152_786_2, 0.716_684_572_312_086_3),
    ];
    for (got, (class, roc, precision)) in report.classes.iter().zip(classes) {
        assert_eq!(got.class, class);
        for (name, expected) in [("roc_auc", roc), ("average_precision", precision)] {
            let interval = got.metrics[name].interval().unwrap();
            let error = (interval.value - expected).abs();
            assert!(error <= interval.bound.unwrap() + 1e-12, "{class} {name} {interval:?}");
        }
    }
    near(value(&report, "roc_auc_macro"), 0.863_401_933_305_505_3, 1e-9);
}

#[test]
fn regression_figures_are_scikit_learns() {
    let actual = fractions(2f64.sqrt() - 1.0).map(|u| 10.0 * u - 2.0);
    let errors = fractions(3f64.sqrt() - 1.0).map(|u| (u - 0.45) * 3.0);
    let report = metrics(Task::Regression, actual.zip(errors).map(|(y, e)| regression_row(y + e, y)));
    with_error(&report.metrics, "mae", 0.757_588_225_242_531_2, 0.022_304_859_009_549_84);
    with_error(&report.metrics, "rmse", 0.878_888_563_166_600_1, 0.020_449_756_757_777_65);
    with_error(&report.metrics, "mape", 1.027_502_200_420_724_6, 0.202_449_747_174_546_42);
    with_error(&report.metrics, "mean_error", 0.153_560_752_679_631_7, 0.043_322_657_303_579_6);
    with_error(&report.metrics, "r2", 0.906_935_699_369_733_3, 0.008_785_637_440_226_703);
    assert!(report.confusion.is_none() && report.classes.is_empty());
}

#[test]
fn what_does_not_exist_has_its_reason() {
    let empty = metrics(Task::Binary, []);
    assert!(empty.metrics.keys().all(|name| absent(&empty, name) == Some(Reason::NoLabels)), "{empty:?}");
    let empty = metrics(Task::Regression, []);
    assert!(empty.metrics.keys().all(|name| absent(&empty, name) == Some(Reason::NoLabels)), "{empty:?}");

    let no_prediction = outcome(Predicted::default(), Actual::Class("0".into()));
    let report = metrics(Task::Binary, [no_prediction]);
    assert_eq!(absent(&report, "accuracy"), Some(Reason::NoPredictions));
    assert_eq!(absent(&report, "brier"), Some(Reason::NoScores));

    // Only negatives, all predicted so.
    let report = metrics(Task::Binary, (0..9).map(|_| binary_row(0.2, false)));
    assert_eq!(value(&report, "accuracy"), 1.0);
    assert_eq!(absent(&report, "precision"), Some(Reason::NoPredictedPositives));
    assert_eq!(absent(&report, "recall"), Some(Reason::NoActualPositives));
    assert_eq!(absent(&report, "f1"), Some(Reason::ClassAbsent));
    for name in ["balanced_accuracy", "mcc", "kappa", "roc_auc", "average_precision"] {
        assert_eq!(absent(&report, name), Some(Reason::OneClass), "{name}");
    }
    assert_eq!(report.confusion.unwrap().counts, [[9.0, 0.0], [0.0, 0.0]]);

    // Both classes, one predicted; then only positives.
    let report = metrics(Task::Binary, [binary_row(0.2, false), binary_row(0.3, true)]);
    assert_eq!(absent(&report, "mcc"), Some(Reason::OnePredictedClass));
    let report = metrics(Task::Binary, [binary_row(0.9, true)]);
    assert_eq!(absent(&report, "specificity"), Some(Reason::NoActualNegatives));

    let report = metrics(Task::Regression, [regression_row(1.0, 0.0), regression_row(-1.0, 0.0)]);
    assert_eq!(absent(&report, "mape"), Some(Reason::ZeroActuals));
    assert_eq!(absent(&report, "r2"), Some(Reason::ConstantActual));
    assert_eq!(value(&report, "mae"), 1.0);
}

#[test]
fn a_perfect_model_has_figures_without_made_up_certainty() {
    let rows = (0..30).map(|i| binary_row(if i % 3 == 0 { 0.9 } else { 0.1 }, i % 3 == 0));
    let report = metrics(Task::Binary, rows);
    let accuracy = report.metrics["accuracy"].interval().unwrap();
    assert!(accuracy.value == 1.0 && accuracy.low.unwrap() < 0.9, "{accuracy:?}");
    let f1 = report.metrics["f1"].interval().unwrap();
    assert!(f1.value == 1.0 && f1.low.unwrap() < 0.9, "{f1:?}");
    for name in ["mcc", "kappa", "roc_auc", "balanced_accuracy"] {
        let interval = report.metrics[name].interval().unwrap();
        assert!((interval.value - 1.0).abs() < 1e-12 && interval.low.is_none(), "{name} {interval:?}");
    }
}

#[test]
fn weights_change_the_figure_and_the_effective_rows() {
    let weighted = |weight: f64| {
        let rows = binary_rows().into_iter().map(move |row| Outcome { weight, ..row });
        metrics(Task::Binary, rows)
    };
    let (one, ten) = (weighted(1.0), weighted(10.0));
    for (name, figure) in &one.metrics {
        let (a, b) = (figure.interval().unwrap(), ten.metrics[name].interval().unwrap());
        near(b.value, a.value, 1e-9);
        near(b.low.unwrap(), a.low.unwrap(), 1e-9);
    }
}
