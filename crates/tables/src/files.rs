//! One file of a table.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{
    DataType, Expr, LazyCsvReader, LazyFileListReader, LazyFrame, LazyJsonLineReader, ParquetReader,
    PlRefPath, PolarsResult, ScanArgsParquet, Schema, SchemaRef, SerReader, col,
};

use crate::table::TableError;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv,
    NdJson,
}

impl Format {
    /// By the file's extension; `.csv` and `.ndjson` may be followed by one of a compression.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let plain = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end));
        match plain.unwrap_or(&name).rsplit_once('.')?.1 {
            "parquet" | "pq" if plain.is_none() => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::NdJson),
            _ => None,
        }
    }
}

/// Rows that are read at once from Parquet, unless its row groups are larger: what polars itself writes into one.
const PIECE_ROWS: usize = 512 * 512;

/// Batches that are decoded at once from Parquet. A row group is decoded whole otherwise, and may be a million rows; what is
/// decoded in parts is decompressed by the page, and pages are smaller than this in most files. Twice as many are no faster,
/// and take 30 MB more of 25 columns.
const BATCHES_AT_ONCE: u32 = 2;

/// Lines of NDJSON that are looked at for the names of the columns.
const NAMING_LINES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// One file of a table: what is known of it before its rows are read.
#[derive(Clone, Debug)]
pub(crate) struct TableFile {
    path: PathBuf,
    shown: Arc<str>,
    format: Format,
    schema: SchemaRef,
    rows: Option<u64>,
    /// Rows of what is read at once; nothing where the format has no such pieces.
    pieces: Vec<u32>,
}

impl TableFile {
    /// Reads the names of a file's columns and, from Parquet, the number of its rows.
    pub(crate) fn open(path: &Path) -> Result<Self, TableError> {
        let format =
            Format::of(path).ok_or_else(|| TableError::UnknownFormat { path: path.to_path_buf() })?;
        let failed = |source| TableError::Read { path: path.to_path_buf(), source };
        let (mut rows, mut pieces) = (None, Vec::new());
        let schema = match format {
            Format::Parquet => {
                let file = File::open(path).map_err(|error| failed(Box::new(error)))?;
                let mut reader = ParquetReader::new(file);
                let metadata = reader.get_metadata().map_err(|error| failed(Box::new(error)))?;
                rows = Some(metadata.num_rows as u64);
                pieces = pieces_of(metadata.row_groups.iter().map(|group| group.num_rows()));
                parquet(path).and_then(|mut frame| frame.collect_schema())
            }
            Format::Csv => csv(path).and_then(|mut frame| frame.collect_schema()),
            Format::NdJson if is_blank(path).map_err(|error| failed(Box::new(error)))? => {
                rows = Some(0);
                Ok(SchemaRef::default())
            }
            Format::NdJson => ndjson(path, None).and_then(|mut frame| frame.collect_schema()),
        }
        .map_err(|error| failed(Box::new(error)))?;
        Ok(Self {
            path: path.to_path_buf(),
            shown: path.display().to_string().into(),
            format,
            schema,
            rows,
            pieces,
        })
    }

    /// The path, as messages show it.
    pub(crate) const fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// The number of rows, where that is known without reading them.
    pub(crate) const fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Whether the file is known to hold nothing, not even the names of columns.
    pub(crate) fn is_blank(&self) -> bool {
        self.schema.is_empty()
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema.iter_names().map(|name| name.as_str())
    }

    /// A column's type as it is stored; CSV has text only.
    pub(crate) fn stored(&self, column: &str) -> Option<&DataType> {
        self.schema.get(column)
    }

