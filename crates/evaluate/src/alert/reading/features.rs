//! What is read of features: drift and data quality.

use super::{Reading, Unknown, proportion};
use crate::alert::metric::{Fault, Metric};
use crate::alert::series::Vote;
use crate::feature_report::{FeatureReport, QualityReport, Verdict};
use crate::figure::{Figure, Interval};
use crate::report::WindowReport;

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

pub(super) fn drift(
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
pub(super) fn inputs(metric: &Metric, report: &WindowReport) -> Result<Vec<Reading>, Unknown> {
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

pub(super) fn share(fault: Fault, feature: &FeatureReport) -> Option<&QualityReport> {
    match fault {
        Fault::Missing => Some(&feature.missing),
        Fault::Invalid => Some(&feature.invalid),
        Fault::Unseen => feature.unseen.as_ref(),
        Fault::OutOfRange => feature.out_of_range.as_ref(),
    }
}

pub(super) fn quality(
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
pub(super) fn gone(metric: &Metric, report: &WindowReport, min_rows: u64) -> Result<Vec<Reading>, Unknown> {
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
