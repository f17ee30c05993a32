//! One rule on one version and segment, window by window.

use std::collections::VecDeque;

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use super::reading::Unknown;
use super::rule::Policy;

/// Windows that are remembered one by one: what can still be revised.
const REMEMBERED: usize = 96;
/// Most times that recovery is stretched.
const MOST_STRETCHED: u32 = 8;
/// An alert that comes back within so many times its recovery comes back soon.
const SOON: u32 = 4;

/// What one window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Vote {
    /// On the good side of where recovery begins.
    #[serde(rename = "c")]
    Clear,
    /// Neither.
    #[serde(rename = "b")]
    Between,
    /// Beyond the threshold, by evidence that is enough only if it comes once more.
    #[serde(rename = "l")]
    Likely,
    /// Beyond the threshold.
    #[serde(rename = "o")]
    Over,
}

/// One window and its vote.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry(EventTime, EventTime, Vote);

/// Where the lifecycle stands after some windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// The end of the window that made it fire, while it fires.
    pub(crate) fired: Option<EventTime>,
    /// The start of the first window that counted for it.
    pub(crate) since: Option<EventTime>,
    /// The last windows, the latest in the lowest bit: whether each was over.
    over: u64,
    /// The same of windows that were over or likely.
    likely: u64,
    /// Windows in a row that were clear.
    clear: u32,
    /// The end of the window that made it fire the last time that it ended since.
    pub(crate) last: Option<EventTime>,
    /// Windows since it last ended, as far as that matters.
    quiet: Option<u32>,
    /// How many times as long it must stay away.
    stretch: u32,
}

impl Phase {
    fn step(mut self, entry: &Entry, policy: Policy) -> Self {
        let Entry(end, start, vote) = *entry;
        let mask = |windows: u32| u64::MAX >> (64 - windows);
        self.over = (self.over << 1 | u64::from(vote == Vote::Over)) & mask(policy.m);
        // What is only likely must show in one window more, of two more.
        self.likely = (self.likely << 1 | u64::from(vote >= Vote::Likely)) & mask(policy.m + 2);
        self.clear = if vote == Vote::Clear { self.clear.saturating_add(1) } else { 0 };
        let stretch = self.stretch.max(1);
        if self.fired.is_some() {
            if self.clear >= policy.recover.saturating_mul(stretch) {
                self = Self { last: self.fired, quiet: Some(0), stretch, ..Self::default() };
            }
            return self;
        }
        if self.likely == 0 {
            self.since = None;
        } else {
            self.since.get_or_insert(start);
        }
        self.quiet = self.quiet.map(|quiet| quiet.saturating_add(1));
        if self.over.count_ones() >= policy.n || self.likely.count_ones() > policy.n {
            let soon = policy.recover.saturating_mul(stretch).saturating_mul(SOON);
            let is_soon = self.quiet.is_some_and(|quiet| quiet <= soon);
            self.stretch = if is_soon { (2 * stretch).min(MOST_STRETCHED) } else { 1 };
            self.fired = Some(end);
        }
        self
    }

    /// Whether some windows were over, not enough to fire.
    pub(crate) const fn is_pending(&self) -> bool {
        self.fired.is_none() && self.likely > 0
    }
}

/// What the latest window said, for those who look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    Known(Vote),
    Unknown(Unknown),
}

/// One rule on one version and segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    /// The phase before the first remembered window.
    base: Phase,
    entries: VecDeque<Entry>,
    pub(crate) phase: Phase,
    pub(crate) condition: Condition,
    /// The end of the latest window that was looked at.
    pub(crate) through: EventTime,
    /// Windows in a row that did not have it.
    pub(crate) absent: u32,
}

impl Series {
    pub(crate) const fn new(through: EventTime) -> Self {
        let phase = Phase {
            fired: None,
            since: None,
            over: 0,
            likely: 0,
            clear: 0,
            last: None,
            quiet: None,
            stretch: 1,
        };
        Self {
            base: phase,
            entries: VecDeque::new(),
            phase,
            condition: Condition::Unknown(Unknown::Learning),
            through,
            absent: 0,
        }
    }

    /// Whether the window that ended then has voted, as far as that is remembered.
    pub(crate) fn knows(&self, end: EventTime) -> bool {
        self.entries.binary_search_by_key(&end, |entry| entry.0).is_ok()
    }

