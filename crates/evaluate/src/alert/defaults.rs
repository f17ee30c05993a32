//! The rules that need no configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{AlertSeverity, Links};
use super::metric::Metric;
use super::options::{ForOptions, RuleOptions, Side};
use super::rule::{Criterion, Policy, Rule, Segments};

/// The rule on windows that cannot be evaluated: it looks at no window.
pub(crate) const EVALUATION_ERROR: &str = "evaluation_error";

/// Names of the default rules.
pub(crate) const NAMES: [&str; 12] = [
    "accuracy_drop",
    "roc_auc_drop",
    "mae_rise",
    "error_ratio",
    "latency",
    "no_traffic",
    "feature_gone",
    "output_drift",
    "traffic_drop",
    "no_labels",
    EVALUATION_ERROR,
    "input_drift",
];

/// The default rules, and whether each looks at the fast window.
///
/// Three tiers: what users feel or what is surely broken is critical; the model's answers drifting, traffic falling
/// and labels ending are major; inputs drifting is minor, and one alert for the model, not one a feature.
pub(crate) fn rules() -> Vec<(RuleOptions, bool)> {
    use AlertSeverity::{Critical, Major, Minor};
    let rule = |name: &str, metric: &str, severity: AlertSeverity| RuleOptions {
        name: name.to_owned(),
        metric: metric.to_owned(),
        severity: Some(severity),
        ..RuleOptions::default()
    };
    // A quantile has no interval that says how sure it is: twice, so that one unlucky window wakes nobody.
    let twice = || Some(ForOptions::Parts { n: 2, m: 3 });
    // How long it must be silent is part of the figure itself.
    let once = || Some(ForOptions::Parts { n: 1, m: 1 });
    vec![
        (rule("accuracy_drop", "accuracy", Critical), false),
        (rule("roc_auc_drop", "roc_auc", Critical), false),
        (rule("mae_rise", "mae", Critical), false),
        (rule("error_ratio", "error_ratio", Critical), true),
        (RuleOptions { sustained: twice(), ..rule("latency", "latency", Critical) }, true),
        (RuleOptions { sustained: once(), ..rule("no_traffic", "no_traffic", Critical) }, true),
        (rule("feature_gone", "feature_gone", Critical), true),
        (rule("output_drift", "output_drift", Major), false),
        (RuleOptions { side: Some(Side::Below), ..rule("traffic_drop", "traffic_rate", Major) }, false),
        (RuleOptions { sustained: once(), ..rule("no_labels", "no_labels", Major) }, false),
        (rule("input_drift", "inputs", Minor), false),
    ]
}

/// The rule on windows that cannot be evaluated.
pub(crate) fn evaluation_error() -> Rule {
    Rule {
        name: EVALUATION_ERROR.to_owned(),
        metric: Metric::EvaluationError,
        window: String::new(),
        length: Duration::ZERO,
        criterion: Criterion::Verdict,
        policy: Policy { n: 1, m: 1, recover: 3 },
        min_rows: 0,
        severity: AlertSeverity::Major,
        segments: Segments::None,
        mute: None,
        labels: BTreeMap::new(),
        links: Links::default(),
        documentation: String::new(),
    }
}
