//! One feature's part of the window report.

use driftline_events::FeatureKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::quantiles::Quantiles;

/// What is known of one feature, or of the predictions, scores or labels, in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureReport {
    /// Its name.
    pub name: String,
    /// How its values are read.
    pub kind: FeatureKind,
    /// Rows: with a value, missing and invalid.
    pub rows: u64,
    /// Rows without a value.
    pub missing: QualityReport,
    /// Rows with a value of the wrong type, NaN or infinite.
    pub invalid: QualityReport,
    /// Values below the reference's minimum or above its maximum; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_range: Option<QualityReport>,
    /// Values of a category that the reference never had; categorical only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<QualityReport>,
    /// Weighted mean; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Figure>,
    /// Weighted sample variance; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<Figure>,
    /// Smallest value; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Figure>,
    /// Greatest value; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Figure>,
    /// Quantiles 0.01, 0.05, 0.25, 0.5, 0.75, 0.95 and 0.99, interpolated in the reference's cells; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<Quantiles>,
    /// Population stability index.
    pub psi: PsiReport,
    /// The bins, at most three, that make up most of the PSI, the greatest part first; only where the feature drifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_bins: Vec<BinChange>,
    /// The distribution, reference beside window, at most eleven bins; only of the ten features that drifted most, and
    /// only for all rows together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<BinShare>,
    /// Kolmogorov–Smirnov distance; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<KsReport>,
    /// Jensen–Shannon distance, base 2: 0 to 1.
    pub js: Figure,
    /// Hellinger distance: 0 to 1.
    pub hellinger: Figure,
    /// Total variation distance: 0 to 1.
    pub total_variation: Figure,
    /// Largest difference of one bin's shares.
    pub linf: Figure,
    /// Wasserstein-1 distance; numeric only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wasserstein: Option<WassersteinReport>,
    /// Chi-squared test that both sides have the same shares.
    pub chi2: Chi2Report,
    /// What all of it comes to.
    pub verdict: Verdict,
    /// Whether the verdict is drifted.
    pub drifted: bool,
    /// How much it drifted; null if it did not.
    pub severity: Option<Severity>,
}

/// The share of rows with a fault, tested against the reference's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QualityReport {
    /// Rows with the fault.
    pub count: u64,
    /// Their weighted share.
    pub ratio: Figure,
    /// The share in the reference.
    pub reference_ratio: Figure,
    /// Two-sided test of the two shares: two-proportion z, or Fisher's exact one where fewer than 5 rows are expected.
    pub p_value: Figure,
    /// The same over all quality tests of the window, by Benjamini–Hochberg.
    pub q_value: Figure,
    /// Whether the share changed, in effect and evidence.
    pub finding: bool,
    /// The most frequent unseen values (`unseen` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Vec<UnseenValue>>,
}

/// A value that the reference never had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnseenValue {
    /// The value.
    pub value: String,
    /// Sum of the weights of its rows, as far as it was kept.
    pub weight: f64,
}

/// Population stability index, with what chance makes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PsiReport {
    /// The index, in nats.
    pub value: Figure,
    /// Its expected value if nothing drifted.
    pub noise_floor: Figure,
    /// `max(0, value - noise_floor)`: the size of the drift.
    pub excess: Figure,
    /// Chance of such an index if nothing drifted.
    pub p_value: Figure,
    /// The same over all features of the window, by Benjamini–Hochberg.
    pub q_value: Figure,
}

/// A bin of the PSI whose share changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BinChange {
    /// What is in it: a category, `below 12,000`, `up to 0`, `12,000 to 15,500`, `above 84,000`, a single value, or
    /// `rare and new values`.
    pub label: String,
    /// Its share in the reference.
    pub reference: f64,
    /// Its share in the window.
    pub current: f64,
}

/// A bin of the distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BinShare {
    /// Its place and what is in it, so that labels sort as bins do: `01: below 12,000`, `02: 12,000 to 15,500`,
    /// `03: gold`, `11: all others`.
    pub label: String,
    /// Its share in the reference.
    pub reference: f64,
    /// Its share in the window.
    pub current: f64,
}

/// Kolmogorov–Smirnov distance and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KsReport {
    /// Largest difference of the distribution functions at the cut points: at most the exact distance.
    pub value: Figure,
    /// At least the exact distance.
    pub upper: Figure,
    /// Chance of such a distance if nothing drifted; two-sided, asymptotic.
    pub p_value: Figure,
}

/// Wasserstein-1 distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WassersteinReport {
    /// In the feature's unit.
    pub value: Figure,
    /// Divided by the reference's standard deviation.
    pub normalised: Figure,
    /// The exact distance is within this of `value`.
    pub bound: Figure,
}

/// Chi-squared two-sample test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chi2Report {
    /// The statistic.
    pub value: Figure,
    /// Degrees of freedom.
    pub dof: Figure,
    /// Chance of such a statistic if nothing drifted.
    pub p_value: Figure,
}

/// What a feature's figures come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Effect and evidence say that it drifted.
    Drifted,
    /// They do not.
    Stable,
    /// Too few rows with a value to tell.
    TooFewRows,
    /// Nothing to compare with.
    NoReference,
    /// No row of the window has a value.
    NoValues,
    /// Reference and window were counted on different bins.
    NotComparable,
    /// Drift of this feature is not judged, by configuration.
    NotWatched,
}

/// How much a feature drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// At or above the threshold.
    Minor,
    /// At or above the major threshold.
    Major,
}
