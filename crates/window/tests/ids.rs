//! A store that keeps ids alone, against a plain list of them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;

use driftline_events::EventTime;
use driftline_window::{IdKey, MemoryPending, PendingStore as _};

const CAPACITY: usize = 20;

/// Forgets whole minutes, as the store should: those that are over, then the oldest while there are too many ids.
fn expire(known: &mut BTreeMap<u64, i64>, before: i64) -> (u64, u64) {
    let (mut gone, mut early) = (0, 0);
    while let Some(minute) = known.values().map(|time| time / 60).min() {
        let over = (minute + 1) * 60 <= before;
        if !over && known.len() <= CAPACITY {
            break;
        }
        let count = known.len();
        known.retain(|_, time| *time / 60 != minute);
        gone += (count - known.len()) as u64;
        early += if over { 0 } else { (count - known.len()) as u64 };
    }
    (gone, early)
}

#[test]
fn ids_alone_are_known_until_their_minute_is_forgotten() {
    let id = |number: u64| IdKey::new(&number.to_string());
    let time = |seconds: i64| EventTime::from_millis(seconds * 1_000);
    let mut store = MemoryPending::of_ids(CAPACITY);
    let mut known = BTreeMap::new();
    let mut random = 1_u64;
    for step in 0..20_000_i64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Ids come again, also with times before and after.
        let number = (random >> 33) % 40;
        let seconds = step / 4 + i64::try_from((random >> 40) % 400).unwrap();
        assert!(store.put_seen(id(number), time(seconds)));
        known.insert(number, seconds);
        if random >> 61 == 0 {
            let before = step / 4;
            let (gone, early) = expire(&mut known, before);
            let expired = store.expire(time(before));
            assert_eq!((expired.unlabelled, expired.early), (gone, early), "step {step}");
        }
        for number in 0..40 {
            assert_eq!(
                store.made(id(number)),
                known.get(&number).map(|&seconds| time(seconds)),
                "step {step}"
            );
        }
        assert_eq!(store.predictions(), known.len());
    }
    assert!(
        !MemoryPending::new(CAPACITY).put_seen(id(1), time(1)),
        "one for labels wants the prediction itself"
    );
}