    /// The rows, with nothing but these columns, in this order: queries to be run one after another, each but the last of
    /// a piece for some batches of `batch_rows`.
    pub(crate) fn scan(
        &self,
        columns: &[&str],
        batch_rows: NonZeroUsize,
    ) -> Result<Vec<LazyFrame>, TableError> {
        let frame = match self.format {
            Format::Parquet => parquet(&self.path),
            Format::Csv => csv(&self.path),
            Format::NdJson => ndjson(&self.path, Some(columns)),
        }
        .map_err(|error| self.failed(error))?;
        let frame = frame.select(columns.iter().map(|&name| col(name)).collect::<Vec<Expr>>());
        if self.pieces.is_empty() {
            return Ok(vec![frame]);
        }
        let most = u32::try_from(batch_rows.get()).unwrap_or(u32::MAX).saturating_mul(BATCHES_AT_ONCE);
        let mut start = 0;
        let mut queries = Vec::new();
        for &rows in &self.pieces {
            let mut left = rows;
            while left > 0 {
                let some = left.min(most);
                queries.push(frame.clone().slice(start, some));
                start += i64::from(some);
                left -= some;
            }
        }
        Ok(queries)
    }

    /// A failure of polars with this file.
    pub(crate) fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> TableError {
        TableError::Read { path: self.path.clone(), source: Box::new(error) }
    }
}

fn path_of(path: &Path) -> PolarsResult<PlRefPath> {
    PlRefPath::try_from_path(path)
}

/// Row groups in pieces of at least [`PIECE_ROWS`]. The engine would prefetch sixteen row groups and more, which
/// may be the whole file; it reads no further than a piece.
fn pieces_of(groups: impl Iterator<Item = usize>) -> Vec<u32> {
    let mut pieces: Vec<u32> = Vec::new();
    let mut open = 0;
    for rows in groups {
        open += rows;
        if open >= PIECE_ROWS {
            pieces.push(u32::try_from(open).unwrap_or(u32::MAX));
            open = 0;
        }
    }
    if open > 0 {
        pieces.push(open as u32);
    }
    pieces
}

fn parquet(path: &Path) -> PolarsResult<LazyFrame> {
    let arguments = ScanArgsParquet { low_memory: true, cache: false, glob: false, ..Default::default() };
    LazyFrame::scan_parquet(path_of(path)?, arguments)
}

/// All columns as text: what a column holds is for its role to say, not for its first rows.
fn csv(path: &Path) -> PolarsResult<LazyFrame> {
    LazyCsvReader::new(path_of(path)?)
        .with_infer_schema_length(Some(0))
        .with_cache(false)
        .with_glob(false)
        .finish()
}

/// With `columns`, these as text, for the same reason as in [`csv`]: numbers and booleans as their text.
fn ndjson(path: &Path, columns: Option<&[&str]>) -> PolarsResult<LazyFrame> {
    let schema = columns.map(|columns| {
        Arc::new(columns.iter().map(|&name| (name.into(), DataType::String)).collect::<Schema>())
    });
    LazyJsonLineReader::new(path_of(path)?)
        .with_infer_schema_length(Some(NAMING_LINES))
        .with_schema(schema)
        .finish()
}

/// Whether a file has nothing but white space in its first buffers.
fn is_blank(path: &Path) -> std::io::Result<bool> {
    let mut reader = BufReader::new(File::open(path)?);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if !bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(false);
        }
        let length = bytes.len();
        reader.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_groups_are_read_in_pieces() {
        assert!(pieces_of(std::iter::empty()).is_empty());
        assert_eq!(pieces_of([1_000_000, 1_000_000, 7].into_iter()), [1_000_000, 1_000_000, 7]);
        assert_eq!(pieces_of([100_000; 7].into_iter()), [300_000, 300_000, 100_000]);
    }

    #[test]
    fn a_file_is_known_by_its_extension() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a/b.parquet"), Some(Format::Parquet));
        assert_eq!(of("b.PQ"), Some(Format::Parquet));
        assert_eq!(of("b.csv"), Some(Format::Csv));
        assert_eq!(of("b.csv.gz"), Some(Format::Csv));
        assert_eq!(of("b.jsonl.zst"), Some(Format::NdJson));
        assert_eq!(of("b.parquet.gz"), None);
        assert_eq!(of("csv"), None);
        assert_eq!(of("b.txt"), None);
    }
}
