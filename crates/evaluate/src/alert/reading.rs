//! The figures that a rule reads from a window report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::series::Vote;
use crate::feature_report::FeatureReport;
use crate::figure::{Estimate, Figure, Interval, Reason};
use crate::performance::intervals::wilson;
use crate::performance_report::Basis;
use crate::report::WindowReport;
use crate::words;

mod features;

pub(crate) use features::findings;
use features::{drift, gone, inputs, quality, share};

/// Why a rule cannot say anything about a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unknown {
    /// The window has no rows, or none with a value.
    NoData,
    /// No label has come.
    NoLabels,
    /// Labels came, but not of enough of the window's predictions yet.
    LabelsPending,
    /// Fewer rows or labels than the rule or the figure needs.
    TooFewRows,
    /// What is normal is still being learned.
    Learning,
    /// There is nothing to compare with.
    NoReference,
    /// The report does not have the figure.
    NoFigure,
    /// The version or segment is in no window any more.
    Gone,
    /// The window could not be evaluated.
    EvaluationError,
}

/// One figure of a report, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) value: f64,
    /// Its 95 % interval.
    pub(crate) interval: Option<(f64, f64)>,
    /// What it is of, for a person: `drift(income)`.
    pub(crate) title: String,
    /// The feature, where it is of one of several.
    pub(crate) item: String,
    /// What the reference has.
    pub(crate) reference: Option<Interval>,
    /// What the report says of it.
    pub(crate) verdict: Option<Vote>,
    /// The most that it may be called for the evidence that the effect is beyond chance.
    pub(crate) evident: Vote,
}

impl Reading {
    fn new(metric: &Metric, value: f64) -> Self {
        Self {
            value,
            interval: None,
            title: metric.title(),
            item: String::new(),
            reference: None,
            verdict: None,
            evident: Vote::Over,
        }
    }

    /// Of something that is there or not.
    pub(crate) fn state(metric: &Metric, value: f64) -> Self {
        Self::new(metric, value)
    }

    fn of_feature(mut self, kind: &str, feature: &FeatureReport) -> Self {
        self.title = format!("{kind}({})", feature.name);
        self.item.clone_from(&feature.name);
        self
    }
}

fn unknown(reason: Reason) -> Unknown {
    match reason {
        Reason::NoRows | Reason::NoValues => Unknown::NoData,
        Reason::NoLabels => Unknown::NoLabels,
        Reason::TooFewRows => Unknown::TooFewRows,
        Reason::NoReference | Reason::EmptyReference => Unknown::NoReference,
        _ => Unknown::NoFigure,
    }
}

fn proportion(share: f64, rows: u64) -> Option<(f64, f64)> {
    let interval = wilson(share.clamp(0.0, 1.0), rows as f64);
    (rows > 0).then_some(interval.low.zip(interval.high)).flatten()
}

/// The readings of a metric in one report: one, or one a feature. `None`: the figure is no part of such a model.
pub(crate) fn read(
    metric: &Metric,
    report: &WindowReport,
    min_rows: u64,
) -> Option<Result<Vec<Reading>, Unknown>> {
    let one = |reading: Reading| Some(Ok(vec![reading]));
    let enough = |rows: u64, none: Unknown| match rows {
        0 => Err(none),
        rows if rows < min_rows => Err(Unknown::TooFewRows),
        rows => Ok(rows),
    };
    match metric {
        Metric::Inputs => Some(inputs(metric, report)),
        Metric::Drift(name) => {
            let wanted = |feature: &&FeatureReport| name.as_ref().is_none_or(|name| *name == feature.name);
            let features: Vec<_> = report.features.iter().filter(wanted).collect();
            (!features.is_empty()).then(|| drift(metric, report, &features, min_rows))
        }
        Metric::OutputDrift(name) => {
            let outputs = [&report.prediction, &report.score, &report.value].into_iter().flatten();
            let outputs: Vec<_> =
                outputs.filter(|output| name.is_none_or(|name| name == output.name)).collect();
            (!outputs.is_empty()).then(|| drift(metric, report, &outputs, min_rows))
        }
        Metric::LabelDrift => report.label.as_ref().map(|label| drift(metric, report, &[label], min_rows)),
        Metric::DriftShare => match report.drift.share.value() {
            Some(share) => one(Reading::new(metric, share)),
            None => Some(Err(if report.rows == 0 { Unknown::NoData } else { Unknown::NoReference })),
        },
        Metric::Quality(fault, name) => {
            let wanted = |feature: &&FeatureReport| name.as_ref().is_none_or(|name| *name == feature.name);
            let features = report.features.iter().filter(wanted);
            let shares: Vec<_> =
                features.filter_map(|feature| Some((feature, share(*fault, feature)?))).collect();
            (!shares.is_empty()).then(|| quality(metric, *fault, &shares, min_rows))
        }
        Metric::FeatureGone => Some(gone(metric, report, min_rows)),
        Metric::Performance { .. } => performance(metric, report, min_rows),
        Metric::LabelCoverage => Some(enough(report.rows, Unknown::NoData).and_then(|rows| {
            let coverage = report.labels.coverage.value().ok_or(Unknown::NoData)?;
            Ok(vec![Reading { interval: proportion(coverage, rows), ..Reading::new(metric, coverage) }])
        })),
        Metric::Latency(quantile) => Some(enough(report.latency.count, Unknown::NoData).and_then(|_| {
            let figure = |quantiles: &crate::quantiles::Quantiles| quantiles.get(quantile)?.value();
            let value = figure(&report.latency.quantiles).ok_or(Unknown::NoData)?;
            let reference = report.reference.as_ref().and_then(|of| figure(&of.latency_seconds));
            Ok(vec![Reading { reference: reference.map(Interval::bare), ..Reading::new(metric, value) }])
        })),
        Metric::ErrorRatio => Some(enough(report.rows, Unknown::NoData).and_then(|rows| {
            let value = report.traffic.error_ratio.value().ok_or(Unknown::NoData)?;
            let reference = report.reference.as_ref().and_then(|of| of.error_ratio);
            Ok(vec![Reading {
                interval: proportion(value, rows),
                reference: reference.map(Interval::bare),
                ..Reading::new(metric, value)
            }])
        })),
        Metric::Measure { name, quantile } => report.measures.get(name).map(|measure| {
            let count = enough(measure.count, Unknown::NoData)? as f64;
            let Some(quantile) = quantile else {
                let mean = measure.mean.value().ok_or(Unknown::NoData)?;
                let half = measure.variance.value().map(|variance| crate::Z_95 * (variance / count).sqrt());
                let interval = half.map(|half| (mean - half, mean + half));
                return Ok(vec![Reading { interval, ..Reading::new(metric, mean) }]);
            };
            let value = measure.quantiles.get(quantile).and_then(Figure::value);
            Ok(vec![Reading::new(metric, value.ok_or(Unknown::NoData)?)])
        }),
        Metric::Traffic | Metric::NoTraffic | Metric::NoLabels | Metric::EvaluationError => None,
    }
}