    /// Takes a window's vote: of a new window, or of one that was revised. False if the window is older than what is
    /// remembered, and nothing changed.
    pub(crate) fn vote(&mut self, start: EventTime, end: EventTime, vote: Vote, policy: Policy) -> bool {
        let entry = Entry(end, start, vote);
        let at = self.entries.partition_point(|known| known.0 < end);
        if at == self.entries.len() {
            self.entries.push_back(entry);
            self.phase = self.phase.step(&entry, policy);
        } else {
            if self.entries[at].0 == end {
                self.entries[at] = entry;
            } else if at > 0 || self.entries.len() < REMEMBERED {
                self.entries.insert(at, entry);
            } else {
                return false;
            }
            self.phase = self.entries.iter().fold(self.base, |phase, entry| phase.step(entry, policy));
        }
        while self.entries.len() > REMEMBERED {
            let oldest = self.entries.pop_front().expect("there are more than none");
            self.base = self.base.step(&oldest, policy);
        }
        true
    }

    /// Ends it, whatever its windows said: what it was about is no more.
    pub(crate) fn end(&mut self) {
        let condition = Condition::Unknown(Unknown::Gone);
        *self = Self { condition, absent: self.absent, ..Self::new(self.through) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { n: 2, m: 3, recover: 3 };

    fn minute(at: u32) -> EventTime {
        EventTime::from_millis(i64::from(at) * 60_000)
    }

    /// Takes one vote a minute (`o`ver, `b`etween, `c`lear) and says at which minutes it began to fire and ended.
    fn run(policy: Policy, votes: &str) -> (Series, Vec<(bool, usize)>) {
        let mut series = Series::new(minute(0));
        let mut changes = Vec::new();
        for (at, letter) in votes.chars().enumerate() {
            let vote = match letter {
                'o' => Vote::Over,
                'b' => Vote::Between,
                'l' => Vote::Likely,
                _ => Vote::Clear,
            };
            let before = series.phase.fired.is_some();
            assert!(series.vote(minute(at as u32), minute(at as u32 + 1), vote, policy));
            let after = series.phase.fired.is_some();
            if before != after {
                changes.push((after, at));
            }
        }
        (series, changes)
    }

    #[test]
    fn it_fires_at_two_of_three_and_ends_after_three_clear() {
        let (series, changes) = run(POLICY, "coccoboccc");
        // Of o, b, o the third window is the second that is over.
        assert_eq!(changes, [(true, 6), (false, 9)]);
        assert_eq!(series.phase.since, None);
        let (series, _) = run(POLICY, "coo");
        assert_eq!((series.phase.since, series.phase.fired), (Some(minute(1)), Some(minute(3))));
        assert!(run(POLICY, "co").0.phase.is_pending());
    }

    #[test]
    fn what_is_only_likely_must_come_once_more() {
        let once = Policy { n: 1, m: 1, recover: 3 };
        assert_eq!(run(once, "lccclcc").1, []);
        assert_eq!(run(once, "lcl").1, [(true, 2)]);
        assert_eq!(run(POLICY, "lcll").1, [(true, 3)]);
        assert_eq!(run(POLICY, "lclcccl").1, []);
    }

    #[test]
    fn between_ends_nothing() {
        assert_eq!(run(POLICY, "oobbbbccbcc").1, [(true, 1)]);
        assert_eq!(run(POLICY, "oobbbbccbccc").1, [(true, 1), (false, 11)]);
    }

    #[test]
    fn what_comes_back_soon_must_stay_away_longer() {
        let once = Policy { n: 1, m: 1, recover: 3 };
        let (_, changes) = run(once, &"occc".repeat(30));
        // Recovery after 3, then 6 windows, which four never have.
        assert_eq!(changes, [(true, 0), (false, 3), (true, 4)]);
        // What comes back after long is as the first time.
        let (_, changes) = run(once, &format!("{}{}", "occc".repeat(2), "c".repeat(40)));
        assert_eq!(changes, [(true, 0), (false, 3), (true, 4), (false, 10)]);
    }

    #[test]
    fn a_revision_is_as_if_it_had_been_so() {
        let (mut series, _) = run(POLICY, "ccoccc");
        assert!(series.phase.fired.is_none());
        // The window after the third was over too: it fired then and ended since.
        series.vote(minute(3), minute(4), Vote::Over, POLICY);
        assert_eq!(series.phase, run(POLICY, "ccoocc").0.phase);
        assert!(series.phase.fired.is_some());
        series.vote(minute(3), minute(4), Vote::Clear, POLICY);
        assert_eq!(series.phase, run(POLICY, "ccoccc").0.phase);
    }

    #[test]
    fn what_is_forgotten_still_counts() {
        let votes = format!("oo{}", "b".repeat(300));
        let (mut series, changes) = run(POLICY, &votes);
        assert_eq!(changes, [(true, 1)]);
        assert_eq!(series.entries.len(), REMEMBERED);
        assert!(!series.vote(minute(1), minute(2), Vote::Clear, POLICY), "long forgotten");
        series.vote(minute(290), minute(291), Vote::Clear, POLICY);
        assert!(series.phase.fired.is_some());
    }
}
