//! Reports in the state folder.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;

use super::page::Page;
use super::place::{Place, sortable};
use super::{History, HistoryError, HistoryPage, HistoryQuery};
use crate::state::{State, Table};

/// How much a [`StoredHistory`] keeps of each model.
#[derive(Clone, Copy, Debug)]
pub struct HistorySpec {
    /// Reports.
    pub reports_per_model: usize,
    /// How long before the end of the newest report with rows a report may end; `None`: any time.
    pub reports_retention: Option<Duration>,
}

/// Reports removed at one put, at most: a lower bound, set at a restart, is reached step by step.
const REMOVALS_PER_PUT: usize = 256;

/// A model may have this part of its bound too much before some are removed at once: to find the oldest is a search,
/// and one for each report would be too many.
const SLACK: usize = 32;

/// A [`History`] in the state folder. Reports that are final are stored and become durable with the next checkpoint;
/// those of open windows are kept in memory until the final one comes.
///
/// Bounded in reports and in age for each model; those that ended first go first.
#[derive(Debug)]
pub struct StoredHistory {
    state: State,
    spec: HistorySpec,
    models: BTreeMap<String, Kept>,
    dropped: u64,
    expired: u64,
}

/// What is known in memory of a model's reports.
#[derive(Debug)]
struct Kept {
    stored: usize,
    open: BTreeMap<Place, Open>,
    newest: EventTime,
    /// No stored report has a smaller key. The places of removed ones are costly to pass by until they are merged
    /// away, so the search for the oldest begins here.
    from: Vec<u8>,
    /// No stored report ends before this.
    oldest_end: EventTime,
}

#[derive(Debug)]
struct Open {
    report: Arc<WindowReport>,
    /// It stands before a stored one.
    hides_stored: bool,
}

impl Kept {
    fn new(model: &str) -> Self {
        Self {
            stored: 0,
            open: BTreeMap::new(),
            newest: EventTime::MIN,
            from: Place::prefix(model),
            oldest_end: EventTime::MIN,
        }
    }

    fn len(&self) -> usize {
        self.stored + self.open.values().filter(|open| !open.hides_stored).count()
    }
}

impl StoredHistory {
    /// The reports of a state.
    ///
    /// # Errors
    /// [`HistoryError::State`] if they cannot be read.
    pub fn open(state: State, spec: HistorySpec) -> Result<Self, HistoryError> {
        let mut models = BTreeMap::<String, Kept>::new();
        let mut count = |key: &[u8]| {
            if let Some((model, place)) = Place::of_key(key) {
                let kept = models.entry(model).or_insert_with_key(|model| Kept::new(model));
                kept.stored += 1;
                kept.newest = kept.newest.max(place.end);
            }
            ControlFlow::Continue(())
        };
        state.scan_keys(Table::Reports, b"", Bound::Unbounded, &mut count).map_err(HistoryError::State)?;
        for (model, kept) in &mut models {
            if let Some(newest) = newest_with_rows(&state, model)? {
                kept.newest = newest;
            }
        }
        Ok(Self { state, spec, models, dropped: 0, expired: 0 })
    }

