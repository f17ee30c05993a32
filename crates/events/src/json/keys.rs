//! Finding keys where the row before had them.

use std::borrow::Cow;

use super::value::Entries;

/// What a key turned out to be.
pub(super) enum Found<'a> {
    /// The known key at this place.
    Known(u32),
    Unknown(Cow<'a, str>),
}

/// The order that keys came in. Senders write every event's keys in one order, so the key that followed last
/// time is tried before any hashing; a key that is left out now and then costs one more comparison.
#[derive(Debug, Default)]
pub(super) struct KeyOrder {
    places: Vec<Place>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    place: u32,
    /// Whether its key is the same in JSON, which has escapes for some characters.
    is_plain: bool,
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

    /// What the next key is, `None` at the end: `name` is the key at a place, `search` finds the place of any key.
    #[inline]
    pub(super) fn next<'a, 'n, E: Entries<'a>>(
        &mut self,
        entries: &mut E,
        name: impl Fn(u32) -> &'n str,
        search: impl FnOnce(&str) -> Option<u32>,
    ) -> Result<Option<Found<'a>>, E::Error> {
        if let Some(&Place { place, is_plain: true }) = self.places.get(self.next)
            && entries.takes(name(place))
        {
            self.next += 1;
            return Ok(Some(Found::Known(place)));
        }
        self.find_next(entries, name, search)
    }

    #[inline(never)]
    fn find_next<'a, 'n, E: Entries<'a>>(
        &mut self,
        entries: &mut E,
        name: impl Fn(u32) -> &'n str,
        search: impl FnOnce(&str) -> Option<u32>,
    ) -> Result<Option<Found<'a>>, E::Error> {
        let Some(key) = entries.key()? else { return Ok(None) };
        let place = self.find(&key, name, search);
        Ok(Some(place.map_or(Found::Unknown(key), Found::Known)))
    }

    fn find<'n>(
        &mut self,
        key: &str,
        name: impl Fn(u32) -> &'n str,
        search: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<u32> {
        for ahead in self.next..(self.next + 2).min(self.places.len()) {
            let place = self.places[ahead].place;
            if name(place) == key {
                self.next = ahead + 1;
                return Some(place);
            }
        }
        let place = search(key)?;
        let is_plain = !key.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'));
        let found = Place { place, is_plain };
        match self.places.get_mut(self.next) {
            Some(expected) => *expected = found,
            None => self.places.push(found),
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
