//! What is judged and how: drift thresholds, and when performance counts as known.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How drift is judged, as it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriftOptions {
    /// Excess PSI from which a feature has drifted. Default 0.1, the usual lower mark of scorecard monitoring.
    pub psi_threshold: f64,
    /// Excess PSI from which the drift is major. Default 0.25, the usual upper mark.
    pub psi_major: f64,
    /// Greatest q-value that counts as evidence: the share of false alarms that is accepted. Default 0.01.
    pub significance: f64,
    /// Fewest rows with a value for a verdict. Default 30: ten bins of at least three rows.
    pub min_rows: u64,
    /// Change of a missing, invalid, out-of-range or unseen share that is a finding. Default 0.05.
    pub quality_difference: f64,
    /// What is different for single features, by their name.
    pub features: BTreeMap<String, FeatureDriftOptions>,
}

/// What is different for one feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureDriftOptions {
    /// False: its figures are given, but no verdict. Default true.
    pub watch: Option<bool>,
    /// As in the drift options.
    pub psi_threshold: Option<f64>,
    /// As in the drift options.
    pub psi_major: Option<f64>,
    /// As in the drift options.
    pub min_rows: Option<u64>,
    /// As in the drift options.
    pub quality_difference: Option<f64>,
}

impl Default for DriftOptions {
    fn default() -> Self {
        Self {
            psi_threshold: 0.1,
            psi_major: 0.25,
            significance: 0.01,
            min_rows: 30,
            quality_difference: 0.05,
            features: BTreeMap::new(),
        }
    }
}

/// How drift is judged, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftSpec {
    significance: f64,
    general: FeatureDriftSpec,
    features: BTreeMap<String, FeatureDriftSpec>,
}

/// How drift of one feature is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureDriftSpec {
    watch: bool,
    psi_threshold: f64,
    psi_major: f64,
    min_rows: u64,
    quality_difference: f64,
}

/// Drift options that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DriftSpecError {
    /// A PSI threshold that is not a positive number.
    #[error("psi_threshold {value} is not a positive number")]
    PsiThreshold {
        /// What was written.
        value: f64,
    },
    /// The major threshold is below the other one.
    #[error("psi_major {major} is below psi_threshold {threshold}")]
    PsiMajor {
        /// The major threshold.
        major: f64,
        /// The threshold.
        threshold: f64,
    },
    /// Significance outside (0, 1).
    #[error("significance {value} is not between 0 and 1")]
    Significance {
        /// What was written.
        value: f64,
    },
    /// A quality difference outside (0, 1].
    #[error("quality_difference {value} is not above 0 and at most 1")]
    QualityDifference {
        /// What was written.
        value: f64,
    },
    /// One feature's options.
    #[error("drift options of feature {feature:?}")]
    Feature {
        /// The feature.
        feature: String,
        /// What is wrong with them.
        #[source]
        fault: Box<DriftSpecError>,
    },
}

impl FeatureDriftSpec {
    fn try_new(
        watch: bool,
        psi_threshold: f64,
        psi_major: f64,
        min_rows: u64,
        quality_difference: f64,
    ) -> Result<Self, DriftSpecError> {
        if !(psi_threshold.is_finite() && psi_threshold > 0.0) {
            return Err(DriftSpecError::PsiThreshold { value: psi_threshold });
        }
        if !(psi_major.is_finite() && psi_major >= psi_threshold) {
            return Err(DriftSpecError::PsiMajor { major: psi_major, threshold: psi_threshold });
        }
        if !(quality_difference > 0.0 && quality_difference <= 1.0) {
            return Err(DriftSpecError::QualityDifference { value: quality_difference });
        }
        Ok(Self { watch, psi_threshold, psi_major, min_rows, quality_difference })
    }

    /// Whether the feature gets a verdict.
    #[must_use]
    pub const fn watch(&self) -> bool {
        self.watch
    }

    /// Excess PSI from which it has drifted.
    #[must_use]
    pub const fn psi_threshold(&self) -> f64 {
        self.psi_threshold
    }

    /// Excess PSI from which the drift is major.
    #[must_use]
    pub const fn psi_major(&self) -> f64 {
        self.psi_major
    }

    /// Fewest rows for a verdict.
    #[must_use]
    pub const fn min_rows(&self) -> u64 {
        self.min_rows
    }

    /// Change of a share that is a quality finding.
    #[must_use]
    pub const fn quality_difference(&self) -> f64 {
        self.quality_difference
    }
}

impl DriftSpec {
    /// Greatest q-value that counts as evidence.
    #[must_use]
    pub const fn significance(&self) -> f64 {
        self.significance
    }

