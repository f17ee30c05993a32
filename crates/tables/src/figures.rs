//! Window reports as a table: one row for each figure.

use std::fs::File;
use std::path::{Path, PathBuf};

use driftline_events::EventTime;
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    Column, DataFrame, DataType, Field, ParquetWriter, PlSmallStr, PolarsError, Schema, TimeUnit,
};

/// Rows that are written at once.
const ROWS: usize = 100_000;

/// A table of figures cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FiguresError {
    /// The file cannot be made.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The rows cannot be written.
    #[error("cannot write {}", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One figure of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure<'a> {
    /// The model.
    pub model: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The segment as `tag=value`; empty for all rows.
    pub segment: &'a str,
    /// The window's name.
    pub window: &'a str,
    /// The window's start.
    pub start: EventTime,
    /// Its end.
    pub end: EventTime,
    /// How often it was revised.
    pub revision: u32,
    /// The feature; `None` for figures of the whole window.
    pub feature: Option<&'a str>,
    /// Which figure: the members' names in the report, joined by dots.
    pub figure: &'a str,
    /// The figure.
    pub value: f64,
}

/// Writes figures into a Parquet file, bounded in memory.
pub struct FiguresWriter {
    path: PathBuf,
    writer: BatchedWriter<File>,
    texts: [Vec<PlSmallStr>; 5],
    feature: Vec<Option<PlSmallStr>>,
    times: [Vec<i64>; 2],
    revision: Vec<u32>,
    value: Vec<f64>,
}

impl std::fmt::Debug for FiguresWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FiguresWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

const TEXTS: [&str; 5] = ["model", "version", "segment", "window", "figure"];
const TIMES: [&str; 2] = ["start", "end"];

fn time_type() -> DataType {
    DataType::Datetime(TimeUnit::Milliseconds, None)
}

impl FiguresWriter {
    /// Begins a file, in place of one that is there.
    ///
    /// # Errors
    /// [`FiguresError`].
    pub fn try_new(path: &Path) -> Result<Self, FiguresError> {
        let file =
            File::create(path).map_err(|source| FiguresError::File { path: path.to_owned(), source })?;
        let texts = TEXTS.map(|name| Field::new(name.into(), DataType::String));
        let times = TIMES.map(|name| Field::new(name.into(), time_type()));
        let schema: Schema = texts
            .into_iter()
            .chain(times)
            .chain([
                Field::new("revision".into(), DataType::UInt32),
                Field::new("feature".into(), DataType::String),
                Field::new("value".into(), DataType::Float64),
            ])
            .collect();
        let writer = ParquetWriter::new(file).batched(&schema).map_err(|source| rows(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            texts: Default::default(),
            feature: Vec::new(),
            times: Default::default(),
            revision: Vec::new(),
            value: Vec::new(),
        })
    }

    /// Adds a figure.
    ///
    /// # Errors
    /// [`FiguresError::Rows`] if what has gathered cannot be written.
    pub fn push(&mut self, figure: &Figure<'_>) -> Result<(), FiguresError> {
        let Figure { model, version, segment, window, figure: name, .. } = figure;
        for (column, text) in self.texts.iter_mut().zip([model, version, segment, window, name]) {
            column.push((*text).into());
        }
        self.times[0].push(figure.start.as_millis());
        self.times[1].push(figure.end.as_millis());
        self.revision.push(figure.revision);
        self.feature.push(figure.feature.map(PlSmallStr::from));
        self.value.push(figure.value);
        if self.value.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), FiguresError> {
        let write = |this: &mut Self| -> Result<(), PolarsError> {
            let height = this.value.len();
            let mut columns = Vec::with_capacity(10);
            for (name, texts) in TEXTS.iter().zip(&mut this.texts) {
                let texts: Vec<String> = std::mem::take(texts).iter().map(ToString::to_string).collect();
                columns.push(Column::new((*name).into(), texts));
            }
            for (name, times) in TIMES.iter().zip(&mut this.times) {
                columns.push(Column::new((*name).into(), std::mem::take(times)).cast(&time_type())?);
            }
            columns.push(Column::new("revision".into(), std::mem::take(&mut this.revision)));
            let features: Vec<Option<String>> = std::mem::take(&mut this.feature)
                .into_iter()
                .map(|name| name.map(|name| name.to_string()))
                .collect();
            columns.push(Column::new("feature".into(), features));
            columns.push(Column::new("value".into(), std::mem::take(&mut this.value)));
            this.writer.write_batch(&DataFrame::new(height, columns)?)
        };
        write(self).map_err(|source| rows(&self.path, source))
    }

    /// Writes what is left and ends the file.
    ///
    /// # Errors
    /// [`FiguresError::Rows`].
    pub fn finish(mut self) -> Result<(), FiguresError> {
        self.flush()?;
        self.writer.finish().map(drop).map_err(|source| rows(&self.path, source))
    }
}

fn rows(path: &Path, source: PolarsError) -> FiguresError {
    FiguresError::Rows { path: path.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{ParquetReader, SerReader};

    use super::*;

    #[test]
    fn figures_come_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.parquet");
        let mut writer = FiguresWriter::try_new(&path).unwrap();
        let time = EventTime::from_millis(1_767_261_600_123);
        for number in 0..3 {
            let feature = (number > 0).then_some("age");
            let (value, revision) = (f64::from(number) / 3.0, number as u32);
            let figure = Figure {
                model: "m",
                version: "1",
                segment: "",
                window: "1h",
                start: time,
                end: time,
                revision,
                feature,
                figure: "psi.value",
                value,
            };
            writer.push(&figure).unwrap();
        }
        writer.finish().unwrap();
        let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
        assert_eq!(frame.shape(), (3, 10));
        assert_eq!(frame.column("feature").unwrap().str().unwrap().get(0), None);
        assert_eq!(frame.column("feature").unwrap().str().unwrap().get(2), Some("age"));
        assert_eq!(frame.column("value").unwrap().f64().unwrap().get(2), Some(2.0 / 3.0));
        assert_eq!(frame.column("end").unwrap().datetime().unwrap().phys.get(1), Some(time.as_millis()));
    }

    #[test]
    fn a_table_without_figures_has_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.parquet");
        FiguresWriter::try_new(&path).unwrap().finish().unwrap();
        let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
        assert_eq!(frame.shape(), (0, 10));
        assert!(FiguresWriter::try_new(&folder.path().join("no/such/folder")).is_err());
    }
}