/// Requests per second of all versions together, by Poisson's law for its interval.
pub(crate) fn traffic(metric: &Metric, reports: &[&WindowReport]) -> Option<Reading> {
    let whole = reports.iter().filter(|report| report.segment.is_empty());
    let (mut rate, mut rows, mut seconds) = (0.0, 0_u64, 0.0_f64);
    for report in whole {
        rate += report.traffic.rate_per_second.value()?;
        rows += report.rows;
        seconds = seconds.max(report.window.length_seconds);
    }
    (seconds > 0.0).then(|| {
        // The interval is wider where rows weigh more than one request.
        let each = if rows > 0 { rate / rows as f64 } else { 1.0 / seconds };
        // Rows whose chance of so few (so many) is 2.5 %: the square root is nearly normal with variance 1/4.
        let root = |sign: f64| ((rows as f64 + 0.375).sqrt() + sign * crate::Z_95 / 2.0).max(0.0).powi(2);
        let interval = Some((root(-1.0) * each, root(1.0) * each));
        Reading { interval, ..Reading::new(metric, rate) }
    })
}

fn performance(
    metric: &Metric,
    report: &WindowReport,
    min_rows: u64,
) -> Option<Result<Vec<Reading>, Unknown>> {
    let Metric::Performance { name, class, basis } = metric else { return None };
    let performance = match basis {
        Basis::PredictionTime => &report.performance,
        Basis::LabelTime => &report.performance_by_label_time,
    };
    let figures = match class {
        None => Some(&performance.metrics),
        Some(class) => performance.classes.iter().find(|own| own.class == *class).map(|own| &own.metrics),
    };
    let estimate = match figures {
        None if performance.rows == 0 => return Some(Err(Unknown::NoLabels)),
        None => return Some(Err(Unknown::NoFigure)),
        Some(figures) => *figures.get(name)?,
    };
    let interval = match estimate {
        Estimate::Value(interval) => interval,
        Estimate::Absent { absent } => return Some(Err(unknown(absent))),
    };
    if performance.rows < min_rows {
        return Some(Err(Unknown::TooFewRows));
    }
    if !performance.mature {
        return Some(Err(Unknown::LabelsPending));
    }
    let reference = report.reference.as_ref().filter(|_| class.is_none());
    let reference = reference.and_then(|of| of.performance.get(name)).and_then(|of| of.interval().copied());
    Some(Ok(vec![Reading {
        interval: interval.low.zip(interval.high),
        reference,
        ..Reading::new(metric, interval.value)
    }]))
}

/// A figure of a metric as a person reads it.
pub(crate) fn figure(metric: &Metric, value: f64) -> String {
    match metric {
        Metric::DriftShare | Metric::Quality(..) | Metric::LabelCoverage | Metric::ErrorRatio => {
            words::percent(value)
        }
        Metric::Latency(_) if value < 1.0 => format!("{} ms", words::number(value * 1e3)),
        Metric::Latency(_) => format!("{} s", words::number(value)),
        Metric::Traffic => format!("{}/s", words::number(value)),
        _ => words::number(value),
    }
}
