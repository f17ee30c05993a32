//! What an incident may come from, the likeliest first.

use driftline_events::{EventTime, FeatureKind};
use serde::{Deserialize, Serialize};

use super::event::{Cause, CauseKind};
use super::judge::Judged;
use super::metric::{Fault, Metric};
use super::reading::{Reading, figure, findings};
use crate::feature_report::{BinChange, FeatureReport};
use crate::report::WindowReport;
use crate::words::{number, percent};

/// Most causes that an incident lists.
const LISTED: usize = 8;
/// Most that are remembered of one window.
const REMEMBERED: usize = 24;
/// What a drift and a change of a share are measured by, to be put in one order: the default thresholds.
const PSI: f64 = 0.1;
const SHARE: f64 = 0.05;
/// A segment drifts more than the whole when its PSI is so many times as great.
const WORSE: f64 = 2.0;

/// Something that changed in a window, and by how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) kind: CauseKind,
    pub(crate) name: String,
    pub(crate) text: String,
    /// How many times what would just have been noticed.
    pub(crate) score: f64,
    pub(crate) since: EventTime,
}

/// The features that drifted or have a finding. One cause a feature: what is missing, invalid or new explains what
/// else changed about it.
pub(crate) fn of_features(report: &WindowReport) -> Vec<Candidate> {
    let changed = report.features.iter().filter_map(|feature| of_feature(feature, report.window.start));
    changed.collect()
}

fn of_feature(feature: &FeatureReport, since: EventTime) -> Option<Candidate> {
    let (mut kind, mut score) = (CauseKind::Drift, 0.0_f64);
    let mut parts = Vec::new();
    let mut out_of_range = None;
    for (fault, share) in findings(feature) {
        let (now, then) = (share.ratio.value()?, share.reference_ratio.value()?);
        score = score.max((now - then).abs() / SHARE);
        let change = format!("{} -> {}", percent(then), percent(now));
        let top = share.top.as_ref().and_then(|top| top.first());
        let (own, text) = match fault {
            Fault::Missing => (CauseKind::Missing, format!("missing {change}")),
            Fault::Invalid => (CauseKind::Invalid, format!("invalid {change}")),
            Fault::Unseen => match top {
                Some(top) => (CauseKind::Unseen, format!("new values, such as {:?}: {change}", top.value)),
                None => (CauseKind::Unseen, format!("new values: {change}")),
            },
            Fault::OutOfRange => {
                out_of_range = Some(format!("out of the reference's range: {change}"));
                continue;
            }
        };
        if parts.is_empty() {
            kind = own;
        }
        parts.push(format!("{}: {text}", feature.name));
    }
    if feature.drifted {
        score = score.max(feature.psi.excess.value().unwrap_or(0.0) / PSI);
        if let Some(bin) = feature.changed_bins.first().filter(|_| parts.is_empty()) {
            parts.push(bin_text(feature, bin));
            let second = feature.changed_bins.get(1);
            parts.extend(second.map(|bin| format!("{}: {}", bin.label, change(bin))));
        }
    }
    if let Some(text) = out_of_range.filter(|_| parts.is_empty()) {
        parts.push(format!("{}: {text}", feature.name));
    }
    if parts.is_empty() && feature.drifted {
        parts.push(format!("{}: excess PSI {}", feature.name, number(score * PSI)));
    }
    let name = feature.name.clone();
    (!parts.is_empty()).then(|| Candidate { kind, name, text: parts.join("; "), score, since })
}

fn change(bin: &BinChange) -> String {
    format!("{} -> {}", percent(bin.reference), percent(bin.current))
}

fn bin_text(feature: &FeatureReport, bin: &BinChange) -> String {
    let label = bin.label.as_str();
    let one_number = || label.chars().all(|c| !c.is_alphabetic() || c == 'e');
    let one = match feature.kind {
        FeatureKind::Numeric => one_number(),
        _ => label != "rare and new values",
    };
    format!("{}{}{label}: {}", feature.name, if one { "=" } else { ": " }, change(bin))
}

/// What a figure that is itself out of order says: traffic, latency, errors, labels, the model's output.
pub(crate) fn of_figure(
    metric: &Metric,
    reading: &Reading,
    judged: &Judged,
    since: EventTime,
) -> Option<Candidate> {
    let now = figure(metric, reading.value);
    let change = match judged.base {
        Some(base) => format!("{} -> {now}", figure(metric, base)),
        None => now,
    };
    let (kind, name, text) = match metric {
        Metric::Traffic => (CauseKind::Traffic, "traffic", format!("traffic: {change}")),
        Metric::Latency(at) => (CauseKind::Latency, "latency", format!("latency at quantile {at}: {change}")),
        Metric::ErrorRatio => (CauseKind::Errors, "errors", format!("requests that fail: {change}")),
        Metric::LabelCoverage => (CauseKind::Labels, "labels", format!("label coverage: {change}")),
        Metric::OutputDrift(_) => (CauseKind::Output, reading.item.as_str(), String::new()),
        _ => return None,
    };
    let text = if text.is_empty() {
        format!("{}: the model answers otherwise (excess PSI {change})", reading.item)
    } else {
        text
    };
    // What the model answers follows from what it is asked, so it comes after that.
    let score = if kind == CauseKind::Output { judged.strength.min(1.0) * 0.5 } else { judged.strength };
    Some(Candidate { kind, name: name.to_owned(), text, score, since })
}

