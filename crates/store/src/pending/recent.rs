//! What was put last, in memory.

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

/// The entries that were put last. They go by generations: to let the older one go at once costs a fraction of what letting
/// entries go one by one does, in the order they came.
#[derive(Debug)]
pub(super) struct Recent<T> {
    young: FxHashMap<IdKey, T>,
    old: FxHashMap<IdKey, T>,
    budget: Arc<RecentBudget>,
}

impl<T> Recent<T> {
    pub(super) fn new(budget: Arc<RecentBudget>) -> Self {
        budget.shares.fetch_add(1, Ordering::Relaxed);
        Self { young: FxHashMap::default(), old: FxHashMap::default(), budget }
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub(super) fn get(&self, id: IdKey) -> Option<&T> {
        self.young.get(&id).or_else(|| self.old.get(&id))
    }

    /// Keeps an entry; gives the one that it replaces.
    pub(super) fn put(&mut self, id: IdKey, entry: T) -> Option<T> {
        let former = self.young.insert(id, entry).or_else(|| self.old.remove(&id));
        if former.is_none() {
            self.budget.used.fetch_add(1, Ordering::Relaxed);
        }
        former
    }

    pub(super) fn remove(&mut self, id: IdKey) {
        if self.young.remove(&id).or_else(|| self.old.remove(&id)).is_some() {
            self.budget.used.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets entries go while there are more than others leave room for, and more than an equal share. Whoever holds more
    /// than that gives way when it is its turn.
    pub(super) fn shrink(&mut self) {
        let share = self.budget.limit / self.budget.shares.load(Ordering::Relaxed).max(1);
        let others = self.budget.used.load(Ordering::Relaxed).saturating_sub(self.len());
        let allowed = self.budget.limit.saturating_sub(others).max(share);
        if self.young.len() > allowed / 2 {
            self.let_old_go();
        }
        while self.len() > allowed {
            self.let_old_go();
        }
        // Memory of a time with more in it is given back.
        if self.young.capacity() > 4 * self.len() + SPARE {
            self.young.shrink_to(2 * self.len());
        }
    }

    fn let_old_go(&mut self) {
        self.budget.used.fetch_sub(self.old.len(), Ordering::Relaxed);
        let room = self.young.capacity();
        self.old =
            std::mem::replace(&mut self.young, FxHashMap::with_capacity_and_hasher(room, Default::default()));
    }
}

/// Room that is not worth giving back.
const SPARE: usize = 1_000;

impl<T> Drop for Recent<T> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.len(), Ordering::Relaxed);
        self.budget.shares.fetch_sub(1, Ordering::Relaxed);
    }
}
