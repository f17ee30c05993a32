//! Every feature against its reference.

use driftline_summary::{FeatureSummary, Tally};

use crate::evaluation::Evaluation;
use crate::feature_report::FeatureReport;

/// The features, and what is summarised like one.
pub(crate) struct Judged {
    pub(crate) features: Vec<FeatureReport>,
    pub(crate) prediction: Option<FeatureReport>,
    pub(crate) score: Option<FeatureReport>,
    pub(crate) value: Option<FeatureReport>,
    pub(crate) label: Option<FeatureReport>,
}

/// All rows of a feature.
pub(crate) fn rows(feature: &FeatureSummary) -> Tally {
    match feature {
        FeatureSummary::Numeric(summary) => summary.rows(),
        FeatureSummary::Categorical(summary) => summary.rows(),
    }
}

pub(crate) fn judge(_: &Evaluation<'_>) -> Judged {
    Judged { features: Vec::new(), prediction: None, score: None, value: None, label: None }
}