    /// Shows the stored reports of a model or of all, of windows that end after `from` and start before `to`: models
    /// by name, the earliest end first.
    ///
    /// # Errors
    /// [`HistoryError`] if they cannot be read; some may have been shown.
    pub fn export(
        &self,
        model: Option<&str>,
        from: Option<EventTime>,
        to: Option<EventTime>,
        show: &mut dyn FnMut(WindowReport) -> ControlFlow<()>,
    ) -> Result<(), HistoryError> {
        let models =
            self.models.keys().map(String::as_str).filter(|name| model.is_none_or(|model| *name == model));
        for model in models {
            let prefix = Place::prefix(model);
            let start = from.map(|from| [&prefix[..], &sortable(from)].concat());
            let start = start.as_deref().map_or(Bound::Unbounded, Bound::Included);
            let mut outcome = Ok(ControlFlow::Continue(()));
            let mut take = |key: &[u8], value: &[u8]| {
                outcome = read(key, value).map(|(place, report)| {
                    let within = from.is_none_or(|from| place.end > from)
                        && to.is_none_or(|to| report.window.start < to);
                    if within { show(report) } else { ControlFlow::Continue(()) }
                });
                match outcome {
                    Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            };
            self.state
                .scan_from(Table::Reports, &prefix, start, false, &mut take)
                .map_err(HistoryError::State)?;
            if outcome?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn store(&mut self, place: Place, report: &WindowReport) -> Result<(), HistoryError> {
        let key = place.key(&report.model);
        let is_new = !self.state.contains(Table::Reports, &key).map_err(HistoryError::State)?;
        let kept = kept(&mut self.models, &report.model);
        kept.open.remove(&place);
        kept.stored += usize::from(is_new);
        if key < kept.from {
            kept.from.clone_from(&key);
        }
        kept.oldest_end = kept.oldest_end.min(place.end);
        let value = write(report).map_err(|source| HistoryError::Unreadable {
            model: report.model.clone(),
            end: place.end,
            source,
        })?;
        self.state.put(Table::Reports, &key, value);
        Ok(())
    }

    /// Removes what is too old or too much, some of it.
    fn remove(&mut self, model: &str) -> Result<(), HistoryError> {
        let Some(kept) = self.models.get_mut(model) else { return Ok(()) };
        let floor = self.spec.reports_retention.map_or(EventTime::MIN, |age| kept.newest.saturating_sub(age));
        let mut excess = kept.len().saturating_sub(self.spec.reports_per_model);
        let mut oldest = Vec::new();
        let at_most = REMOVALS_PER_PUT.min(kept.stored);
        let prefix = Place::prefix(model);
        if excess > self.spec.reports_per_model / SLACK || kept.oldest_end < floor {
            let mut next_end = EventTime::MAX;
            let mut take = |key: &[u8]| {
                let end = Place::of_key(key).map_or(EventTime::MIN, |(_, place)| place.end);
                if oldest.len() == at_most || (end >= floor && oldest.len() >= excess) {
                    next_end = end;
                    return ControlFlow::Break(());
                }
                oldest.push(key.to_vec());
                ControlFlow::Continue(())
            };
            let from = Bound::Included(&kept.from[..]);
            self.state.scan_keys(Table::Reports, &prefix, from, &mut take).map_err(HistoryError::State)?;
            kept.oldest_end = next_end;
        }
        for key in oldest {
            let Some((_, place)) = Place::of_key(&key) else { continue };
            let is_old = place.end < floor;
            // An open one that is older goes first.
            while excess > 0 && kept.open.first_key_value().is_some_and(|(open, _)| *open < place) {
                if kept.open.pop_first().is_some_and(|(_, open)| !open.hides_stored) {
                    excess -= 1;
                    self.dropped += 1;
                }
            }
            if !is_old && excess == 0 {
                kept.oldest_end = kept.oldest_end.min(place.end);
                break;
            }
            self.state.remove(Table::Reports, &key);
            kept.open.remove(&place);
            kept.stored -= 1;
            excess = excess.saturating_sub(1);
            if is_old {
                self.expired += 1
            } else {
                self.dropped += 1
            }
            kept.from = key;
        }
        while kept.open.len() > self.spec.reports_per_model {
            kept.open.pop_first();
            self.dropped += 1;
        }
        Ok(())
    }
}

fn kept<'a>(models: &'a mut BTreeMap<String, Kept>, model: &str) -> &'a mut Kept {
    if !models.contains_key(model) {
        models.insert(model.to_owned(), Kept::new(model));
    }
    models.get_mut(model).expect("it was just put there")
}

impl History for StoredHistory {
    fn put(&mut self, report: Arc<WindowReport>) {
        let place = Place::of(&report);
        let model = report.model.clone();
        let kept = kept(&mut self.models, &model);
        // A window that only the clock closed does not make those that events came in older.
        if report.rows > 0 {
            kept.newest = kept.newest.max(place.end);
        }
        let stored = if report.is_final {
            self.store(place, &report)
        } else {
            let key = place.key(&model);
            self.state.contains(Table::Reports, &key).map_err(HistoryError::State).map(|hides_stored| {
                kept.open.insert(place, Open { report, hides_stored });
            })
        };
        if let Err(error) = stored.and_then(|()| self.remove(&model)) {
            tracing::error!(%error, source = ?error.source(), model, "Failed to keep a window report.");
        }
    }

