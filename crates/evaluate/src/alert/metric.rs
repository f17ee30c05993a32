//! What a rule looks at.

use super::options::{RuleOptions, Side};
use crate::performance_report::Basis;

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Metric {
    /// Features that drifted or have a data-quality finding, all together.
    Inputs,
    /// Drift of a feature; of any without a name.
    Drift(Option<String>),
    /// Drift of prediction, score or value; of whichever it is without a name.
    OutputDrift(Option<&'static str>),
    /// Drift of the labels.
    LabelDrift,
    /// Share of the watched features that drifted.
    DriftShare,
    /// Share of rows with a fault, of a feature or any.
    Quality(Fault, Option<String>),
    /// A feature that nearly no row has a valid value of any more.
    FeatureGone,
    /// A performance figure, of the whole or of a class.
    Performance { name: String, class: Option<String>, basis: Basis },
    /// Share of the window's predictions that have a label.
    LabelCoverage,
    /// A quantile of the latency, by its name in the report.
    Latency(String),
    /// Share of requests that failed.
    ErrorRatio,
    /// Requests per second, of all versions.
    Traffic,
    /// No request of any version.
    NoTraffic,
    /// No label arrived, for any version.
    NoLabels,
    /// A custom measure: its mean, or a quantile by its name in the report.
    Measure { name: String, quantile: Option<String> },
    /// A window that could not be evaluated.
    EvaluationError,
}

/// What is wrong with a row's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Missing,
    Invalid,
    Unseen,
    OutOfRange,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Missing, Self::Invalid, Self::Unseen, Self::OutOfRange];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Unseen => "unseen",
            Self::OutOfRange => "out_of_range",
        }
    }
}

/// Performance figures that are better when greater, and those that are better when smaller.
const BETTER_GREATER: [&str; 17] = [
    "accuracy",
    "balanced_accuracy",
    "mcc",
    "kappa",
    "precision",
    "recall",
    "f1",
    "specificity",
    "roc_auc",
    "average_precision",
    "precision_macro",
    "precision_weighted",
    "recall_macro",
    "recall_weighted",
    "f1_macro",
    "f1_weighted",
    "roc_auc_macro",
];
const BETTER_GREATER_TOO: [&str; 3] = ["specificity_macro", "specificity_weighted", "r2"];
const BETTER_SMALLER: [&str; 7] =
    ["log_loss", "brier", "expected_calibration_error", "mae", "rmse", "mape", "mean_error"];

/// Everything that has a name of its own.
const NAMES: [&str; 20] = [
    "inputs",
    "drift",
    "drift_share",
    "output_drift",
    "prediction_drift",
    "score_drift",
    "value_drift",
    "label_drift",
    "missing",
    "invalid",
    "unseen",
    "out_of_range",
    "feature_gone",
    "label_coverage",
    "latency",
    "error_ratio",
    "traffic_rate",
    "no_traffic",
    "no_labels",
    "measure",
];

fn is_performance(name: &str) -> bool {
    BETTER_GREATER.iter().chain(&BETTER_GREATER_TOO).chain(&BETTER_SMALLER).any(|known| *known == name)
}

impl Metric {
    /// The metric that a rule names, and what is wrong with how it does.
    pub(crate) fn read(rule: &RuleOptions, faults: &mut Vec<String>) -> Option<Self> {
        let name = rule.metric.as_str();
        let quantiles: &[f64] =
            if name == "measure" { &[0.5, 0.9, 0.99] } else { &[0.5, 0.9, 0.95, 0.99, 0.999] };
        if let Some(quantile) = rule.quantile.filter(|quantile| !quantiles.contains(quantile)) {
            faults.push(format!("quantile = {quantile} is none of {quantiles:?}"));
        }
        let quantile = rule.quantile.map(|quantile| quantile.to_string());
        let feature = || rule.feature.clone();
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let metric = match name {
            "inputs" => Self::Inputs,
            "drift" => Self::Drift(feature()),
            "drift_share" => Self::DriftShare,
            "output_drift" => Self::OutputDrift(None),
            "prediction_drift" => Self::OutputDrift(Some("prediction")),
            "score_drift" => Self::OutputDrift(Some("score")),
            "value_drift" => Self::OutputDrift(Some("value")),
            "label_drift" => Self::LabelDrift,
            "feature_gone" => Self::FeatureGone,
            "label_coverage" => Self::LabelCoverage,
            "latency" => Self::Latency(quantile.clone().unwrap_or_else(|| "0.95".to_owned())),
            "error_ratio" => Self::ErrorRatio,
            "traffic_rate" => Self::Traffic,
            "no_traffic" => Self::NoTraffic,
            "no_labels" => Self::NoLabels,
            "measure" => {
                if rule.measure.is_none() {
                    faults.push("metric = \"measure\" needs the measure's name in `measure`".to_owned());
                }
                let name = rule.measure.clone().unwrap_or_default();
                Self::Measure { name, quantile: quantile.clone() }
            }
            _ => match fault {
                Some(fault) => Self::Quality(fault, feature()),
                None if is_performance(name) => Self::Performance {
                    name: name.to_owned(),
                    class: rule.class.clone(),
                    basis: rule.basis.unwrap_or(Basis::LabelTime),
                },
                None => {
                    faults.push(format!(
                        "metric = {name:?} is unknown; it is one of {}, or a performance metric such as accuracy",
                        NAMES.join(", ")
                    ));
                    return None;
                }
            },
        };
        let performance = matches!(metric, Self::Performance { .. });
        let used = [
            ("feature", rule.feature.is_some(), matches!(metric, Self::Drift(_) | Self::Quality(..))),
            ("class", rule.class.is_some(), performance),
            ("basis", rule.basis.is_some(), performance),
            ("quantile", rule.quantile.is_some(), matches!(metric, Self::Latency(_) | Self::Measure { .. })),
            ("measure", rule.measure.is_some(), matches!(metric, Self::Measure { .. })),
        ];
        for (key, given, has) in used {
            if given && !has {
                faults.push(format!("`{key}` says nothing for metric = {name:?}; leave it out"));
            }
        }
        Some(metric)
    }

