//! The figures that a rule reads from a window report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Fault, Metric};
use super::series::Vote;
use crate::feature_report::{FeatureReport, QualityReport, Verdict};
use crate::figure::{Estimate, Figure, Interval, Reason};
use crate::performance::intervals::wilson;
use crate::performance_report::Basis;
use crate::report::WindowReport;
use crate::words;

/// The verdict is off the table from this excess PSI and q-value on, though not yet on the other side of it.
const NEARLY_EXCESS: f64 = 0.08;
const NEARLY_Q: f64 = 0.05;
/// Greatest p-value, for all features together, that is evidence where a rule has its own threshold on the effect.
const EVIDENT: f64 = 0.01;
/// Greatest q-value that is evidence enough for an alert from one window. The report's verdicts accept one false
/// alarm in a hundred windows; somebody who is called accepts one in a thousand. Between the two, it must come twice.
const SURE: f64 = 0.001;
/// A feature is gone when so many rows have no valid value, and so many had one in the reference.
const GONE: f64 = 0.95;
const WAS_THERE: f64 = 0.5;

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
            let figure = |quantiles: &crate::report::Quantiles| quantiles.get(quantile)?.value();
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

fn drift(
    metric: &Metric,
    report: &WindowReport,
    features: &[&FeatureReport],
    min_rows: u64,
) -> Result<Vec<Reading>, Unknown> {
    let family = features.len() as f64;
    let enough = features.iter().filter(|feature| feature.rows >= min_rows);
    let readings: Vec<Reading> = enough
        .filter_map(|feature| {
            let verdict = drift_vote(feature)?;
            let (excess, p_value) = (feature.psi.excess.value()?, feature.psi.p_value.value()?);
            // Bonferroni's: where features drift every day, the false discoveries that a q-value allows are many.
            let p_value = p_value * family;
            let evident = if p_value <= EVIDENT { certainty(Figure::new(p_value)) } else { Vote::Between };
            let reading = Reading::new(metric, excess).of_feature("drift", feature);
            let interval = psi_interval(feature, excess, report);
            Some(Reading { verdict: Some(verdict), evident, interval, ..reading })
        })
        .collect();
    if readings.is_empty() { Err(why_no_drift(features)) } else { Ok(readings) }
}

/// The excess PSI's 95 % interval: the index over `s = 1/n_r + 1/n_c` is nearly a noncentral chi^2 of `B - 1` degrees of
/// freedom, which has the variance `2 (B - 1) + 4 excess / s`. Rows stand for effective rows.
fn psi_interval(feature: &FeatureReport, excess: f64, report: &WindowReport) -> Option<(f64, f64)> {
    let reference = report.reference.as_ref()?.rows.max(1);
    let scale = 1.0 / feature.rows.max(1) as f64 + 1.0 / reference as f64;
    let floor = feature.psi.noise_floor.value()?;
    let half = crate::Z_95 * (2.0 * floor * scale + 4.0 * excess * scale).sqrt();
    Some(((excess - half).max(0.0), excess + half))
}

fn drift_vote(feature: &FeatureReport) -> Option<Vote> {
    let nearly = feature.psi.excess.value().is_some_and(|excess| excess >= NEARLY_EXCESS)
        && feature.psi.q_value.value().is_some_and(|q| q <= NEARLY_Q);
    match feature.verdict {
        Verdict::Drifted => Some(certainty(feature.psi.q_value)),
        Verdict::Stable if nearly => Some(Vote::Between),
        Verdict::Stable => Some(Vote::Clear),
        _ => None,
    }
}

/// What is beyond the threshold, by how evident that is.
fn certainty(q_value: Figure) -> Vote {
    if q_value.value().is_some_and(|q| q <= SURE) { Vote::Over } else { Vote::Likely }
}

fn why_no_drift(features: &[&FeatureReport]) -> Unknown {
    let has = |verdict: Verdict| features.iter().any(|feature| feature.verdict == verdict);
    if has(Verdict::TooFewRows) || has(Verdict::Stable) || has(Verdict::Drifted) {
        Unknown::TooFewRows
    } else if has(Verdict::NoReference) {
        Unknown::NoReference
    } else if has(Verdict::NoValues) {
        Unknown::NoData
    } else {
        Unknown::NoFigure
    }
}

