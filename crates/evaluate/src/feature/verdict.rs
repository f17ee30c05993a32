//! What a feature's figures come to.

use crate::config::FeatureDriftSpec;
use crate::feature_report::{FeatureReport, Severity, Verdict};
use crate::figure::Reason;

/// Rows with a value on both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    pub(crate) current: u64,
    pub(crate) reference: u64,
}

/// A feature has drifted when effect and evidence both say so: excess PSI at or above the threshold, q-value at
/// or below `significance`, and at least `min_rows` rows with a value on both sides.
pub(crate) fn verdict(
    report: &FeatureReport,
    values: Values,
    spec: &FeatureDriftSpec,
    significance: f64,
) -> (Verdict, Option<Severity>) {
    if !spec.watch() {
        return (Verdict::NotWatched, None);
    }
    let Some(excess) = report.psi.excess.value() else {
        let verdict = match report.psi.excess.reason() {
            Some(Reason::NoValues | Reason::NoRows) => Verdict::NoValues,
            Some(Reason::BinsDiffer | Reason::NotFinite) => Verdict::NotComparable,
            _ => Verdict::NoReference,
        };
        return (verdict, None);
    };
    if values.current.min(values.reference) < spec.min_rows() {
        return (Verdict::TooFewRows, None);
    }
    let evident = report.psi.q_value.value().is_some_and(|q| q <= significance);
    if !evident || excess < spec.psi_threshold() {
        return (Verdict::Stable, None);
    }
    let severity = if excess >= spec.psi_major() { Severity::Major } else { Severity::Minor };
    (Verdict::Drifted, Some(severity))
}
