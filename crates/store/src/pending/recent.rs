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
        let room = 4 * self.len() + SPARE;
        for entries in [&mut self.young, &mut self.old] {
            if entries.capacity() > room {
                entries.shrink_to(2 * entries.len());
            }
        }
    }

    fn let_old_go(&mut self) {
        self.budget.used.fetch_sub(self.old.len(), Ordering::Relaxed);
        // Its room is for those to come.
        self.old.clear();
        std::mem::swap(&mut self.old, &mut self.young);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> IdKey {
        IdKey::new(&number.to_string())
    }

    #[test]
    fn the_later_half_stays_and_who_gives_way_gives_its_room_back() {
        let budget = RecentBudget::new(10_000);
        let (mut one, mut other) = (Recent::new(Arc::clone(&budget)), Recent::new(Arc::clone(&budget)));
        for number in 0..30_000 {
            assert_eq!(one.put(id(number), number), None);
            one.shrink();
        }
        assert!((5_000..=10_000).contains(&one.len()), "{}", one.len());
        assert!((25_000..30_000).all(|number| one.get(id(number)) == Some(&number)));
        assert_eq!(one.put(id(26_000), 1), Some(26_000), "it replaces one of either generation");
        for number in 0..30_000 {
            other.put(id(number), number);
            other.shrink();
            one.shrink();
        }
        assert!(one.len() <= 5_000 && other.len() >= 4_000, "{} {}", one.len(), other.len());
        (0..30_000).for_each(|number| one.remove(id(number)));
        one.shrink();
        assert!(one.young.capacity() + one.old.capacity() <= 2 * SPARE + 2, "an empty one takes no room");
        assert_eq!(budget.used.load(Ordering::Relaxed), other.len());
        drop(other);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
