//! A table: one or several files with the same columns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftline_events::{EventTime, ModelSchema, PayloadError, layout};

use crate::ahead::Batches;
use crate::batches::{Job, Reading};
use crate::cells::times;
use crate::columns::ColumnMap;
use crate::files::TableFile;
use crate::frames::Frames;
use crate::mapping::{Mapping, MissingColumns, Purpose};

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A pattern that cannot be understood.
    #[error("the pattern {pattern:?} is not valid")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        #[source]
        source: glob::PatternError,
    },
    /// Nothing there.
    #[error("there is no file {pattern:?}")]
    NoFile {
        /// The path or pattern.
        pattern: String,
    },
    /// Not an extension that says how the file is written.
    #[error("{} is no table: its name ends in none of .parquet, .pq, .csv, .ndjson, .jsonl", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read, or is not what its extension says.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file lacks columns.
    #[error("{0}")]
    MissingColumns(Box<MissingColumns>),
    /// The decoder refused a whole batch.
    #[error("the rows do not make events")]
    Payload(#[source] PayloadError),
    /// Columns that do not make a batch.
    #[error("the columns do not make a batch")]
    Arrow(#[source] arrow::error::ArrowError),
    /// No thread to read in.
    #[error("no thread can be started to read the table")]
    Thread(#[source] std::io::Error),
    /// A fault of the program.
    #[error("the reader panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

/// Parquet, CSV or NDJSON files that are read as one table, in their order. The columns' order in each file
/// does not matter.
///
/// # Examples
/// ```no_run
/// # use driftline_tables::{ColumnMap, Table};
/// # fn read(schema: &driftline_events::ModelSchema) -> Result<(), driftline_tables::TableError> {
/// let table = Table::open(["predictions-*.parquet"])?;
/// for batch in table.predictions(schema, &ColumnMap::default())? {
///     let batch = batch?;
///     println!("{} rows, {} rejected", batch.read, batch.rejected.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    files: Vec<TableFile>,
}

impl Table {
    /// Opens files, by paths or patterns such as `day-*.parquet`, whose matches are taken in order of name.
    /// By extension: `.parquet`, `.pq`; `.csv`, `.ndjson`, `.jsonl`, these also with `.gz` or `.zst` after it.
    /// NDJSON columns must show in the first 10,000 lines.
    ///
    /// # Errors
    /// [`TableError`] if a file is not there, or cannot be read, or nothing is given.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, TableError> {
        let mut files = Vec::new();
        for path in paths {
            for path in matches(path.as_ref())? {
                files.push(TableFile::open(&path)?);
            }
        }
        if files.is_empty() {
            return Err(TableError::NoFile { pattern: String::new() });
        }
        Ok(Self { files })
    }

    /// The number of rows, if all files tell it without being read: Parquet does.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(TableFile::rows).sum()
    }

    /// The predictions in all files, in batches of at most 65,536 rows.
    ///
    /// # Errors
    /// [`TableError::MissingColumns`] if a file lacks a feature, a segment tag, the timestamp, or a column
    /// that the configuration names.
    pub fn predictions(&self, schema: &ModelSchema, columns: &ColumnMap) -> Result<Batches, TableError> {
        let jobs = self.jobs(schema, columns, Purpose::Predictions)?;
        let schema = Arc::new(schema.clone());
        Ok(Batches::new(Reading::new(jobs, schema, Purpose::Predictions, std::time::Duration::ZERO, None)))
    }

    /// The labels in all files, in batches of at most 65,536 rows, their timestamps later by the configured
    /// delay. This may be the table of the predictions, if it has the labels.
    ///
    /// # Errors
    /// [`TableError::MissingColumns`] if a file lacks the label, the prediction's id, or the timestamp.
    pub fn labels(&self, schema: &ModelSchema, columns: &ColumnMap) -> Result<Batches, TableError> {
        let jobs = self.jobs(schema, columns, Purpose::Labels)?;
        let schema = Arc::new(schema.clone());
        Ok(Batches::new(Reading::new(jobs, schema, Purpose::Labels, columns.label_delay, None)))
    }

    /// Whether every file has the column of the label.
    #[must_use]
    pub fn has_labels(&self, columns: &ColumnMap) -> bool {
        self.files
            .iter()
            .filter(|file| !file.is_blank())
            .all(|file| file.stored(&columns.label.column).is_some())
    }

    /// Whether every file has the column of a segment tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        let own = layout::tag(tag);
        let mut files = self.files.iter().filter(|file| !file.is_blank());
        files.all(|file| file.stored(tag).or_else(|| file.stored(&own)).is_some())
    }

    /// What in the columns' types does not suit what they are for, in words.
    #[must_use]
    pub fn warnings(&self, schema: &ModelSchema, columns: &ColumnMap) -> Vec<String> {
        let mappings = self.files.iter().filter_map(|file| {
            let mapping = Mapping::find(file, schema, columns, Purpose::Reference).ok()?;
            Some(mapping.warnings(file))
        });
        mappings.flatten().collect()
    }

    /// The earliest and latest event time, from a pass over that column alone; `None` if no row has one.
    ///
    /// # Errors
    /// [`TableError`] if a file cannot be read or has no timestamps.
    pub fn time_range(&self, columns: &ColumnMap) -> Result<Option<(EventTime, EventTime)>, TableError> {
        let mut range: Option<(i64, i64)> = None;
        let column = columns.timestamp.column.as_str();
        for file in self.files.iter().filter(|file| !file.is_blank()) {
            let rows = crate::batches::batch_rows(1);
            let queries = Mapping::timestamp(file, column).and_then(|()| file.scan(&[column], rows))?;
            let frames = Frames::start(queries, rows).map_err(|e| file.failed(e))?;
            for frame in frames {
                let frame = frame.map_err(|error| file.failed(error))?;
                let series = frame.column(column).map_err(|error| file.failed(error))?;
                let times = times(series.as_materialized_series()).map_err(|error| file.failed(error))?;
                for time in times.into_iter().flatten() {
                    let (low, high) = range.get_or_insert((time, time));
                    *low = time.min(*low);
                    *high = time.max(*high);
                }
            }
        }
        Ok(range.map(|(low, high)| (EventTime::from_millis(low), EventTime::from_millis(high))))
    }

    pub(crate) fn jobs(
        &self,
        schema: &ModelSchema,
        columns: &ColumnMap,
        purpose: Purpose,
    ) -> Result<Vec<Job>, TableError> {
        let files = self.files.iter().filter(|file| !file.is_blank());
        files
            .map(|file| {
                let mapping = Mapping::find(file, schema, columns, purpose)?;
                Ok(Job { file: file.clone(), mapping, label: None })
            })
            .collect()
    }
}

impl Table {
    /// The files read as a reference: with the label beside the rows, where they have it.
    pub(crate) fn reference_jobs(
        &self,
        schema: &ModelSchema,
        columns: &ColumnMap,
    ) -> Result<Vec<Job>, TableError> {
        let mut jobs = self.jobs(schema, columns, Purpose::Reference)?;
        for job in &mut jobs {
            job.label = Mapping::find_label(&job.file, schema, columns);
        }
        Ok(jobs)
    }
}

/// The files that a path or a pattern means, in order of name.
fn matches(path: &Path) -> Result<Vec<PathBuf>, TableError> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let pattern = path.to_string_lossy().into_owned();
    let found = glob::glob(&pattern)
        .map_err(|source| TableError::Pattern { pattern: pattern.clone(), source })?
        .map(|path| {
            path.map_err(|error| TableError::Read {
                path: error.path().to_path_buf(),
                source: Box::new(error),
            })
        })
        .filter(|path| path.as_ref().map_or(true, |path| path.is_file()))
        .collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err(TableError::NoFile { pattern }) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
