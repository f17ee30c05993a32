//! A sink's queue, and the task that empties it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::{AlertEvent, AlertSeverity, EventAction};
use driftline_events::EventTime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::failure::SendError;
use super::ledger::Ledger;
use super::notifier::AlertClock;
use super::outlet::{Bundle, Outlet};
use super::pace::Pace;
use super::quiet::QuietHours;

/// Events that the task looks over at once, to tell people of an incident in one message. What has no room waits in the
/// channel, and then with the caller.
const ROOM: usize = 1_024;

/// An event that failed so often lets those of other incidents go first: it may be what is wrong.
const PATIENCE: u32 = 3;

/// What quiet hours hold is looked at again after this at the latest: the clock may have been set.
const LOOKS_AGAIN: Duration = Duration::from_secs(60);

/// An event on its way, with the caller's number.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) number: u64,
    pub(super) event: Arc<AlertEvent>,
}

/// A parcel in the task's hands.
#[derive(Debug)]
struct Waiting {
    parcel: Parcel,
    /// Quiet hours held it up.
    held: bool,
}

/// What to do now.
#[derive(Debug, PartialEq)]
enum Next {
    /// Nothing waits.
    Nothing,
    /// All that waits is held until then.
    Held(Duration),
    /// These are to be sent, as one message.
    Ready(Vec<usize>),
}

/// The task's state.
pub(super) struct Queue {
    pub(super) sink: String,
    pub(super) outlet: Outlet,
    pub(super) ledger: Arc<Ledger>,
    pub(super) parcels: mpsc::Receiver<Parcel>,
    pub(super) stop: CancellationToken,
    pub(super) clock: AlertClock,
    pub(super) pace: Pace,
    /// Whether it tells people: of an incident as it is now, once.
    pub(super) gathers: bool,
    pub(super) quiet_hours: Option<QuietHours>,
    pub(super) waiting: Pile,
}

/// Parcels in order, and how often the first failed.
#[derive(Debug, Default)]
pub(super) struct Pile {
    parcels: VecDeque<Waiting>,
    failures: u32,
    not_before: Option<Instant>,
    is_closed: bool,
}

