//! One rule, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use driftline_events::EventTime;

use super::event::{AlertSeverity, Links, Mute};
use super::metric::Metric;
use super::options::{Compare, ForOptions, RuleOptions, Season, SegmentOptions, Side};
use super::spec::AlertWindow;

/// Most windows that "n of m" and recovery may look back over.
pub(crate) const MAX_WINDOWS: u32 = 32;

/// One rule, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) metric: Metric,
    pub(crate) window: String,
    pub(crate) length: Duration,
    pub(crate) criterion: Criterion,
    pub(crate) policy: Policy,
    pub(crate) min_rows: u64,
    pub(crate) severity: AlertSeverity,
    pub(crate) segments: Segments,
    pub(crate) mute: Option<Mute>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) links: Links,
    pub(crate) documentation: String,
}

/// What a figure is held against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Criterion {
    /// What the window report says of it.
    Verdict,
    /// Fixed levels.
    Static { above: Option<f64>, below: Option<f64>, recover: Option<f64> },
    /// Distance from a figure.
    Change(Change),
}

/// How far a figure must be from another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) base: Base,
    pub(crate) side: Side,
    pub(crate) by: f64,
    pub(crate) times: f64,
    pub(crate) deviations: f64,
    pub(crate) season: Season,
    pub(crate) recover: Option<f64>,
    /// What it is taken to be where nothing is known.
    pub(crate) otherwise: Option<f64>,
}

/// What a figure's distance is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Reference,
    Normal,
    /// The reference, or what is normal where that does not have it.
    Either,
}

/// How many windows make an alert, and end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) n: u32,
    pub(crate) m: u32,
    pub(crate) recover: u32,
}

/// Which segments a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segments {
    None,
    All,
    Tag(String, Option<String>),
}

impl Segments {
    pub(crate) fn has(&self, segment: &BTreeMap<String, String>) -> bool {
        match self {
            Self::None => segment.is_empty(),
            Self::All => !segment.is_empty(),
            Self::Tag(tag, None) => segment.contains_key(tag),
            Self::Tag(tag, Some(value)) => segment.get(tag) == Some(value),
        }
    }
}

impl Rule {
    /// Reads one rule, adding to `faults` everything that is wrong with it.
    pub(crate) fn read(options: RuleOptions, window: &AlertWindow, faults: &mut Vec<String>) -> Option<Self> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if options.name.is_empty() || options.name.len() > 64 || !options.name.chars().all(is_fine) {
            faults.push("name is not 1 to 64 of A-Z a-z 0-9 . _ -".to_owned());
        }
        let metric = Metric::read(&options, faults);
        let policy = policy(&options, window, faults);
        let segments = segments(options.segments.as_ref(), faults);
        let mute = mute(&options, faults);
        let metric = metric?;
        if segments != Segments::None && metric.is_of_model() {
            faults.push(format!("metric = {:?} has no segments", options.metric));
        }
        let criterion = criterion(&options, &metric, faults)?;
        let many = matches!(metric, Metric::Performance { .. } | Metric::Latency(_));
        let links = options.links.unwrap_or_default();
        Some(Self {
            name: options.name,
            window: window.name.clone(),
            length: window.length,
            criterion,
            policy,
            min_rows: options.min_rows.unwrap_or(if many { 100 } else { 30 }),
            severity: options.severity.unwrap_or(AlertSeverity::Major),
            segments,
            mute,
            labels: options.labels,
            links: Links { runbook: links.runbook, dashboard: links.dashboard },
            documentation: options.documentation.unwrap_or_default(),
            metric,
        })
    }
}

fn policy(options: &RuleOptions, window: &AlertWindow, faults: &mut Vec<String>) -> Policy {
    let slides = window.every < window.length;
    let (n, m) = match &options.sustained {
        None if slides => (2, 3),
        None => (1, 1),
        Some(ForOptions::Parts { n, m }) => (*n, *m),
        Some(ForOptions::Text(text)) => {
            let parts: Vec<&str> = text.split(" of ").map(str::trim).collect();
            let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
            match numbers.as_deref() {
                Some([n]) => (*n, *n),
                Some([n, m]) => (*n, *m),
                _ => {
                    faults.push(format!("for = {text:?} is not like \"2 of 3\""));
                    (1, 1)
                }
            }
        }
    };
    if n == 0 || n > m || m > MAX_WINDOWS {
        faults.push(format!("for = {n} of {m} windows: n must be 1 to m, and m at most {MAX_WINDOWS}"));
    }
    let recover = options.recover.as_ref().and_then(|recover| recover.windows).unwrap_or(m.max(3));
    if recover == 0 || recover > MAX_WINDOWS {
        faults.push(format!("recover.windows = {recover} is not 1 to {MAX_WINDOWS}"));
    }
    Policy { n, m, recover }
}

fn segments(options: Option<&SegmentOptions>, faults: &mut Vec<String>) -> Segments {
    match options {
        None => Segments::None,
        Some(SegmentOptions::Word(word)) if word == "none" => Segments::None,
        Some(SegmentOptions::Word(word)) if word == "all" => Segments::All,
        Some(SegmentOptions::Word(word)) => {
            faults.push(format!(
                "segments = {word:?} is not \"none\", \"all\", {{ tag = … }} or {{ tag = …, value = … }}"
            ));
            Segments::None
        }
        Some(SegmentOptions::Tag(one)) => Segments::Tag(one.tag.clone(), one.value.clone()),
    }
}