/// All features as one: how many changed, by drift or in data quality.
fn inputs(metric: &Metric, report: &WindowReport) -> Result<Vec<Reading>, Unknown> {
    let mut changed: Vec<&FeatureReport> = Vec::new();
    let mut verdict: Option<Vote> = None;
    for feature in &report.features {
        let found = findings(feature).map(|(_, share)| certainty(share.q_value)).max();
        let vote = drift_vote(feature).max(found);
        verdict = verdict.max(vote);
        if vote >= Some(Vote::Likely) {
            changed.push(feature);
        }
    }
    if verdict.is_none() {
        return Err(if report.rows == 0 {
            Unknown::NoData
        } else {
            why_no_drift(&report.features.iter().collect::<Vec<_>>())
        });
    }
    let names: Vec<&str> = changed.iter().take(3).map(|feature| feature.name.as_str()).collect();
    let more = changed.len().saturating_sub(names.len());
    let title = match (names.len(), more) {
        (0, _) => metric.title(),
        (_, 0) => format!("inputs({})", names.join(", ")),
        _ => format!("inputs({} and {more} more)", names.join(", ")),
    };
    let value = changed.len() as f64;
    Ok(vec![Reading { title, verdict, ..Reading::new(metric, value) }])
}

/// The data-quality findings of a feature.
pub(crate) fn findings(feature: &FeatureReport) -> impl Iterator<Item = (Fault, &QualityReport)> {
    [Fault::Missing, Fault::Invalid, Fault::Unseen, Fault::OutOfRange]
        .into_iter()
        .filter_map(|fault| Some((fault, share(fault, feature)?)))
        .filter(|(_, share)| share.finding)
}

fn share(fault: Fault, feature: &FeatureReport) -> Option<&QualityReport> {
    match fault {
        Fault::Missing => Some(&feature.missing),
        Fault::Invalid => Some(&feature.invalid),
        Fault::Unseen => feature.unseen.as_ref(),
        Fault::OutOfRange => feature.out_of_range.as_ref(),
    }
}

fn quality(
    metric: &Metric,
    fault: Fault,
    shares: &[(&FeatureReport, &QualityReport)],
    min_rows: u64,
) -> Result<Vec<Reading>, Unknown> {
    let enough = shares.iter().filter(|(feature, _)| feature.rows >= min_rows.max(1));
    let readings: Vec<Reading> = enough
        .filter_map(|(feature, share)| {
            let value = share.ratio.value()?;
            let nearly = share.q_value.value().is_some_and(|q| q <= EVIDENT);
            let verdict = match (share.finding, nearly) {
                (true, _) => certainty(share.q_value),
                (false, true) => Vote::Between,
                (false, false) => Vote::Clear,
            };
            Some(Reading {
                interval: proportion(value, feature.rows),
                reference: share.reference_ratio.value().map(Interval::bare),
                verdict: share.q_value.value().map(|_| verdict),
                ..Reading::new(metric, value).of_feature(fault.name(), feature)
            })
        })
        .collect();
    if readings.is_empty() {
        let rows = shares.iter().map(|(feature, _)| feature.rows).max().unwrap_or(0);
        return Err(if rows == 0 { Unknown::NoData } else { Unknown::TooFewRows });
    }
    Ok(readings)
}

/// The features that nearly no row has any more; how many they are.
fn gone(metric: &Metric, report: &WindowReport, min_rows: u64) -> Result<Vec<Reading>, Unknown> {
    if report.rows == 0 {
        return Err(Unknown::NoData);
    }
    if report.rows < min_rows {
        return Err(Unknown::TooFewRows);
    }
    let lost = |now: &QualityReport, then: &QualityReport| {
        let sum = |a: Figure, b: Figure| Some(a.value()? + b.value()?);
        sum(now.ratio, then.ratio).zip(sum(now.reference_ratio, then.reference_ratio))
    };
    let lost: Vec<(&FeatureReport, (f64, f64))> = report
        .features
        .iter()
        .filter_map(|feature| Some((feature, lost(&feature.missing, &feature.invalid)?)))
        .collect();
    if lost.is_empty() {
        return Err(Unknown::NoReference);
    }
    let gone: Vec<_> = lost.iter().filter(|(_, (now, then))| *now >= GONE && *then <= WAS_THERE).collect();
    let names: Vec<&str> = gone.iter().take(3).map(|(feature, _)| feature.name.as_str()).collect();
    let verdict = if gone.is_empty() { Vote::Clear } else { Vote::Over };
    let title =
        if gone.is_empty() { metric.title() } else { format!("{}({})", metric.title(), names.join(", ")) };
    Ok(vec![Reading { title, verdict: Some(verdict), ..Reading::new(metric, gone.len() as f64) }])
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
