//! Figures by quantile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Index;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::figure::Figure;

/// Those that reports have.
const NAMES: [&str; 9] = ["0.01", "0.05", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.999"];

/// Figures keyed by the quantile they belong to, as text: `"0.5"`, `"0.99"`; in the order of the text.
///
/// There is one for each number of each report that is shown: a tree of strings would be half of the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles(Box<[(Cow<'static, str>, Figure)]>);

impl Quantiles {
    /// The figure of a quantile.
    #[must_use]
    pub fn get(&self, quantile: &str) -> Option<&Figure> {
        self.0.iter().find(|(name, _)| name == quantile).map(|(_, figure)| figure)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in the order of their text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.0.iter().map(|(name, figure)| (&**name, figure))
    }
}

impl Index<&str> for Quantiles {
    type Output = Figure;

    fn index(&self, quantile: &str) -> &Figure {
        self.get(quantile).expect("no figure of this quantile")
    }
}

impl FromIterator<(String, Figure)> for Quantiles {
    fn from_iter<T: IntoIterator<Item = (String, Figure)>>(figures: T) -> Self {
        let by_name: BTreeMap<String, Figure> = figures.into_iter().collect();
        let named = by_name.into_iter().map(|(name, figure)| {
            let known = NAMES.into_iter().find(|known| *known == name);
            (known.map_or(Cow::Owned(name), Cow::Borrowed), figure)
        });
        Self(named.collect())
    }
}

impl Serialize for Quantiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Quantiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, Figure>::deserialize(deserializer).map(Self::from_iter)
    }
}

/// That of a map from text to figures.
impl JsonSchema for Quantiles {
    fn inline_schema() -> bool {
        BTreeMap::<String, Figure>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, Figure>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        BTreeMap::<String, Figure>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Figure>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_a_map_and_come_back() {
        let json = r#"{"0.5":2.0,"0.99":{"absent":"no_values"},"median":3.0}"#;
        let read: Quantiles = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let unsorted =
            [("0.99", 3.0), ("0.5", 1.0)].map(|(name, value)| (name.to_owned(), Figure::new(value)));
        let quantiles: Quantiles = unsorted.into_iter().collect();
        assert_eq!(serde_json::to_string(&quantiles).unwrap(), r#"{"0.5":1.0,"0.99":3.0}"#);
        assert_eq!((quantiles.get("0.5"), quantiles.get("0.9")), (Some(&Figure::new(1.0)), None));
        assert!(quantiles.0.iter().all(|(name, _)| matches!(name, Cow::Borrowed(_))), "{quantiles:?}");
    }
}
