//! What was put last, in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftline_window::IdKey;
use rustc_hash::FxHashMap;

/// How many entries all the [`Recent`]s of a state hold together.
#[derive(Debug)]
pub(crate) struct RecentBudget {
    limit: usize,
    used: AtomicUsize,
    shares: AtomicUsize,
}

impl RecentBudget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0), shares: AtomicUsize::new(0) })
    }
}

/// The entries that were put last; those put first go first.
#[derive(Debug)]
pub(super) struct Recent<T> {
    entries: FxHashMap<IdKey, T>,
    /// In the order they were put; an id may be there in vain.
    order: VecDeque<IdKey>,
    budget: Arc<RecentBudget>,
}

impl<T> Recent<T> {
    pub(super) fn new(budget: Arc<RecentBudget>) -> Self {
        budget.shares.fetch_add(1, Ordering::Relaxed);
        Self { entries: FxHashMap::default(), order: VecDeque::new(), budget }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: IdKey) -> Option<&T> {
        self.entries.get(&id)
    }

    pub(super) fn put(&mut self, id: IdKey, entry: T) {
        if self.entries.insert(id, entry).is_none() {
            self.order.push_back(id);
            self.budget.used.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&mut self, id: IdKey) {
        if self.entries.remove(&id).is_some() {
            self.budget.used.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets entries go while there are too many in all, down to an equal share. Whoever holds more than that gives
    /// way when it is its turn.
    pub(super) fn shrink(&mut self) {
        let share = self.budget.limit / self.budget.shares.load(Ordering::Relaxed).max(1);
        while let Some(&id) = self.order.front() {
            let is_over = self.budget.used.load(Ordering::Relaxed) > self.budget.limit && self.len() > share;
            let is_in_vain = self.order.len() > 2 * self.len() + SPARE;
            if !is_over && !is_in_vain {
                break;
            }
            self.order.pop_front();
            self.remove(id);
        }
        // Memory of a time with more in it is given back.
        if self.entries.capacity() > 4 * self.len() + SPARE {
            self.entries.shrink_to(2 * self.len());
            self.order.shrink_to(2 * self.order.len());
        }
    }
}

/// Room that is not worth giving back.
const SPARE: usize = 1_000;

impl<T> Drop for Recent<T> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.entries.len(), Ordering::Relaxed);
        self.budget.shares.fetch_sub(1, Ordering::Relaxed);
    }
}
