//! The census data of the golden tests: fetched, cut into days, and given times.

use std::path::{Path, PathBuf};
use std::process::Command;

use polars::prelude::{
    DataFrame, DataType, NamedFrom, ParquetReader, ParquetWriter, PolarsResult, SerReader, Series, TimeUnit,
};

/// Rows of a day.
pub const CHUNK_ROWS: usize = 5_000;
/// The first day: 2015-01-01.
pub const FIRST_DAY_MILLIS: i64 = 1_420_070_400_000;
const DAY_MILLIS: i64 = 86_400_000;
/// Labels come a week after their predictions.
const LABEL_DELAY_MILLIS: i64 = 7 * DAY_MILLIS;

/// The tables that the census tests read.
#[derive(Clone, Debug)]
pub struct CensusFiles {
    /// The reference: features, predictions and labels.
    pub reference: PathBuf,
    /// The two periods that are replayed.
    pub periods: [Period; 2],
}

/// A period that is replayed.
#[derive(Clone, Debug)]
pub struct Period {
    /// `reference` or `analysis`, as in the golden files.
    pub name: &'static str,
    /// Predictions with their times.
    pub predictions: PathBuf,
    /// Labels with their times.
    pub labels: PathBuf,
    /// Rows of each table.
    pub rows: usize,
}

/// The project's folder.
#[must_use]
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_path_buf()
}

/// The census tables; fetched and prepared unless they are there already.
///
/// # Panics
/// If they cannot be fetched or prepared, with what is missing.
#[must_use]
pub fn prepare() -> CensusFiles {
    let fetch = project().join("tests/data/fetch-census");
    let output = Command::new(&fetch).output().expect("tests/data/fetch-census can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let raw = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // The version is that of this preparation: a change of it needs a new number.
    let prepared = raw.join("prepared-1");
    std::fs::create_dir_all(&prepared).expect("the cache can be written");
    let period = |name: &'static str, labels: &str| {
        let files = [format!("{name}_predictions.parquet"), format!("{name}_labels.parquet")];
        let [predictions, times] = files.map(|file| prepared.join(file));
        let labels = raw.join(format!("employment_MA_{labels}.pq"));
        let rows = days(&raw.join(format!("employment_MA_{name}.pq")), &labels, &predictions, &times)
            .expect("the census files are as published, and the cache can be written");
        Period { name, predictions, labels: times, rows }
    };
    CensusFiles {
        reference: raw.join("employment_MA_reference.pq"),
        periods: [period("reference", "reference"), period("analysis", "analysis_target")],
    }
}

/// Writes predictions and labels with their times, if they are not there, and tells how many.
fn days(data: &Path, target: &Path, predictions: &Path, labels: &Path) -> PolarsResult<usize> {
    if predictions.exists() && labels.exists() {
        return ParquetReader::new(std::fs::File::open(predictions)?).num_rows();
    }
    let mut data = ParquetReader::new(std::fs::File::open(data)?).finish()?;
    let rows = data.height();
    // The reference's file holds its labels too; predictions do not know them.
    if data.column("employed").is_ok() {
        data = data.drop("employed")?;
    }
    data.with_column(times(rows, 0)?.into())?;
    write(&mut data, predictions)?;
    let target = ParquetReader::new(std::fs::File::open(target)?).finish()?;
    let mut target = target.select(["id", "employed"])?;
    target.with_column(times(rows, LABEL_DELAY_MILLIS)?.into())?;
    write(&mut target, labels)?;
    Ok(rows)
}

/// Row `i` of chunk `k` is at day `k`, second `i`.
fn times(rows: usize, delay_millis: i64) -> PolarsResult<Series> {
    let time = |row: usize| {
        let (day, second) = ((row / CHUNK_ROWS) as i64, (row % CHUNK_ROWS) as i64);
        FIRST_DAY_MILLIS + day * DAY_MILLIS + second * 1_000 + delay_millis
    };
    Series::new("timestamp".into(), (0..rows).map(time).collect::<Vec<i64>>())
        .cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
}

/// Appears whole, also to a test that prepares at the same time.
fn write(table: &mut DataFrame, path: &Path) -> PolarsResult<()> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    ParquetWriter::new(std::fs::File::create(&part)?).finish(table)?;
    std::fs::rename(part, path)?;
    Ok(())
}

/// The lines of a file in `tests/golden/census`, each as its fields.
///
/// # Panics
/// If the file is not there.
#[must_use]
pub fn golden(file: &str) -> Vec<Vec<String>> {
    let path = project().join("tests/golden/census").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}
