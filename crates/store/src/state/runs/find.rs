//! Many keys in one run: labels mostly, whose predictions lie anywhere.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::super::error::StateError;
use super::run::Run;

/// From so many keys on, which take some microseconds each, a thread is worth what it costs.
const MANY: usize = 128;
/// Keys that a thread takes at once: whoever comes late has little to wait for.
const CHUNK: usize = 16;

/// What is known of keys.
#[derive(Debug, Default)]
pub(super) struct Found {
    entries: Vec<(usize, Option<Range<usize>>)>,
    values: Vec<u8>,
}

impl Found {
    fn push(&mut self, place: usize, value: Option<&[u8]>) {
        let value = value.map(|value| {
            let start = self.values.len();
            self.values.extend_from_slice(value);
            start..self.values.len()
        });
        self.entries.push((place, value));
    }

    /// The place that came with a key, and its value, or `None` if it was removed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Option<&[u8]>)> {
        self.entries.iter().map(|(place, value)| (*place, value.clone().map(|value| &self.values[value])))
    }
}

/// What a run knows of keys, each with its place among others. Of many, a second thread takes what this one has not got to.
pub(super) fn find_all(run: &Run, keys: &[(usize, &[u8])]) -> Result<Vec<Found>, StateError> {
    static CORES: OnceLock<usize> = OnceLock::new();
    let next = AtomicUsize::new(0);
    let find = || {
        let (mut found, mut room) = (Found::default(), Vec::new());
        while let Some(some) = keys.chunks(CHUNK).nth(next.fetch_add(1, Ordering::Relaxed)) {
            for &(place, key) in some {
                run.find(key, &mut room, &mut |value| found.push(place, value))?;
            }
        }
        Ok(found)
    };
    let is_alone = || *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)) == 1;
    if keys.len() < MANY || is_alone() {
        return Ok(vec![find()?]);
    }
    thread::scope(|scope| {
        // Without the second thread this one finds all.
        let second = thread::Builder::new().name("find".into()).spawn_scoped(scope, find).ok();
        let own = find();
        let second = second.map(|second| second.join().expect("finding keys does not panic"));
        [Some(own), second].into_iter().flatten().collect()
    })
}