    /// How `feature` is judged.
    #[must_use]
    pub fn feature(&self, feature: &str) -> &FeatureDriftSpec {
        self.features.get(feature).unwrap_or(&self.general)
    }
}

impl Default for DriftSpec {
    fn default() -> Self {
        Self::try_from(DriftOptions::default()).expect("the defaults are valid")
    }
}

impl TryFrom<DriftOptions> for DriftSpec {
    type Error = DriftSpecError;

    fn try_from(options: DriftOptions) -> Result<Self, DriftSpecError> {
        if !(options.significance > 0.0 && options.significance < 1.0) {
            return Err(DriftSpecError::Significance { value: options.significance });
        }
        let general = FeatureDriftSpec::try_new(
            true,
            options.psi_threshold,
            options.psi_major,
            options.min_rows,
            options.quality_difference,
        )?;
        let mut features = BTreeMap::new();
        for (name, own) in options.features {
            let threshold = own.psi_threshold.unwrap_or(general.psi_threshold);
            let spec = FeatureDriftSpec::try_new(
                own.watch.unwrap_or(true),
                threshold,
                // A raised threshold takes the major one with it, unless that is set too.
                own.psi_major.unwrap_or(general.psi_major.max(threshold)),
                own.min_rows.unwrap_or(general.min_rows),
                own.quality_difference.unwrap_or(general.quality_difference),
            );
            let spec = spec
                .map_err(|fault| DriftSpecError::Feature { feature: name.clone(), fault: Box::new(fault) })?;
            features.insert(name, spec);
        }
        Ok(Self { significance: options.significance, general, features })
    }
}

/// When performance counts as known, as it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceOptions {
    /// Share of a window's predictions that must have their label before its performance is mature.
    /// Default 0.8: labels that come early are seldom a fair sample of all.
    pub min_label_coverage: f64,
}

impl Default for PerformanceOptions {
    fn default() -> Self {
        Self { min_label_coverage: 0.8 }
    }
}

/// When performance counts as known, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerformanceSpec {
    min_label_coverage: f64,
}

/// Performance options that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("min_label_coverage {value} is not between 0 and 1")]
pub struct PerformanceSpecError {
    value: f64,
}

impl PerformanceSpec {
    /// Label coverage from which performance is mature.
    #[must_use]
    pub const fn min_label_coverage(&self) -> f64 {
        self.min_label_coverage
    }
}

impl Default for PerformanceSpec {
    fn default() -> Self {
        Self { min_label_coverage: PerformanceOptions::default().min_label_coverage }
    }
}

impl TryFrom<PerformanceOptions> for PerformanceSpec {
    type Error = PerformanceSpecError;

    fn try_from(options: PerformanceOptions) -> Result<Self, PerformanceSpecError> {
        let value = options.min_label_coverage;
        if (0.0..=1.0).contains(&value) {
            Ok(Self { min_label_coverage: value })
        } else {
            Err(PerformanceSpecError { value })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_keeps_what_it_does_not_set() {
        let own = FeatureDriftOptions { psi_threshold: Some(0.4), ..Default::default() };
        let options =
            DriftOptions { features: BTreeMap::from([("age".to_owned(), own)]), ..Default::default() };
        let spec = DriftSpec::try_from(options).unwrap();
        assert_eq!((spec.feature("age").psi_threshold(), spec.feature("age").psi_major()), (0.4, 0.4));
        assert_eq!(spec.feature("age").min_rows(), 30);
        assert_eq!(spec.feature("other").psi_threshold(), 0.1);
    }

    #[test]
    fn faults_name_the_feature_and_the_value() {
        let own = FeatureDriftOptions { psi_threshold: Some(f64::NAN), ..Default::default() };
        let options =
            DriftOptions { features: BTreeMap::from([("age".to_owned(), own)]), ..Default::default() };
        let error = DriftSpec::try_from(options).unwrap_err();
        let DriftSpecError::Feature { feature, fault } = &error else { panic!("{error:?}") };
        assert_eq!(
            (feature.as_str(), fault.to_string().as_str()),
            ("age", "psi_threshold NaN is not a positive number")
        );
        let options = DriftOptions { psi_major: 0.05, ..Default::default() };
        assert_eq!(
            DriftSpec::try_from(options),
            Err(DriftSpecError::PsiMajor { major: 0.05, threshold: 0.1 })
        );
        assert!(PerformanceSpec::try_from(PerformanceOptions { min_label_coverage: 1.5 }).is_err());
    }
}
