//! Which window statistics are kept when they are more series than the budget has.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::{FeatureReport, WindowReport};

use super::statistic::{COUNT, Figure, Part, figures_of, parts};

/// A report that is shown, with its segment as labels write it.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    report: &'a WindowReport,
    segment: String,
}

/// A series of a window statistic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series<'a> {
    shown: &'a Shown<'a>,
    extra: [&'a str; 2],
    pub(crate) value: f64,
}

/// The series to write.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    /// For each window statistic its series, by position in the catalogue; in a fixed order.
    pub(crate) families: Vec<Vec<Series<'a>>>,
    pub(crate) kept: usize,
    pub(crate) cut: usize,
}

/// A segment as labels write it: `country=BE`; empty for all rows together.
pub(crate) fn segment_label(segment: &BTreeMap<String, String>) -> String {
    let tags: Vec<_> = segment.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    tags.join(",")
}

impl Series<'_> {
    /// The values of the labels; a metric takes as many as it has labels.
    pub(crate) fn labels(&self) -> [&str; 6] {
        let report = self.shown.report;
        let [first, second] = self.extra;
        [&report.model, &report.version, &report.window.name, &self.shown.segment, first, second]
    }
}

impl<'a> Shown<'a> {
    /// The reports to show, in a fixed order: one for each set of labels, or a scrape would hold a series twice.
    pub(crate) fn of(reports: &'a [Arc<WindowReport>]) -> Vec<Self> {
        let mut newest: BTreeMap<_, &'a WindowReport> = BTreeMap::new();
        for report in reports {
            let segment: Vec<_> =
                report.segment.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
            // The whole comes before its segments.
            let key = (&report.model, &report.window.name, &report.version, segment.join(","));
            let shown = newest.entry(key).or_insert(report);
            if (shown.window.end, shown.revision) < (report.window.end, report.revision) {
                *shown = report;
            }
        }
        newest.into_iter().map(|((.., segment), report)| Self { report, segment }).collect()
    }
}

/// What is kept first, from least to greatest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Distributions go before anything else: everything said of them is said by another figure too.
    is_distribution: bool,
    /// Then segments, before anything of the whole.
    is_segment: bool,
    /// Figures of the window, outputs, measures; then features; then classes, of which there may be thousands.
    class: u8,
    /// Drifted features stay longest, and of those, and of the others, the ones with the greatest PSI.
    psi: Reverse<(bool, u64)>,
}

impl Rank {
    fn of(shown: &Shown<'_>, part: Part<'_>) -> Self {
        let (class, psi) = match part {
            Part::Window => (0, (false, 0)),
            Part::Output(_, output) => (1, drift(output)),
            Part::Measure(..) => (2, (false, 0)),
            Part::Feature(feature) | Part::Bins(feature) => (3, drift(feature)),
            Part::Class(..) => (4, (false, 0)),
        };
        let is_distribution = matches!(part, Part::Bins(_));
        Self { is_distribution, is_segment: !shown.segment.is_empty(), class, psi: Reverse(psi) }
    }
}

/// Whether it drifted, and by how much. PSI is never negative, and such floats are ordered as their bits are.
fn drift(feature: &FeatureReport) -> (bool, u64) {
    let psi = feature.psi.excess.value().or_else(|| feature.psi.value.value()).unwrap_or(0.0);
    (feature.drifted, psi.max(0.0).to_bits())
}

/// A part of a report that may be shown.
struct Candidate<'a> {
    rank: Rank,
    /// Its place among all.
    place: usize,
    shown: &'a Shown<'a>,
    part: Part<'a>,
    figures: usize,
}

impl<'a> Candidate<'a> {
    fn new(place: usize, shown: &'a Shown<'a>, part: Part<'a>) -> Self {
        let mut figures = 0;
        figures_of(shown.report, part, &mut |_| figures += 1);
        Self { rank: Rank::of(shown, part), place, shown, part, figures }
    }
}

/// Chooses at most `max` series. Parts of reports are kept or cut as wholes, in the order of their [`Rank`], and in
/// the reports' order where ranks are equal; the first part that does not fit and all after it are cut.
///
/// What is cut is counted and not gathered: many models have far more figures than are shown.
pub(crate) fn select<'a>(shown: &'a [Shown<'a>], max: usize) -> Selection<'a> {
    let parts = shown.iter().flat_map(|shown| parts(shown.report).map(move |part| (shown, part)));
    let mut candidates: Vec<Candidate<'a>> =
        parts.enumerate().map(|(place, (shown, part))| Candidate::new(place, shown, part)).collect();
    let total: usize = candidates.iter().map(|candidate| candidate.figures).sum();
    if total > max {
        candidates.sort_unstable_by(|a, b| (&a.rank, a.place).cmp(&(&b.rank, b.place)));
        let mut room = max;
        let fitting = candidates.iter().take_while(|candidate| {
            let fits = candidate.figures <= room;
            room = room.saturating_sub(candidate.figures);
            fits
        });
        let fitting = fitting.count();
        candidates.truncate(fitting);
        candidates.sort_unstable_by_key(|candidate| candidate.place);
    }
    let mut families: Vec<Vec<Series<'a>>> = vec![Vec::new(); COUNT];
    let mut kept = 0;
    for Candidate { shown, part, figures, .. } in candidates {
        kept += figures;
        figures_of(shown.report, part, &mut |Figure { metric, extra, value }| {
            families[metric].push(Series { shown, extra, value });
        });
    }
    Selection { families, kept, cut: total - kept }
}
