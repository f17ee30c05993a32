//! The figures of a window report that become series, and the names they get.
//!
//! Names are the same for `/metrics` and for the Arrow table of the read API. Intervals are metrics of their own
//! (`_low`, `_high`) and no label: `avg(driftline_accuracy)` must not mix a figure with its bounds, and a query
//! for the figure alone must need no filter.

use driftline_evaluate::{
    Basis, FeatureReport, MeasureReport, PerformanceReport, Quantiles, Severity, Verdict, WindowReport,
};

use super::catalogue::{MetricDoc, MetricKind};

/// A figure that exists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure<'a> {
    /// Its metric, as a position in [`super::METRICS`].
    pub(crate) metric: usize,
    /// The values of the labels that follow [`WINDOW_LABELS`], as far as its metric has some.
    pub(crate) extra: [&'a str; 2],
    pub(crate) value: f64,
}

/// The part of a report whose figures come and go together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part<'a> {
    /// What concerns the window as a whole: traffic, latency, labels, overall performance, drift in numbers.
    Window,
    /// Predictions, scores, values or labels.
    Output(&'static str, &'a FeatureReport),
    /// A custom measure.
    Measure(&'a str, &'a MeasureReport),
    /// A feature.
    Feature(&'a FeatureReport),
    /// A feature's distribution.
    Bins(&'a FeatureReport),
    /// Performance on one class, by its position.
    Class(&'a PerformanceReport, usize),
}

/// The labels that every window statistic has.
pub(crate) const WINDOW_LABELS: [&str; 4] = ["model", "version", "window", "segment"];

const PLAIN: &[&str] = &WINDOW_LABELS;
const BY_QUANTILE: &[&str] = &["model", "version", "window", "segment", "quantile"];
const BY_FEATURE: &[&str] = &["model", "version", "window", "segment", "feature"];
const BY_BIN: &[&str] = &["model", "version", "window", "segment", "feature", "bin"];
const BY_OUTPUT: &[&str] = &["model", "version", "window", "segment", "output"];
const BY_MEASURE: &[&str] = &["model", "version", "window", "segment", "measure"];
const BY_MEASURE_QUANTILE: &[&str] = &["model", "version", "window", "segment", "measure", "quantile"];
const BY_BASIS: &[&str] = &["model", "version", "window", "segment", "basis"];
const BY_CLASS: &[&str] = &["model", "version", "window", "segment", "basis", "class"];

type Of<T> = fn(&T) -> Option<f64>;
type Statistic<T> = (&'static str, &'static str, Of<T>);

const WINDOW: &[Statistic<WindowReport>] = &[
    ("driftline_window_end_timestamp_seconds", "End of the window in event time", |r| {
        Some(r.window.end.as_seconds())
    }),
    ("driftline_window_length_seconds", "Length of the window", |r| Some(r.window.length_seconds)),
    ("driftline_window_final", "1 if the window is closed, 0 if it is evaluated while open", |r| {
        Some(flag(r.is_final))
    }),
    ("driftline_window_revision", "How often the window was evaluated anew after it was final", |r| {
        Some(f64::from(r.revision))
    }),
    ("driftline_window_rows", "Predictions in the window", |r| Some(r.rows as f64)),
    ("driftline_window_weight", "Sum of the weights of the window's predictions", |r| Some(r.weight)),
    ("driftline_window_reference_rows", "Rows of the reference that the window is compared with", |r| {
        r.reference.as_ref().map(|reference| reference.rows as f64)
    }),
    ("driftline_window_requests_per_second", "Requests of the watched model per second of the window", |r| {
        r.traffic.rate_per_second.value()
    }),
    ("driftline_window_error_ratio", "Share of requests that ended in error or timeout", |r| {
        r.traffic.error_ratio.value()
    }),
    ("driftline_window_latency_mean_seconds", "Mean latency of the watched model", |r| {
        r.latency.mean_seconds.value()
    }),
    ("driftline_window_in_flight_mean", "Mean number of requests the watched model was working on", |r| {
        r.traffic.saturation.as_ref()?.in_flight_mean.value()
    }),
    ("driftline_window_in_flight_max", "Most requests the watched model was working on", |r| {
        r.traffic.saturation.as_ref()?.in_flight_max.value()
    }),
    ("driftline_window_capacity", "Requests the watched model says it can work on at once", |r| {
        r.traffic.saturation.as_ref()?.capacity.value()
    }),
    ("driftline_window_saturation_ratio", "Mean requests in flight as a share of the capacity", |r| {
        r.traffic.saturation.as_ref()?.ratio.value()
    }),
    ("driftline_window_labels", "Labels of the window's predictions", |r| Some(r.labels.count as f64)),
    ("driftline_label_coverage_ratio", "Share of the window's predictions that have their label", |r| {
        r.labels.coverage.value()
    }),
    ("driftline_label_mature", "1 if label coverage is high enough to judge performance by, else 0", |r| {
        Some(flag(r.labels.mature))
    }),
    ("driftline_drifted_features", "Features that drifted", |r| Some(r.drift.drifted_features as f64)),
    ("driftline_drifted_features_ratio", "Features that drifted as a share of those with a verdict", |r| {
        r.drift.share.value()
    }),
    ("driftline_watched_features", "Features with a verdict of drifted or stable", |r| {
        Some(r.drift.watched as f64)
    }),
    ("driftline_quality_findings", "Features with a data-quality finding", |r| {
        Some(r.drift.quality_findings as f64)
    }),
];

const LATENCY_QUANTILE: (&str, &str) =
    ("driftline_window_latency_seconds", "Quantiles of the watched model's latency");
const LABEL_DELAY: (&str, &str) =
    ("driftline_label_delay_seconds", "Quantiles of the time from prediction to label");

/// Statistics of a feature; of an output too, under `driftline_output_` instead of `driftline_feature_`.
const FEATURE: &[Statistic<FeatureReport>] = &[
    ("drifted", "1 if it drifted in effect and evidence, else 0", |f| Some(flag(f.drifted))),
    (
        "drift_severity",
        "0 if it is stable, 1 if it drifted, 2 if it drifted much; absent without a verdict",
        severity,
    ),
    ("psi", "Population stability index against the reference", |f| f.psi.value.value()),
    ("psi_excess", "Population stability index above its noise floor", |f| f.psi.excess.value()),
    ("psi_noise_floor", "Population stability index to expect if nothing drifted", |f| {
        f.psi.noise_floor.value()
    }),
    ("psi_q_value", "False discovery rate of the population stability index (Benjamini-Hochberg)", |f| {
        f.psi.q_value.value()
    }),
    ("ks", "Kolmogorov-Smirnov distance from the reference", |f| f.ks.as_ref()?.value.value()),
    ("js", "Jensen-Shannon distance from the reference, 0 to 1", |f| f.js.value()),
    ("hellinger", "Hellinger distance from the reference, 0 to 1", |f| f.hellinger.value()),
    ("total_variation", "Total variation distance from the reference, 0 to 1", |f| f.total_variation.value()),
    ("wasserstein_normalised", "Wasserstein distance in standard deviations of the reference", |f| {
        f.wasserstein.as_ref()?.normalised.value()
    }),
    ("missing_ratio", "Share of rows without a value", |f| f.missing.ratio.value()),
    ("invalid_ratio", "Share of rows with a value of the wrong type, NaN or infinite", |f| {
        f.invalid.ratio.value()
    }),
    ("out_of_range_ratio", "Share of values outside the reference's range", |f| {
        f.out_of_range.as_ref()?.ratio.value()
    }),
    ("unseen_ratio", "Share of values that the reference never had", |f| f.unseen.as_ref()?.ratio.value()),
    ("quality_finding", "1 if missing, invalid, out-of-range or unseen values rose, else 0", |f| {
        let tests = [Some(&f.missing), Some(&f.invalid), f.out_of_range.as_ref(), f.unseen.as_ref()];
        Some(flag(tests.into_iter().flatten().any(|test| test.finding)))
    }),
    ("mean", "Mean of the values", |f| f.mean.as_ref()?.value()),
    ("variance", "Sample variance of the values", |f| f.variance.as_ref()?.value()),
];

/// Shares of the bins of the features that drifted most, in the window and in its reference.
const BINS: [(&str, &str); 2] = [
    (
        "driftline_feature_bin_ratio",
        "Share of the values that are in the bin, of the features that drifted most",
    ),
    ("driftline_feature_reference_bin_ratio", "Share of the reference's values that are in the bin"),
];

const MEASURE: &[Statistic<MeasureReport>] = &[
    ("driftline_measure_rows", "Rows that carry the custom measure", |m| Some(m.count as f64)),
    ("driftline_measure_mean", "Mean of the custom measure", |m| m.mean.value()),
    ("driftline_measure_variance", "Sample variance of the custom measure", |m| m.variance.value()),
];
const MEASURE_QUANTILE: (&str, &str) = ("driftline_measure_quantile", "Quantiles of the custom measure");

const PERFORMANCE_ROWS: (&str, &str) =
    ("driftline_performance_rows", "Labelled rows that performance is worked out from");

/// Figures of performance by their name in reports. Those of one class have the label `class`; those of the whole
/// have it empty.
const PERFORMANCE: &[(&str, &str)] = &[
    ("accuracy", "Share of predictions that were right"),
    ("balanced_accuracy", "Mean recall of the classes"),
    ("precision", "Share of predictions of the class that were right"),
    ("recall", "Share of the class that was found"),
    ("f1", "Harmonic mean of precision and recall"),
    ("specificity", "Share of the other classes that was not taken for it"),
    ("precision_macro", "Mean precision of the classes"),
    ("recall_macro", "Mean recall of the classes"),
    ("f1_macro", "Mean F1 of the classes"),
    ("specificity_macro", "Mean specificity of the classes"),
    ("precision_weighted", "Mean precision of the classes, weighted by their rows"),
    ("recall_weighted", "Mean recall of the classes, weighted by their rows"),
    ("f1_weighted", "Mean F1 of the classes, weighted by their rows"),
    ("specificity_weighted", "Mean specificity of the classes, weighted by their rows"),
    ("mcc", "Matthews correlation coefficient"),
    ("kappa", "Cohen's kappa"),
    ("log_loss", "Mean negative log likelihood"),
    ("brier", "Mean squared error of the probability"),
    ("roc_auc", "Area under the ROC curve"),
    ("roc_auc_macro", "Mean area under the ROC curve of the classes"),
    ("average_precision", "Average precision over all thresholds"),
    ("expected_calibration_error", "Mean distance of probability and outcome over ten bins"),
    ("mae", "Mean absolute error"),
    ("rmse", "Root mean squared error"),
    ("mape", "Mean absolute error as a share of the actual value"),
    ("r2", "Share of the variance that is explained"),
    ("mean_error", "Mean of predicted less actual value"),
];

const BASES: [Basis; 2] = [Basis::PredictionTime, Basis::LabelTime];

// Positions in the catalogue, in the order of [`docs`].
const AT_LATENCY: usize = WINDOW.len();
const AT_LABEL_DELAY: usize = AT_LATENCY + 1;
const AT_FEATURE: usize = AT_LABEL_DELAY + 1;
const AT_BIN: usize = AT_FEATURE + FEATURE.len();
const AT_OUTPUT: usize = AT_BIN + BINS.len();
const AT_MEASURE: usize = AT_OUTPUT + FEATURE.len();
const AT_MEASURE_QUANTILE: usize = AT_MEASURE + MEASURE.len();
const AT_PERFORMANCE_ROWS: usize = AT_MEASURE_QUANTILE + 1;
const AT_PERFORMANCE: usize = AT_PERFORMANCE_ROWS + 1;
/// How many metrics are window statistics; they come first in the catalogue.
pub(crate) const COUNT: usize = AT_PERFORMANCE + 3 * PERFORMANCE.len();

/// The window statistics, as the catalogue has them.
pub(crate) fn docs() -> Vec<MetricDoc> {
    // The catalogue is made once and lives as long as the process; so do the names that are put together here.
    let leak = |text: String| -> &'static str { text.leak() };
    let doc = |name, labels, help| MetricDoc { name, kind: MetricKind::Gauge, labels, help };
    let mut docs: Vec<_> = WINDOW.iter().map(|&(name, help, _)| doc(name, PLAIN, help)).collect();
    docs.push(doc(LATENCY_QUANTILE.0, BY_QUANTILE, LATENCY_QUANTILE.1));
    docs.push(doc(LABEL_DELAY.0, BY_QUANTILE, LABEL_DELAY.1));
    for (prefix, labels, of) in [
        ("driftline_feature_", BY_FEATURE, ""),
        ("driftline_output_", BY_OUTPUT, " (prediction, score, value or label)"),
    ] {
        for &(name, help, _) in FEATURE {
            docs.push(doc(leak(format!("{prefix}{name}")), labels, leak(format!("{help}{of}"))));
        }
        if prefix == "driftline_feature_" {
            docs.extend(BINS.map(|(name, help)| doc(name, BY_BIN, help)));
        }
    }
    docs.extend(MEASURE.iter().map(|&(name, help, _)| doc(name, BY_MEASURE, help)));
    docs.push(doc(MEASURE_QUANTILE.0, BY_MEASURE_QUANTILE, MEASURE_QUANTILE.1));
    docs.push(doc(PERFORMANCE_ROWS.0, BY_BASIS, PERFORMANCE_ROWS.1));
    for (name, help) in PERFORMANCE {
        for (end, of) in [
            ("", ""),
            ("_low", ", lower end of the 95 % interval"),
            ("_high", ", upper end of the 95 % interval"),
        ] {
            docs.push(doc(leak(format!("driftline_{name}{end}")), BY_CLASS, leak(format!("{help}{of}"))));
        }
    }
    docs
}

const fn flag(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

fn severity(feature: &FeatureReport) -> Option<f64> {
    match (feature.verdict, feature.severity) {
        (Verdict::Stable, _) => Some(0.0),
        (Verdict::Drifted, Some(Severity::Major)) => Some(2.0),
        (Verdict::Drifted, _) => Some(1.0),
        _ => None,
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::PredictionTime => "prediction_time",
        Basis::LabelTime => "label_time",
    }
}

fn performance(report: &WindowReport, basis: Basis) -> &PerformanceReport {
    match basis {
        Basis::PredictionTime => &report.performance,
        Basis::LabelTime => &report.performance_by_label_time,
    }
}

/// The parts of a report.
pub(crate) fn parts(report: &WindowReport) -> impl Iterator<Item = Part<'_>> {
    let outputs = [
        ("prediction", &report.prediction),
        ("score", &report.score),
        ("value", &report.value),
        ("label", &report.label),
    ];
    let classes = BASES.into_iter().flat_map(|basis| {
        let performance = performance(report, basis);
        (0..performance.classes.len()).map(move |class| Part::Class(performance, class))
    });
    std::iter::once(Part::Window)
        .chain(outputs.into_iter().filter_map(|(name, of)| Some(Part::Output(name, of.as_ref()?))))
        .chain(report.measures.iter().map(|(name, measure)| Part::Measure(name, measure)))
        .chain(report.features.iter().map(Part::Feature))
        .chain(report.features.iter().filter(|feature| !feature.bins.is_empty()).map(Part::Bins))
        .chain(classes)
}

/// Shows every figure of a part that exists.
pub(crate) fn figures_of<'a>(report: &'a WindowReport, part: Part<'a>, see: &mut impl FnMut(Figure<'a>)) {
    match part {
        Part::Window => {
            all(WINDOW, 0, report, ["", ""], see);
            quantiles(AT_LATENCY, &report.latency.quantiles, |quantile| [quantile, ""], see);
            quantiles(AT_LABEL_DELAY, &report.labels.delay_seconds, |quantile| [quantile, ""], see);
            for basis in BASES {
                overall(performance(report, basis), see);
            }
        }
        Part::Output(name, output) => all(FEATURE, AT_OUTPUT, output, [name, ""], see),
        Part::Feature(feature) => all(FEATURE, AT_FEATURE, feature, [&feature.name, ""], see),
        Part::Bins(feature) => {
            for bin in &feature.bins {
                let extra = [feature.name.as_str(), bin.label.as_str()];
                see(Figure { metric: AT_BIN, extra, value: bin.current });
                see(Figure { metric: AT_BIN + 1, extra, value: bin.reference });
            }
        }
        Part::Measure(name, measure) => {
            all(MEASURE, AT_MEASURE, measure, [name, ""], see);
            quantiles(AT_MEASURE_QUANTILE, &measure.quantiles, |quantile| [name, quantile], see);
        }
        Part::Class(performance, class) => {
            let class = &performance.classes[class];
            estimates(&class.metrics, [basis(performance.basis), &class.class], see);
        }
    }
}

