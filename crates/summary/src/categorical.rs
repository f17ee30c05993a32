//! The summary of a categorical column.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Categories, Category, Cells, GridsDiffer, RareTally, Tally};

/// Unseen values that are counted by name.
const MAX_UNSEEN: usize = 256;
/// Bytes of an unseen value's name that are kept.
const MAX_NAME_BYTES: usize = 128;

/// A categorical column: weight per reference category, and what was missing, invalid or unseen.
///
/// Without categories (its reference is still being learned) only rows are tallied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoricalSummary {
    #[serde(skip)]
    categories: Option<Arc<Categories>>,
    counts: Cells,
    /// Rows with a reference category that is pooled.
    pub other: RareTally,
    /// Rows with a value that the reference never had.
    pub unseen: RareTally,
    names: UnseenNames,
    /// Rows with a value.
    pub present: Tally,
    /// Rows without a value.
    pub missing: RareTally,
    /// Rows with a value of the wrong type.
    pub invalid: RareTally,
}

impl CategoricalSummary {
    /// An empty summary over a reference's categories.
    #[must_use]
    pub fn new(categories: Option<Arc<Categories>>) -> Self {
        Self {
            counts: Cells::new(categories.as_ref().map_or(0, |categories| categories.kept().len())),
            categories,
            other: RareTally::default(),
            unseen: RareTally::default(),
            names: UnseenNames::default(),
            present: Tally::default(),
            missing: RareTally::default(),
            invalid: RareTally::default(),
        }
    }

    /// The reference's categories; none while the reference is being learned.
    #[must_use]
    pub fn categories(&self) -> Option<&Arc<Categories>> {
        self.categories.as_ref()
    }

    /// Weight per kept category, in the order of [`Categories::kept`].
    #[must_use]
    pub fn counts(&self) -> &Cells {
        &self.counts
    }

    /// All rows: with a value, without, and with an invalid one.
    #[must_use]
    pub fn rows(&self) -> Tally {
        let mut rows = self.present;
        rows.merge(&self.missing);
        rows.merge(&self.invalid);
        rows
    }

    /// The heaviest unseen values, by descending weight and then by name; at most `limit`.
    ///
    /// Exact while there are at most 256 different ones. Beyond, the 256 whose names have the least hash are
    /// known, each with its exact weight: a choice that does not depend on the order of rows or merges.
    #[must_use]
    pub fn top_unseen(&self, limit: usize) -> Vec<(Arc<str>, f64)> {
        let mut names: Vec<_> =
            self.names.iter().map(|(_, named)| named).map(|(name, w)| (Arc::clone(name), *w)).collect();
        names.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        names.truncate(limit);
        names
    }

    /// Counts a value.
    pub fn add(&mut self, value: &str, weight: f64) {
        self.add_rows(value, &Tally { rows: 1, weight, weight_sq: weight * weight });
    }

    /// Counts rows that all have this value.
    pub(crate) fn add_rows(&mut self, value: &str, rows: &Tally) {
        self.present.merge(rows);
        match self.categories.as_ref().map(|categories| categories.find(value)) {
            None => {}
            Some(Category::Kept(at)) => self.counts.add(at, rows.weight),
            Some(Category::Other) => self.other.merge(rows),
            Some(Category::Unseen) => {
                self.unseen.merge(rows);
                self.names.add(value, rows.weight);
            }
        }
    }

    /// Takes back a value that was counted with this weight.
    pub fn retract(&mut self, value: &str, weight: f64) {
        self.present.retract(weight);
        match self.categories.as_ref().map(|categories| categories.find(value)) {
            None => {}
            Some(Category::Kept(at)) => self.counts.retract(at, weight),
            Some(Category::Other) => self.other.retract(weight),
            Some(Category::Unseen) => {
                self.unseen.retract(weight);
                self.names.retract(xxh3_64(clipped(value).as_bytes()), weight);
            }
        }
    }

    /// Adds another's rows.
    ///
    /// # Errors
    /// [`GridsDiffer`], and nothing is changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridsDiffer> {
        if !self.same_categories(other) {
            return Err(GridsDiffer);
        }
        self.counts.merge(&other.counts);
        self.other.merge(&other.other);
        self.unseen.merge(&other.unseen);
        for (_, (name, weight)) in other.names.iter() {
            self.names.add(name, *weight);
        }
        self.present.merge(&other.present);
        self.missing.merge(&other.missing);
        self.invalid.merge(&other.invalid);
        Ok(())
    }

    /// Takes back another's rows that were merged into this.
    ///
    /// # Errors
    /// [`GridsDiffer`], and nothing is changed.
    pub fn subtract(&mut self, other: &Self) -> Result<(), GridsDiffer> {
        if !self.same_categories(other) {
            return Err(GridsDiffer);
        }
        self.counts.subtract(&other.counts);
        self.other.subtract(&other.other);
        self.unseen.subtract(&other.unseen);
        for (&hash, (_, weight)) in other.names.iter() {
            self.names.retract(hash, *weight);
        }
        self.present.subtract(&other.present);
        self.missing.subtract(&other.missing);
        self.invalid.subtract(&other.invalid);
        Ok(())
    }

    pub(crate) fn pack(&mut self) {
        self.counts.pack();
    }

    pub(crate) fn same_categories(&self, other: &Self) -> bool {
        self.categories.as_ref().map(|c| c.id()) == other.categories.as_ref().map(|c| c.id())
    }

    /// Gives a decoded summary its categories; false if the counts are not of them.
    pub(crate) fn attach(&mut self, categories: Option<Arc<Categories>>) -> bool {
        let fits = self.counts.len() == categories.as_ref().map_or(0, |c| c.kept().len());
        self.categories = categories;
        fits && self.names.iter().count() <= MAX_UNSEEN
    }
}

