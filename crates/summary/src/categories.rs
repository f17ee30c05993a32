//! The categories that a reference had.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Most categories that are counted each on its own.
pub const MAX_CATEGORIES: usize = 1000;

/// Most further reference categories that are known by a hash of their name.
const MAX_POOLED: usize = 100_000;

/// Where a value is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// One of the kept categories, by its position.
    Kept(usize),
    /// The reference had it, but it is not one of the [`MAX_CATEGORIES`] heaviest.
    Other,
    /// The reference never had it.
    Unseen,
}

/// A reference's categories: the heaviest by name, by descending weight and then by name; the rest, which are
/// pooled as "other", by a hash of the name.
///
/// Past 100,000 pooled names they are no longer told from unseen ones, and an unknown value is taken as "other":
/// nothing is called unseen for want of memory.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "StoredCategories", into = "StoredCategories")]
pub struct Categories {
    kept: Vec<Arc<str>>,
    positions: FxHashMap<Arc<str>, u32>,
    pooled: Vec<u64>,
    overflowed: bool,
    id: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredCategories {
    kept: Vec<Arc<str>>,
    pooled: Vec<u64>,
    overflowed: bool,
}

impl Categories {
    /// The categories of a reference in which each value has this weight.
    #[must_use]
    pub fn from_weights<S: AsRef<str>>(weights: impl IntoIterator<Item = (S, f64)>) -> Self {
        let mut weights: Vec<(S, f64)> = weights.into_iter().collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.as_ref().cmp(b.0.as_ref())));
        let rest = weights.split_off(weights.len().min(MAX_CATEGORIES));
        let kept = weights.iter().map(|(name, _)| Arc::from(name.as_ref())).collect();
        let pooled: Vec<u64> =
            rest.iter().take(MAX_POOLED).map(|(name, _)| xxh3_64(name.as_ref().as_bytes())).collect();
        StoredCategories { kept, pooled, overflowed: rest.len() > MAX_POOLED }.into()
    }

    /// The categories that are counted each on its own, in order.
    #[must_use]
    pub fn kept(&self) -> &[Arc<str>] {
        &self.kept
    }

    /// How many more the reference had, at least, that are pooled as "other".
    #[must_use]
    pub fn pooled(&self) -> usize {
        self.pooled.len()
    }

    /// Where a value is counted.
    #[must_use]
    pub fn find(&self, value: &str) -> Category {
        if let Some(&position) = self.positions.get(value) {
            Category::Kept(position as usize)
        } else if self.overflowed || self.pooled.binary_search(&xxh3_64(value.as_bytes())).is_ok() {
            Category::Other
        } else {
            Category::Unseen
        }
    }

    /// A hash of the names that stays the same across versions and machines.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl From<StoredCategories> for Categories {
    fn from(stored: StoredCategories) -> Self {
        let StoredCategories { kept, mut pooled, overflowed } = stored;
        pooled.sort_unstable();
        pooled.dedup();
        let mut hash = Xxh3::new();
        for name in &kept {
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
        }
        for name in &pooled {
            hash.update(&name.to_le_bytes());
        }
        hash.update(&[u8::from(overflowed)]);
        let positions = kept.iter().enumerate().map(|(at, name)| (Arc::clone(name), at as u32)).collect();
        Self { kept, positions, pooled, overflowed, id: hash.digest() }
    }
}

impl From<Categories> for StoredCategories {
    fn from(categories: Categories) -> Self {
        Self { kept: categories.kept, pooled: categories.pooled, overflowed: categories.overflowed }
    }
}

impl PartialEq for Categories {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.kept == other.kept
    }
}

impl fmt::Debug for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Categories").field("kept", &self.kept).field("pooled", &self.pooled.len()).finish()
    }
}
