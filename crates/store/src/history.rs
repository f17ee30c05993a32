//! The window reports of the past.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;

/// Which reports are asked for. Every part that is `None` lets all through.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// The model.
    pub model: String,
    /// The window's name.
    pub window: Option<String>,
    /// The model's version.
    pub version: Option<String>,
    /// The segment; an empty map asks for all rows, not for segments.
    pub segment: Option<BTreeMap<String, String>>,
    /// Windows that end after it.
    pub from: Option<EventTime>,
    /// Windows that start before it.
    pub to: Option<EventTime>,
    /// Only the newest window of each name, version and segment.
    pub latest: bool,
    /// Where to go on, from the page before.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// Some of the reports that were asked for: the latest end first.
#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// The reports.
    pub reports: Vec<Arc<WindowReport>>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<String>,
}

/// Where reports are kept. A report replaces the one of the same window, version and segment.
pub trait History: Send {
    /// Keeps a report.
    fn put(&mut self, report: Arc<WindowReport>);
    /// Finds reports.
    fn find(&self, query: &HistoryQuery) -> HistoryPage;
    /// How many reports of a model are kept.
    fn len(&self, model: &str) -> usize;
    /// Whether there is no report of a model.
    fn is_empty(&self, model: &str) -> bool {
        self.len(model) == 0
    }
    /// How many reports went because there were too many.
    fn dropped(&self) -> u64;
}

/// A report's place: its end first, so that the oldest is at the front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    end: EventTime,
    window: String,
    version: String,
    segment: BTreeMap<String, String>,
}

impl Place {
    fn of(report: &WindowReport) -> Self {
        Self {
            end: report.window.end,
            window: report.window.name.clone(),
            version: report.version.clone(),
            segment: report.segment.clone(),
        }
    }

    /// The place as a page's cursor. It is only ever compared.
    fn cursor(&self) -> String {
        let segment: Vec<String> =
            self.segment.iter().map(|(tag, value)| format!("{}={}", escape(tag), escape(value))).collect();
        format!(
            "{}|{}|{}|{}",
            self.end.as_millis(),
            escape(&self.window),
            escape(&self.version),
            segment.join("&")
        )
    }

    fn parse(cursor: &str) -> Option<Self> {
        let mut parts = cursor.split('|');
        let end = EventTime::from_millis(parts.next()?.parse().ok()?);
        let window = unescape(parts.next()?);
        let version = unescape(parts.next()?);
        let segment = parts
            .next()?
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').map(|(tag, value)| (unescape(tag), unescape(value))))
            .collect::<Option<_>>()?;
        Some(Self { end, window, version, segment })
    }
}

const ESCAPES: [(char, &str); 4] = [('%', "%25"), ('|', "%7C"), ('&', "%26"), ('=', "%3D")];

fn escape(text: &str) -> String {
    ESCAPES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
}

fn unescape(text: &str) -> String {
    ESCAPES.iter().rev().fold(text.to_owned(), |text, (to, from)| text.replace(from, &to.to_string()))
}

/// A [`History`] in memory, bounded in reports for each model; those that ended first go first.
#[derive(Debug)]
pub struct MemoryHistory {
    reports: BTreeMap<String, BTreeMap<Place, Arc<WindowReport>>>,
    reports_per_model: usize,
    dropped: u64,
}

impl MemoryHistory {
    /// An empty history.
    #[must_use]
    pub const fn new(reports_per_model: usize) -> Self {
        Self { reports: BTreeMap::new(), reports_per_model, dropped: 0 }
    }
}

impl History for MemoryHistory {
    fn put(&mut self, report: Arc<WindowReport>) {
        let reports = self.reports.entry(report.model.clone()).or_default();
        reports.insert(Place::of(&report), report);
        while reports.len() > self.reports_per_model {
            reports.pop_first();
            self.dropped += 1;
        }
    }

    fn find(&self, query: &HistoryQuery) -> HistoryPage {
        let Some(reports) = self.reports.get(&query.model) else { return HistoryPage::default() };
        let before = query.after.as_deref().and_then(Place::parse).map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = |report: &WindowReport| {
            query.window.as_ref().is_none_or(|window| *window == report.window.name)
                && query.version.as_ref().is_none_or(|version| *version == report.version)
                && query.segment.as_ref().is_none_or(|segment| *segment == report.segment)
                && query.from.is_none_or(|from| report.window.end > from)
                && query.to.is_none_or(|to| report.window.start < to)
        };
        let mut found: Vec<(&Place, &Arc<WindowReport>)> =
            reports.range((Bound::Unbounded, before)).rev().filter(|(_, report)| wanted(report)).collect();
        if query.latest {
            let mut seen = BTreeSet::new();
            found.retain(|(place, _)| seen.insert((&place.window, &place.version, &place.segment)));
        }
        let next = (found.len() > query.limit && query.limit > 0).then(|| found[query.limit - 1].0.cursor());
        HistoryPage {
            reports: found.into_iter().take(query.limit).map(|(_, report)| Arc::clone(report)).collect(),
            next,
        }
    }

    fn len(&self, model: &str) -> usize {
        self.reports.get(model).map_or(0, BTreeMap::len)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_any_text() {
        let place = Place {
            end: EventTime::from_millis(-5),
            window: "1h|%7C".to_owned(),
            version: "a=b&c".to_owned(),
            segment: BTreeMap::from([("t%25".to_owned(), "x|y".to_owned()), ("u".to_owned(), String::new())]),
        };
        assert_eq!(Place::parse(&place.cursor()), Some(place));
    }
}