impl Queue {
    /// Sends until it is stopped; then what can be sent at once.
    pub(super) async fn run(mut self) {
        loop {
            self.take_in();
            let now = (self.clock)();
            let next = self.next(now);
            let pause = match &next {
                Next::Nothing => None,
                Next::Held(left) => Some((*left).min(LOOKS_AGAIN)),
                Next::Ready(_) => {
                    self.waiting.not_before.map(|time| time.saturating_duration_since(Instant::now()))
                }
            };
            match next {
                Next::Ready(indices) if pause.is_none_or(|pause| pause.is_zero()) => {
                    self.attempt(&indices, now).await;
                }
                _ if self.stop.is_cancelled() => return,
                _ => self.wait(pause).await,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.parcels.len() < ROOM
    }

    fn put(&mut self, parcel: Parcel) {
        self.waiting.parcels.push_back(Waiting { parcel, held: false });
    }

    fn take_in(&mut self) {
        while self.has_room()
            && let Ok(parcel) = self.parcels.try_recv()
        {
            self.put(parcel);
        }
    }

    /// Waits for an event, the stop, or so long.
    async fn wait(&mut self, pause: Option<Duration>) {
        let receives = self.has_room() && !self.waiting.is_closed;
        tokio::select! {
            parcel = self.parcels.recv(), if receives => match parcel {
                Some(parcel) => self.put(parcel),
                None => self.waiting.is_closed = true,
            },
            () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// What is to be sent now: the oldest event, with those of its incident where they are told as one.
    fn next(&mut self, now: EventTime) -> Next {
        if !self.gathers {
            return if self.waiting.parcels.is_empty() { Next::Nothing } else { Next::Ready(vec![0]) };
        }
        let left = self.quiet_hours.and_then(|quiet| quiet.left(now));
        self.hold(left.is_some());
        let ready = self.groups().into_iter().find(|group| left.is_none() || !self.is_minor(group));
        match (ready, left) {
            (Some(group), _) => Next::Ready(group),
            (None, Some(left)) if !self.waiting.parcels.is_empty() => {
                if !self.has_room() {
                    self.drop_all(&[0]);
                }
                Next::Held(left)
            }
            (None, _) => Next::Nothing,
        }
    }

    /// The places of the parcels of each incident, in order of the first.
    fn groups(&self) -> Vec<Vec<usize>> {
        let events: Vec<&AlertEvent> =
            self.waiting.parcels.iter().map(|waiting| &*waiting.parcel.event).collect();
        let mut seen = BTreeSet::new();
        let mut groups = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if event.action == EventAction::Test {
                groups.push(vec![index]);
            } else if seen.insert(&event.incident.id) {
                let is_same = |other: &&AlertEvent| {
                    other.action != EventAction::Test && other.incident.id == event.incident.id
                };
                groups.push((index..events.len()).filter(|&index| is_same(&events[index])).collect());
            }
        }
        groups
    }

    /// Whether a group may wait for the end of quiet hours: its incident is minor to this day.
    fn is_minor(&self, group: &[usize]) -> bool {
        group.last().is_some_and(|&newest| {
            let event = &self.waiting.parcels[newest].parcel.event;
            event.incident.severity == AlertSeverity::Minor && event.action != EventAction::Test
        })
    }

    /// Marks what quiet hours hold up, and leaves out the incidents that opened in them and are over already.
    fn hold(&mut self, is_quiet: bool) {
        let mut over = Vec::new();
        for group in self.groups() {
            if !self.is_minor(&group) {
                continue;
            }
            if is_quiet {
                group.iter().for_each(|&index| self.waiting.parcels[index].held = true);
            }
            let (Some(&first), Some(&last)) = (group.first(), group.last()) else { continue };
            let action = |index: usize| self.waiting.parcels[index].parcel.event.action;
            let is_over = matches!(action(last), EventAction::Resolved | EventAction::Retracted);
            if is_over && action(first) == EventAction::Opened && self.waiting.parcels[first].held {
                over.extend(group);
            }
        }
        self.drop_all(&over);
    }

    fn drop_all(&mut self, indices: &[usize]) {
        if !indices.is_empty() {
            let numbers = self.take_out(indices);
            self.ledger.dropped(&numbers);
        }
    }

    fn take_out(&mut self, indices: &[usize]) -> Vec<u64> {
        let out: BTreeSet<usize> = indices.iter().copied().collect();
        let (mut numbers, mut index) = (Vec::new(), 0);
        self.waiting.parcels.retain(|waiting| {
            let goes = out.contains(&index);
            index += 1;
            if goes {
                numbers.push(waiting.parcel.number);
            }
            !goes
        });
        numbers
    }

    async fn attempt(&mut self, indices: &[usize], now: EventTime) {
        let mut events: Vec<_> =
            indices.iter().map(|&index| Arc::clone(&self.waiting.parcels[index].parcel.event)).collect();
        let Some(newest) = events.pop() else { return };
        let sent = self.outlet.send(&Bundle { earlier: events, newest }, now).await;
        match sent {
            Ok(_) => {
                self.waiting.failures = 0;
                self.waiting.not_before = None;
                let numbers = self.take_out(indices);
                self.ledger.connected(true);
                self.ledger.delivered(&numbers);
            }
            Err(SendError::Never { reason }) => {
                self.waiting.failures = 0;
                self.waiting.not_before = None;
                let numbers = self.take_out(indices);
                self.ledger.connected(false);
                self.ledger.refused(&numbers, &reason);
            }
            Err(SendError::Later { reason, after }) => {
                self.waiting.failures += 1;
                let pause = self.pace.pause(&self.sink, self.waiting.failures, after);
                self.waiting.not_before = Some(Instant::now() + pause);
                self.ledger.connected(false);
                self.ledger.failed(&reason);
                if self.waiting.failures >= PATIENCE {
                    self.let_others_go_first(indices);
                }
            }
        }
    }

    /// Puts all of an incident behind the others; its own events stay in order.
    fn let_others_go_first(&mut self, indices: &[usize]) {
        let Some(first) = indices.first().and_then(|&index| self.waiting.parcels.get(index)) else { return };
        let incident = first.parcel.event.incident.id.clone();
        let (behind, before): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting.parcels)
            .into_iter()
            .partition(|waiting| waiting.parcel.event.incident.id == incident);
        self.waiting.parcels = before;
        self.waiting.parcels.extend(behind);
    }
}