fn all<'a, T>(
    statistics: &[Statistic<T>],
    first: usize,
    of: &T,
    extra: [&'a str; 2],
    see: &mut impl FnMut(Figure<'a>),
) {
    for (metric, (_, _, get)) in statistics.iter().enumerate() {
        if let Some(value) = get(of) {
            see(Figure { metric: first + metric, extra, value });
        }
    }
}

fn quantiles<'a>(
    metric: usize,
    quantiles: &'a Quantiles,
    extra: impl Fn(&'a str) -> [&'a str; 2],
    see: &mut impl FnMut(Figure<'a>),
) {
    for (quantile, figure) in quantiles.iter() {
        if let Some(value) = figure.value() {
            see(Figure { metric, extra: extra(quantile), value });
        }
    }
}

fn overall<'a>(performance: &'a PerformanceReport, see: &mut impl FnMut(Figure<'a>)) {
    // A model whose labels never come does not carry two series for every window that say so.
    if performance.rows > 0 {
        let extra = [basis(performance.basis), ""];
        see(Figure { metric: AT_PERFORMANCE_ROWS, extra, value: performance.rows as f64 });
        estimates(&performance.metrics, extra, see);
    }
}

fn estimates<'a>(
    metrics: &std::collections::BTreeMap<String, driftline_evaluate::Estimate>,
    extra: [&'a str; 2],
    see: &mut impl FnMut(Figure<'a>),
) {
    for (position, (name, _)) in PERFORMANCE.iter().enumerate() {
        let Some(interval) = metrics.get(*name).and_then(|estimate| estimate.interval()) else { continue };
        let metric = AT_PERFORMANCE + 3 * position;
        see(Figure { metric, extra, value: interval.value });
        for (end, value) in [(1, interval.low), (2, interval.high)] {
            if let Some(value) = value {
                see(Figure { metric: metric + end, extra, value });
            }
        }
    }
}