    fn find(&self, query: &HistoryQuery) -> Result<HistoryPage, HistoryError> {
        let mut page = Page::new(query);
        let Some(kept) = self.models.get(&query.model) else { return Ok(page.finish()) };
        let mut open = kept.open.iter().rev().peekable();
        let prefix = Place::prefix(&query.model);
        let start = page.before().map(|before| before.key(&query.model));
        let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut outcome = Ok(());
        let page_cell = std::cell::RefCell::new(&mut page);
        let wants = |key: &[u8]| match Place::of_key(key) {
            Some((_, place)) => page_cell.borrow().wants(&place),
            None => ControlFlow::Continue(true),
        };
        let mut take = |key: &[u8], value: &[u8]| {
            match read(key, value) {
                Ok((place, report)) => {
                    let mut page = page_cell.borrow_mut();
                    let mut hidden = false;
                    while let Some((newer, other)) = open.next_if(|(other, _)| **other >= place) {
                        page.offer(newer, &other.report);
                        hidden |= *newer == place;
                    }
                    if !hidden {
                        page.offer(&place, &Arc::new(report));
                    }
                }
                Err(error) => {
                    outcome = Err(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        };
        self.state
            .scan_if(Table::Reports, &prefix, start, true, &wants, &mut take)
            .map_err(HistoryError::State)?;
        outcome?;
        for (place, other) in open {
            page.offer(place, &other.report);
        }
        Ok(page.finish())
    }

    fn len(&self, model: &str) -> usize {
        self.models.get(model).map_or(0, Kept::len)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }

    fn expired(&self) -> u64 {
        self.expired
    }
}

/// The end of a model's newest stored report with rows; `None` if the latest ones have none.
fn newest_with_rows(state: &State, model: &str) -> Result<Option<EventTime>, HistoryError> {
    let (mut newest, mut looked) = (None, 0);
    let mut look = |key: &[u8], value: &[u8]| {
        looked += 1;
        match read(key, value) {
            Ok((place, report)) if report.rows > 0 => newest = Some(place.end),
            Ok(_) if looked < EMPTY_LOOKED_AT => return ControlFlow::Continue(()),
            // One that cannot be read is told of when somebody asks for it.
            Ok(_) | Err(_) => {}
        }
        ControlFlow::Break(())
    };
    state.scan(Table::Reports, &Place::prefix(model), true, &mut look).map_err(HistoryError::State)?;
    Ok(newest)
}

/// Reports without rows that are looked past at the start for one that has some.
const EMPTY_LOOKED_AT: usize = 10_000;

/// The layout of a stored report: this, then its JSON, compressed.
const LAYOUT: u8 = 1;

/// Reports are written once and read seldom; beyond it the time grows faster than the space shrinks.
const LEVEL: i32 = 3;

fn write(report: &WindowReport) -> io::Result<Vec<u8>> {
    let mut value = vec![LAYOUT];
    let mut encoder = zstd::Encoder::new(&mut value, LEVEL)?;
    serde_json::to_writer(&mut encoder, report)?;
    encoder.finish()?;
    Ok(value)
}

fn read(key: &[u8], value: &[u8]) -> Result<(Place, WindowReport), HistoryError> {
    let (model, place) = Place::of_key(key).unwrap_or_else(|| {
        let place = Place {
            end: EventTime::MIN,
            window: String::new(),
            version: String::new(),
            segment: BTreeMap::new(),
        };
        (String::from_utf8_lossy(key).into_owned(), place)
    });
    let json = match value {
        [LAYOUT, rest @ ..] => zstd::decode_all(rest),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it is of a layout that is not known")),
    };
    match json.and_then(|json| Ok(serde_json::from_slice(&json)?)) {
        Ok(report) => Ok((place, report)),
        Err(source) => Err(HistoryError::Unreadable { model, end: place.end, source }),
    }
}