fn mute(options: &RuleOptions, faults: &mut Vec<String>) -> Option<Mute> {
    let mute = options.mute.as_ref()?;
    let until = mute.until.as_deref().map(|until| (until, EventTime::parse(until)));
    if let Some((until, None)) = until {
        faults.push(format!("mute.until = {until:?} is not an RFC 3339 time such as 2026-01-01T10:00:00Z"));
    }
    if mute.reason.trim().is_empty() {
        faults.push("mute.reason is empty; say why".to_owned());
    }
    Some(Mute { reason: mute.reason.clone(), until: until.and_then(|until| until.1) })
}

fn criterion(options: &RuleOptions, metric: &Metric, faults: &mut Vec<String>) -> Option<Criterion> {
    let levels = options.above.is_some() || options.below.is_some();
    let margins = options.side.is_some()
        || options.by.is_some()
        || options.times.is_some()
        || options.deviations.is_some()
        || options.season.is_some();
    let before = faults.len();
    let compare = match options.compare {
        _ if metric.is_state() => {
            if levels || margins || options.compare.is_some_and(|compare| compare != Compare::Verdict) {
                faults.push(format!("metric = {:?} is there or not: it has no level", options.metric));
            }
            Compare::Verdict
        }
        Some(compare) => compare,
        None if levels => Compare::Static,
        None if metric.has_verdict() && !margins => Compare::Verdict,
        None => Compare::Auto,
    };
    if levels && compare != Compare::Static && !metric.is_state() {
        faults.push("`above` and `below` go with compare = \"static\"".to_owned());
    }
    if margins && !matches!(compare, Compare::Reference | Compare::Auto) && !metric.is_state() {
        faults.push(
            "`side`, `by`, `times`, `deviations` and `season` go with compare = \"reference\" or \"auto\""
                .to_owned(),
        );
    }
    if compare == Compare::Verdict && !metric.has_verdict() && !metric.is_state() {
        faults.push(format!("the window report has no verdict on metric = {:?}", options.metric));
    }
    if compare == Compare::Reference && !metric.has_reference() {
        faults.push(format!("the reference has no figure for metric = {:?}", options.metric));
    }
    let recover = options.recover.as_ref().and_then(|recover| recover.level);
    let mut number = |key: &str, value: Option<f64>, least: f64| {
        if let Some(value) = value.filter(|value| !(value.is_finite() && *value >= least)) {
            faults.push(format!("{key} = {value} is not a number from {least} on"));
        }
    };
    number("above", options.above, f64::MIN);
    number("below", options.below, f64::MIN);
    number("recover.level", recover, f64::MIN);
    number("by", options.by, 0.0);
    number("times", options.times, 1.0);
    number("deviations", options.deviations, 0.0);
    if compare == Compare::Static && !levels {
        faults.push("compare = \"static\" needs `above` or `below`".to_owned());
    }
    if let (Some(above), Some(below)) = (options.above, options.below)
        && above <= below
    {
        faults.push(format!("above = {above} is not above below = {below}: it would always fire"));
    }
    if faults.len() > before {
        return None;
    }
    let given = options.compare.is_some();
    Some(match compare {
        Compare::Verdict => Criterion::Verdict,
        Compare::Static => Criterion::Static { above: options.above, below: options.below, recover },
        Compare::Reference | Compare::Auto => {
            let (by, times) = margin(metric);
            let own = options.by.is_some() || options.times.is_some();
            let relative = matches!(metric, Metric::Performance { .. } | Metric::ErrorRatio);
            Criterion::Change(Change {
                base: match compare {
                    Compare::Reference => Base::Reference,
                    _ if !given && relative => Base::Either,
                    _ => Base::Normal,
                },
                side: options.side.unwrap_or(metric.worse()),
                by: options.by.unwrap_or(if own { 0.0 } else { by }),
                times: options.times.unwrap_or(if own { 1.0 } else { times }),
                deviations: options.deviations.unwrap_or(4.0),
                season: options.season.unwrap_or(match metric {
                    Metric::Traffic => Season::Day,
                    // How good a model is depends little on the hour, and three former weeks say little.
                    Metric::Performance { .. } => Season::None,
                    _ => Season::Auto,
                }),
                recover,
                otherwise: (*metric == Metric::ErrorRatio).then_some(0.0),
            })
        }
    })
}

/// Least change that matters, added and multiplied, where the rule says none.
fn margin(metric: &Metric) -> (f64, f64) {
    match metric {
        Metric::Performance { name, .. } => match name.as_str() {
            "mae" | "rmse" | "mape" | "log_loss" | "brier" => (0.0, 1.1),
            "mean_error" => (0.0, 1.0),
            _ => (0.015, 1.0),
        },
        Metric::ErrorRatio | Metric::Quality(..) => (0.05, 1.0),
        Metric::Latency(_) => (0.0, 1.5),
        Metric::Traffic => (0.0, 1.4),
        Metric::Measure { .. } => (0.0, 1.1),
        Metric::Drift(_) | Metric::OutputDrift(_) | Metric::LabelDrift => (0.1, 1.0),
        Metric::DriftShare | Metric::LabelCoverage => (0.1, 1.0),
        _ => (0.0, 1.0),
    }
}
