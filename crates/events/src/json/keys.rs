//! Finding keys where the row before had them.

/// The order that keys came in. Senders write every event's keys in one order, so the key that followed last
/// time is tried before any hashing; a key that is left out now and then costs one more comparison.
#[derive(Debug, Default)]
pub(super) struct KeyOrder {
    places: Vec<u32>,
    next: usize,
}

impl KeyOrder {
    /// Starts a row.
    pub(super) const fn restart(&mut self) {
        self.next = 0;
    }

    /// Forgets the order, because places changed their meaning.
    pub(super) fn reset(&mut self) {
        self.places.clear();
        self.next = 0;
    }

    /// The place of a key: `name` is the key at a place, `search` finds the place of any key.
    pub(super) fn find<'n>(
        &mut self,
        key: &str,
        name: impl Fn(u32) -> &'n str,
        search: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<u32> {
        for ahead in self.next..(self.next + 2).min(self.places.len()) {
            let place = self.places[ahead];
            if name(place) == key {
                self.next = ahead + 1;
                return Some(place);
            }
        }
        let place = search(key)?;
        match self.places.get_mut(self.next) {
            Some(expected) => *expected = place,
            None => self.places.push(place),
        }
        self.next += 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_known_order_is_found_without_searching() {
        let names = ["a", "b", "c", "d"];
        let searched = Cell::new(0);
        let mut order = KeyOrder::default();
        let mut row = |keys: &[&str]| {
            searched.set(0);
            order.restart();
            for key in keys {
                let place = order.find(
                    key,
                    |place| names[place as usize],
                    |key| {
                        searched.set(searched.get() + 1);
                        names.iter().position(|name| *name == key).map(|place| place as u32)
                    },
                );
                assert_eq!(place.map(|place| names[place as usize]), names.contains(key).then_some(*key));
            }
            searched.get()
        };
        assert_eq!(row(&["d", "a", "c"]), 3);
        assert_eq!(row(&["d", "a", "c"]), 0);
        assert_eq!(row(&["d", "c"]), 0, "a key left out");
        assert_eq!(row(&["x", "d", "a", "c"]), 1, "only the unknown key");
        assert_eq!(row(&["a", "b", "c", "d"]), 3, "another order: only a stands where it did");
        assert_eq!(row(&["a", "b", "c", "d"]), 0);
    }
}
