//! How far the partitions of topics have been read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How far a partition has been read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// The offset to read next.
    pub next: i64,
}

/// How far each partition has been read; partitions that never were are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Position>", into = "Vec<Position>")]
pub struct Positions(BTreeMap<Arc<str>, BTreeMap<i32, i64>>);

impl Positions {
    /// Sets where a partition is read next. It may go back: a topic that was made anew starts at 0 again.
    pub fn set(&mut self, position: &Position) {
        let Position { topic, partition, next } = position;
        match self.0.get_mut(topic) {
            Some(partitions) => drop(partitions.insert(*partition, *next)),
            None => drop(self.0.insert(Arc::clone(topic), BTreeMap::from([(*partition, *next)]))),
        }
    }

    /// Where a partition is read next; `None` if it never was.
    #[must_use]
    pub fn next(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.get(topic)?.get(&partition).copied()
    }

    /// All of them, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().flat_map(|(topic, partitions)| {
            let position =
                |(&partition, &next): (&i32, &i64)| Position { topic: Arc::clone(topic), partition, next };
            partitions.iter().map(position)
        })
    }

    /// How many partitions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Whether nothing was ever read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Position>> for Positions {
    fn from(positions: Vec<Position>) -> Self {
        positions.into_iter().collect()
    }
}

impl From<Positions> for Vec<Position> {
    fn from(positions: Positions) -> Self {
        positions.iter().collect()
    }
}

impl FromIterator<Position> for Positions {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut all = Self::default();
        positions.into_iter().for_each(|position| all.set(&position));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(topic: &str, partition: i32, next: i64) -> Position {
        Position { topic: topic.into(), partition, next }
    }

    #[test]
    fn the_last_position_of_a_partition_counts() {
        let mut positions = Positions::default();
        assert!(positions.is_empty());
        for (topic, partition, next) in [("b", 1, 7), ("a", 3, 5), ("b", 1, 2), ("b", 0, 9)] {
            positions.set(&position(topic, partition, next));
        }
        let all: Vec<_> = positions.iter().collect();
        assert_eq!(all, [position("a", 3, 5), position("b", 0, 9), position("b", 1, 2)]);
        assert_eq!((positions.next("b", 1), positions.next("b", 2), positions.len()), (Some(2), None, 3));
    }

    #[test]
    fn they_come_back_as_they_were() {
        let positions = Positions::from(vec![position("a", 3, 5), position("b", 0, 9)]);
        let text = serde_json::to_string(&positions).unwrap();
        assert_eq!(serde_json::from_str::<Positions>(&text).unwrap(), positions);
    }
}