/// The unseen values with the least hashes: by hash, so that whichever is among the last is among every part's.
///
/// Nearly every summary has none, and there is one for each feature of each pane: then it is as small as a pointer.
#[derive(Clone, Debug, Default)]
struct UnseenNames(Option<Box<NamesByHash>>);

type NamesByHash = BTreeMap<u64, (Arc<str>, f64)>;

impl UnseenNames {
    fn iter(&self) -> impl Iterator<Item = (&u64, &(Arc<str>, f64))> {
        self.0.iter().flat_map(|names| names.iter())
    }

    fn add(&mut self, value: &str, weight: f64) {
        let name = clipped(value);
        let hash = xxh3_64(name.as_bytes());
        let names = self.0.get_or_insert_default();
        if let Some(entry) = names.get_mut(&hash) {
            entry.1 += weight;
        } else if names.len() < MAX_UNSEEN || names.last_key_value().is_some_and(|(&last, _)| hash < last) {
            names.insert(hash, (name.into(), weight));
            if names.len() > MAX_UNSEEN {
                names.pop_last();
            }
        }
    }

    fn retract(&mut self, hash: u64, weight: f64) {
        if let Some(names) = &mut self.0
            && let Some(entry) = names.get_mut(&hash)
        {
            entry.1 -= weight;
            if entry.1 <= 1e-9 * weight {
                names.remove(&hash);
            }
        }
        self.0.take_if(|names| names.is_empty());
    }
}

impl PartialEq for UnseenNames {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Stored as the names by their hashes.
impl Serialize for UnseenNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        static NONE: NamesByHash = BTreeMap::new();
        self.0.as_deref().unwrap_or(&NONE).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UnseenNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = NamesByHash::deserialize(deserializer)?;
        Ok(Self((!names.is_empty()).then(|| Box::new(names))))
    }
}

/// The start of a value, cut between characters.
fn clipped(value: &str) -> &str {
    &value[..value.floor_char_boundary(MAX_NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_CATEGORIES;

    fn categories(names: impl Iterator<Item = (String, f64)>) -> Option<Arc<Categories>> {
        Some(Arc::new(Categories::from_weights(names)))
    }

    #[test]
    fn the_heaviest_are_kept_the_rest_is_other_and_only_strangers_are_unseen() {
        // Rising weight by name, two of equal weight at the top.
        let names = (0..1500).map(|i| (format!("n{i:04}"), f64::from(i.min(1498))));
        let mut summary = CategoricalSummary::new(categories(names));
        let kept = summary.categories().unwrap().kept();
        assert_eq!(
            (kept.len(), &*kept[0], &*kept[1], &*kept[999]),
            (MAX_CATEGORIES, "n1498", "n1499", "n0500")
        );
        for (value, weight) in [("n1499", 1.0), ("n0499", 2.0), ("n0000", 2.0), ("n1500", 4.0), ("", 8.0)] {
            summary.add(value, weight);
        }
        assert_eq!((summary.counts().get(1), summary.counts().total()), (1.0, 1.0));
        assert_eq!((summary.other.weight, summary.unseen.weight, summary.present.rows), (4.0, 12.0, 5));
        assert_eq!(summary.top_unseen(1), [(Arc::from(""), 8.0)]);
    }

    #[test]
    fn many_unseen_values_are_listed_alike_in_any_order_with_exact_weights() {
        let new = || CategoricalSummary::new(categories([("known".to_owned(), 1.0)].into_iter()));
        let (mut forward, mut backward, mut even, mut odd) = (new(), new(), new(), new());
        let name = |i: usize| format!("u{}", i % 700);
        for i in 0..2000 {
            forward.add(&name(i), 1.0);
            backward.add(&name(1999 - i), 1.0);
            if i % 2 == 0 { even.add(&name(i), 1.0) } else { odd.add(&name(i), 1.0) }
        }
        even.merge(&odd).unwrap();
        assert_eq!(forward, backward);
        assert_eq!(forward, even);
        let listed = forward.top_unseen(usize::MAX);
        assert_eq!((listed.len(), forward.unseen.rows), (MAX_UNSEEN, 2000));
        // 2,000 is twice 700 and 600 more.
        for (name, weight) in listed {
            let number: usize = name[1..].parse().unwrap();
            assert_eq!(weight, if number < 600 { 3.0 } else { 2.0 }, "{name}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let mut summary = CategoricalSummary::new(categories(std::iter::empty()));
        let long = "é".repeat(1000) + "!";
        summary.add(&format!("x{long}"), 1.0);
        let (name, _) = &summary.top_unseen(1)[0];
        assert_eq!((name.len(), name.chars().count()), (127, 64));
        summary.retract(&format!("x{long}"), 1.0);
        assert_eq!(summary, CategoricalSummary::new(categories(std::iter::empty())));
    }

    #[test]
    fn without_categories_rows_are_only_tallied() {
        let mut summary = CategoricalSummary::new(None);
        summary.add("x", 2.0);
        assert_eq!((summary.present.weight, summary.unseen.rows, summary.counts().len()), (2.0, 0, 0));
        let other = CategoricalSummary::new(categories([("x".to_owned(), 1.0)].into_iter()));
        assert_eq!(summary.merge(&other), Err(GridsDiffer));
    }
}