    /// Which way is worse.
    pub(crate) fn worse(&self) -> Side {
        match self {
            Self::Performance { name, .. } if name == "mean_error" => Side::Both,
            Self::Performance { name, .. } if BETTER_SMALLER.contains(&name.as_str()) => Side::Above,
            Self::Performance { .. } | Self::LabelCoverage => Side::Below,
            Self::Traffic | Self::Measure { .. } => Side::Both,
            _ => Side::Above,
        }
    }

    /// Whether the window report itself says if the figure is out of order.
    pub(crate) const fn has_verdict(&self) -> bool {
        matches!(
            self,
            Self::Inputs
                | Self::Drift(_)
                | Self::OutputDrift(_)
                | Self::LabelDrift
                | Self::Quality(..)
                | Self::FeatureGone
        )
    }

    /// Whether it only ever says whether something is there.
    pub(crate) const fn is_state(&self) -> bool {
        matches!(
            self,
            Self::Inputs | Self::FeatureGone | Self::NoTraffic | Self::NoLabels | Self::EvaluationError
        )
    }

    /// Whether a report of the reference has the figure.
    pub(crate) const fn has_reference(&self) -> bool {
        matches!(
            self,
            Self::Performance { class: None, .. } | Self::Quality(..) | Self::Latency(_) | Self::ErrorRatio
        )
    }

    /// Whether it is of the model as a whole, all versions together.
    pub(crate) const fn is_of_model(&self) -> bool {
        matches!(self, Self::Traffic | Self::NoTraffic | Self::NoLabels | Self::EvaluationError)
    }

    /// Whether its spread grows with its size.
    pub(crate) const fn is_relative(&self) -> bool {
        matches!(self, Self::Traffic | Self::Latency(_) | Self::Measure { .. })
    }

    /// Its name, of a feature or of the whole.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Inputs => "inputs".to_owned(),
            Self::Drift(feature) => format!("drift({})", feature.as_deref().unwrap_or("any")),
            Self::OutputDrift(name) => format!("drift({})", name.unwrap_or("output")),
            Self::LabelDrift => "drift(label)".to_owned(),
            Self::DriftShare => "drift_share".to_owned(),
            Self::Quality(fault, feature) => {
                format!("{}({})", fault.name(), feature.as_deref().unwrap_or("any"))
            }
            Self::FeatureGone => "feature_gone".to_owned(),
            Self::Performance { name, class: Some(class), .. } => format!("{name}({class})"),
            Self::Performance { name, .. } => name.clone(),
            Self::LabelCoverage => "label_coverage".to_owned(),
            Self::Latency(quantile) => format!("latency({quantile})"),
            Self::ErrorRatio => "error_ratio".to_owned(),
            Self::Traffic => "traffic_rate".to_owned(),
            Self::NoTraffic => "no_traffic".to_owned(),
            Self::NoLabels => "no_labels".to_owned(),
            Self::Measure { name, quantile: None } => format!("measure({name})"),
            Self::Measure { name, quantile: Some(quantile) } => format!("measure({name}, {quantile})"),
            Self::EvaluationError => "evaluation_error".to_owned(),
        }
    }
}