/// That nothing comes any more.
pub(crate) fn of_silence(metric: &Metric, text: &str, since: EventTime) -> Option<Candidate> {
    let (kind, name) = match metric {
        Metric::NoTraffic => (CauseKind::Traffic, "traffic"),
        Metric::NoLabels => (CauseKind::Labels, "labels"),
        _ => return None,
    };
    // Before all that is a matter of degree.
    Some(Candidate { kind, name: name.to_owned(), text: text.to_owned(), score: 1e3, since })
}

/// Another version that answers since shortly before.
pub(crate) fn of_version(version: &str, since: EventTime) -> Candidate {
    Candidate {
        kind: CauseKind::Version,
        name: version.to_owned(),
        text: format!("version {version:?} answers since {since}"),
        score: 1e6,
        since,
    }
}

/// Segments that are worse than the whole: by the whole interval for performance, twice the PSI for drift.
pub(crate) fn of_segment(
    metric: &Metric,
    whole: (&WindowReport, &Reading, &Judged),
    (report, reading): (&WindowReport, Option<&Reading>),
) -> Option<Candidate> {
    let (overall, of_whole, judged) = whole;
    let name =
        report.segment.iter().map(|(tag, value)| format!("{tag}={value}")).collect::<Vec<_>>().join(",");
    let candidate = |text: String, score: f64| {
        let since = report.window.start;
        Some(Candidate { kind: CauseKind::Segment, name: name.clone(), text, score, since })
    };
    if let (Metric::Performance { name: figure, .. }, Some(reading)) = (metric, reading) {
        let (low, high) = reading.interval?;
        let base = judged.base?;
        let falls = of_whole.value < base;
        if !(if falls { high < of_whole.value } else { low > of_whole.value }) {
            return None;
        }
        let share = report.rows as f64 / overall.rows.max(1) as f64;
        // Its part in how far the whole is off.
        let part = (reading.value - base).abs() * share / (of_whole.value - base).abs().max(1e-12);
        let text = format!("{name}: {figure} {}, {} overall", number(reading.value), number(of_whole.value));
        return candidate(text, part * judged.strength);
    }
    let worst = overall.features.iter().filter(|feature| feature.drifted);
    let worst = worst.max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
    let here = report.features.iter().find(|feature| feature.name == worst.name && feature.drifted)?;
    (excess(here) >= WORSE * excess(worst)).then(|| {
        let psi = (number(excess(here)), number(excess(worst)));
        // Where, not what: after the feature itself.
        candidate(format!("{name}: {} drifts most here (PSI {}, {} overall)", worst.name, psi.0, psi.1), 0.9)
    })?
}

fn excess(feature: &FeatureReport) -> f64 {
    feature.psi.excess.value().unwrap_or(0.0)
}

/// The candidates of a window, the strongest first, with the start of those that were there before.
pub(crate) fn remember(mut found: Vec<Candidate>, before: Option<&Vec<Candidate>>) -> Vec<Candidate> {
    for candidate in &mut found {
        let same = |known: &&Candidate| known.kind == candidate.kind && known.name == candidate.name;
        if let Some(known) = before.into_iter().flatten().find(same) {
            candidate.since = known.since.min(candidate.since);
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
    found.truncate(REMEMBERED);
    found
}

/// The causes to tell of, the likeliest first. Their shares are of all features that changed.
pub(crate) fn rank<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<Cause> {
    let mut best: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        match best.iter_mut().find(|known| (known.kind, &known.name) == (candidate.kind, &candidate.name)) {
            Some(known) if known.score < candidate.score => *known = candidate,
            Some(_) => {}
            None => best.push(candidate),
        }
    }
    best.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
    let of_feature = |kind: CauseKind| {
        matches!(kind, CauseKind::Missing | CauseKind::Invalid | CauseKind::Unseen | CauseKind::Drift)
    };
    let all: f64 = best.iter().filter(|one| of_feature(one.kind)).map(|one| one.score).sum();
    best.truncate(LISTED);
    best.into_iter()
        .map(|one| Cause {
            kind: one.kind,
            name: one.name.clone(),
            share: (of_feature(one.kind) && all > 0.0).then(|| one.score / all),
            text: one.text.clone(),
            since: one.since,
        })
        .collect()
}
