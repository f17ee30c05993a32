//! Which columns of a file become which columns of an event table.

use std::fmt;
use std::sync::Arc;

use driftline_events::{FeatureKind, ModelSchema, Task, layout};

use crate::columns::{ColumnMap, Named};
use crate::files::{Format, TableFile};
use crate::table::TableError;

/// What a column's values are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Event time.
    Time,
    /// Text as it is: versions and words.
    Text,
    /// Text or whole numbers that tell rows apart.
    Id,
    /// A number.
    Number,
    /// A class or category.
    Category,
    /// True or false.
    Boolean,
}

/// A column to read.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// Its name in the file.
    pub(crate) column: String,
    /// Its name in the event table.
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// What rows are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Predictions with their times.
    Predictions,
    /// Labels with their times.
    Labels,
    /// A reference: features, predictions and labels, whenever they were.
    Reference,
}

/// A column that a table should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingColumn {
    /// What it is for, such as `score` or `feature`.
    pub role: String,
    /// The name that was looked for.
    pub column: String,
    /// A column of the table with a similar name.
    pub similar: Option<String>,
}

/// All columns that a table lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingColumns {
    /// The file.
    pub file: Arc<str>,
    /// What it lacks.
    pub missing: Vec<MissingColumn>,
    /// The columns it has.
    pub found: Vec<String>,
}

impl fmt::Display for MissingColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 50;
        write!(f, "{} lacks", self.file)?;
        for (i, missing) in self.missing.iter().enumerate() {
            write!(f, "{} {:?} ({}", if i == 0 { "" } else { "," }, missing.column, missing.role)?;
            if let Some(similar) = &missing.similar {
                write!(f, "; did you mean {similar:?}?")?;
            }
            write!(f, ")")?;
        }
        let shown = self.found.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        write!(f, "; its columns are: {shown}")?;
        match self.found.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The columns of one file that are read for a purpose.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) inputs: Vec<Input>,
}

impl Mapping {
    /// Finds the columns in a file.
    ///
    /// # Errors
    /// [`TableError::MissingColumns`] with all that the file lacks.
    pub(crate) fn find(
        file: &TableFile,
        schema: &ModelSchema,
        columns: &ColumnMap,
        purpose: Purpose,
    ) -> Result<Self, TableError> {
        let mut search = Search { file, inputs: Vec::new(), missing: Vec::new() };
        match purpose {
            Purpose::Predictions => {
                search.need("timestamp", &columns.timestamp.column, layout::TIMESTAMP, Role::Time);
                search.prediction(schema, columns);
                search.named("prediction_id", &columns.prediction_id, layout::PREDICTION_ID, Role::Id);
                search.named("version", &columns.version, layout::VERSION, Role::Text);
                search.named("latency_ms", &columns.latency_ms, layout::LATENCY_MS, Role::Number);
                search.named("status", &columns.status, layout::STATUS, Role::Text);
                search.named("variant", &columns.variant, layout::VARIANT, Role::Text);
                search.named("in_flight", &columns.in_flight, layout::IN_FLIGHT, Role::Number);
                search.named("capacity", &columns.capacity, layout::CAPACITY, Role::Number);
                for tag in schema.segments() {
                    search.need("segment tag", tag, &layout::tag(tag), Role::Category);
                }
                for metric in &columns.metrics {
                    search.need("metric", metric, &layout::metric(metric), Role::Number);
                }
            }
            Purpose::Labels => {
                let time = columns.label_timestamp.as_deref().unwrap_or(&columns.timestamp.column);
                search.need("timestamp", time, layout::TIMESTAMP, Role::Time);
                let id = &columns.prediction_id.column;
                search.need("prediction_id", id, layout::PREDICTION_ID, Role::Id);
                let (name, role) = label(schema);
                search.need("label", &columns.label.column, name, role);
                search.named("weight", &columns.weight, layout::WEIGHT, Role::Number);
            }
            Purpose::Reference => {
                search.prediction(schema, columns);
                for tag in schema.segments() {
                    search.take_if_there(tag, &layout::tag(tag), Role::Category);
                }
            }
        }
        search.finish()
    }

    /// Finds the reference's labels: its only input is the label, if the file has it.
    pub(crate) fn find_label(file: &TableFile, schema: &ModelSchema, columns: &ColumnMap) -> Option<Input> {
        let mut search = Search { file, inputs: Vec::new(), missing: Vec::new() };
        let (name, role) = label(schema);
        search.take_if_there(&columns.label.column, name, role);
        search.inputs.pop()
    }

    /// Whether a file has its timestamps.
    pub(crate) fn timestamp(file: &TableFile, column: &str) -> Result<(), TableError> {
        let mut search = Search { file, inputs: Vec::new(), missing: Vec::new() };
        search.need("timestamp", column, layout::TIMESTAMP, Role::Time);
        search.finish().map(|_| ())
    }

    /// The names of the columns in the file, each once.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            if !columns.contains(&input.column.as_str()) {
                columns.push(&input.column);
            }
        }
        columns
    }

    /// What in the file's types does not suit the roles, in words; such values are still read where they can.
    pub(crate) fn warnings(&self, file: &TableFile) -> Vec<String> {
        let mut warnings = Vec::new();
        if file.format() == Format::Csv {
            return warnings;
        }
        for input in &self.inputs {
            let Some(stored) = file.stored(&input.column) else { continue };
            let suits = match input.role {
                Role::Number => stored.is_primitive_numeric() || stored.is_decimal() || stored.is_null(),
                _ => !stored.is_nested(),
            };
            if !suits {
                warnings.push(format!(
                    "{}: column {:?} is to be a {}, but holds {stored}: what cannot be read counts as invalid",
                    file.shown(),
                    input.column,
                    match input.role {
                        Role::Number => "number",
                        Role::Time => "time",
                        Role::Text | Role::Id | Role::Category => "category",
                        Role::Boolean => "boolean",
                    },
                ));
            }
        }
        warnings
    }
}

/// The name and role of the label in an event table.
const fn label(schema: &ModelSchema) -> (&'static str, Role) {
    match schema.task() {
        Task::Regression => (layout::VALUE, Role::Number),
        Task::Binary | Task::Multiclass => (layout::LABEL, Role::Category),
    }
}

struct Search<'a> {
    file: &'a TableFile,
    inputs: Vec<Input>,
    missing: Vec<MissingColumn>,
}

impl Search<'_> {
    /// Features, answer and weight.
    fn prediction(&mut self, schema: &ModelSchema, columns: &ColumnMap) {
        for feature in schema.features() {
            let role = match feature.kind {
                FeatureKind::Numeric => Role::Number,
                FeatureKind::Categorical => Role::Category,
                FeatureKind::Boolean => Role::Boolean,
            };
            self.need("feature", &feature.name, &layout::feature(&feature.name), role);
        }
        if schema.task() == Task::Regression && !columns.value.explicit {
            self.named("prediction", &columns.prediction, layout::PREDICTION_VALUE, Role::Number);
        } else {
            self.named("prediction", &columns.prediction, layout::PREDICTION_LABEL, Role::Category);
            self.named("value", &columns.value, layout::PREDICTION_VALUE, Role::Number);
        }
        self.named("score", &columns.score, layout::PREDICTION_SCORE, Role::Number);
        for (class, column) in &columns.scores {
            self.need(&format!("score of class {class:?}"), column, &layout::score(class), Role::Number);
        }
        self.named("weight", &columns.weight, layout::WEIGHT, Role::Number);
    }

    fn named(&mut self, role_name: &str, named: &Named, name: &str, role: Role) {
        if named.explicit {
            self.need(role_name, &named.column, name, role);
        } else {
            self.take_if_there(&named.column, name, role);
        }
    }

    fn need(&mut self, role_name: &str, column: &str, name: &str, role: Role) {
        if !self.take_if_there(column, name, role) {
            self.missing.push(MissingColumn {
                role: role_name.into(),
                column: column.into(),
                similar: similar(column, self.file.columns()),
            });
        }
    }

    fn take_if_there(&mut self, column: &str, name: &str, role: Role) -> bool {
        let found = self.file.stored(column).is_some();
        if found {
            self.inputs.push(Input { column: column.into(), name: name.into(), role });
        }
        found
    }

    fn finish(self) -> Result<Mapping, TableError> {
        if self.missing.is_empty() {
            return Ok(Mapping { inputs: self.inputs });
        }
        let found = self.file.columns().map(str::to_owned).collect();
        Err(TableError::MissingColumns(Box::new(MissingColumns {
            file: Arc::clone(self.file.shown()),
            missing: self.missing,
            found,
        })))
    }
}

/// The name that is at most a third of its characters, or one, away from `name`, whatever the case.
fn similar<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    names
        .map(|other| (edits(&wanted, &other.to_lowercase().chars().collect::<Vec<_>>()), other))
        .min()
        .filter(|&(edits, _)| edits <= (wanted.len() / 3).max(1))
        .map(|(_, other)| other.to_owned())
}

/// Levenshtein's distance: insertions, deletions and replacements.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_name_is_offered() {
        let names = ["predicted_probability", "AGEP", "id"];
        let offer = |name| similar(name, names.into_iter());
        assert_eq!(offer("predicted_probabilty").as_deref(), Some("predicted_probability"));
        assert_eq!(offer("agep").as_deref(), Some("AGEP"));
        assert_eq!(offer("income"), None);
    }

    #[test]
    fn edits_are_counted() {
        let count = |a: &str, b: &str| edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("abc", "abc"), 0);
    }
}
