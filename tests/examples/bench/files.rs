//! Writes the data.

use std::fs::File;
use std::io::{BufWriter, Write};

use arrow::ipc::writer::StreamWriter;
use driftline::reference_files::{build, source_by_command};
use driftline_events::EventTime;
use polars::prelude::{Column, DataFrame, DataType, ParquetWriter, PolarsResult, TimeUnit};

use crate::data::{CATEGORIES, NUMBERS, Part, Row, category_name, category_value, number_name, rows};
use crate::folder::Folder;
use crate::inference::{BATCH, START_MILLIS, arrow, event, id, sent_at};
use crate::options::figure;

/// As a table the current rows are one day, as the reference's are.
const DAY_MILLIS: u64 = 86_400_000;

/// Makes every form of the data, unless they are there already: the last file says that they are whole, and of what they
/// were made. The reference is built from its table each time, since its format is that of this version.
pub(crate) fn prepare(folder: &Folder, count: u64) {
    let made_of = format!("{count} rows, layout 1\n");
    if std::fs::read_to_string(folder.path("made-of")).is_ok_and(|found| found == made_of) {
        return reference(folder);
    }
    std::fs::create_dir_all(folder.path("state")).expect("the folder can be made");
    for (part, file) in [(Part::Reference, "reference.parquet"), (Part::Current, "current.parquet")] {
        write(part, count, folder, file, false);
    }
    events(folder, count);
    let config = format!("[state]\npath = \"state\"\n{}", folder.model(WINDOWS));
    std::fs::write(folder.path("driftline.toml"), config).expect("the folder can be written");
    reference(folder);
    std::fs::write(folder.path("made-of"), made_of).expect("the folder can be written");
}

fn reference(folder: &Folder) {
    let model = folder.model_config("");
    let path = folder.path("reference.parquet");
    // A time that never changes, as everything else here.
    let created = EventTime::from_millis(START_MILLIS);
    let mut reference = build(&model, &[&path], created, &mut |_| {}).expect("the table makes a reference");
    // As `driftline reference` does: it wins over the table, however new that is.
    reference.source = source_by_command(&[&path]);
    folder.references().save(model.schema.model(), &reference).expect("the folder can be written");
}

/// What the table is replayed by: the day as one window.
const WINDOWS: &str = "windows = [{ name = \"1d\", length = \"1d\" }]";

fn events(folder: &Folder, count: u64) {
    let create =
        |file: &str| BufWriter::new(File::create(folder.path(file)).expect("the folder can be written"));
    let mut lines = create("current.ndjson");
    let mut text = String::new();
    let mut bytes = 0;
    for (number, row) in (0..).zip(rows(Part::Current, count)) {
        text.clear();
        event(&mut text, crate::data::MODEL, number, sent_at(number), &row, "");
        text.push('\n');
        bytes += text.len();
        lines.write_all(text.as_bytes()).expect("the disk has room");
    }
    lines.flush().expect("the disk has room");
    figure("data.event_bytes", bytes as f64 / count as f64, "bytes");

    let mut batches = batches(count).peekable();
    let schema = batches.peek().expect("there are rows").schema();
    let mut stream = StreamWriter::try_new(create("current.arrow"), &schema).expect("the disk has room");
    batches.for_each(|batch| stream.write(&batch).expect("the disk has room"));
    stream.finish().expect("the disk has room");
}

/// The current rows as Arrow, by [`BATCH`].
pub(crate) fn batches(count: u64) -> impl Iterator<Item = arrow::array::RecordBatch> {
    let mut rows = rows(Part::Current, count);
    let mut first = 0;
    std::iter::from_fn(move || {
        let some: Vec<Row> = rows.by_ref().take(BATCH).collect();
        let batch = (!some.is_empty()).then(|| arrow(first, &some));
        first += some.len() as u64;
        batch
    })
}

/// Writes rows as a table; with a country, if wanted: one of ten.
pub(crate) fn write(part: Part, count: u64, folder: &Folder, file: &str, country: bool) {
    let mut rows = frame(part, count, country).expect("columns are of one length");
    let table = File::create(folder.path(file)).expect("the folder can be written");
    ParquetWriter::new(table).finish(&mut rows).expect("the table can be written");
}

fn frame(part: Part, count: u64, country: bool) -> PolarsResult<DataFrame> {
    let rows: Vec<Row> = rows(part, count).collect();
    let height = rows.len();
    let millis = |row: u64| START_MILLIS + (row * DAY_MILLIS / count) as i64;
    let times: Vec<i64> = (0..count).map(millis).collect();
    let texts = |text: &dyn Fn(&Row) -> String| rows.iter().map(text).collect::<Vec<String>>();
    let floats = |float: &dyn Fn(&Row) -> f64| rows.iter().map(float).collect::<Vec<f64>>();
    let mut columns = vec![
        Column::new("timestamp".into(), times).cast(&DataType::Datetime(TimeUnit::Milliseconds, None))?,
        Column::new("prediction_id".into(), (0..count).map(id).collect::<Vec<String>>()),
        Column::new("version".into(), texts(&|_| "1".to_owned())),
        Column::new("prediction".into(), texts(&|row| row.label().to_owned())),
        Column::new("score".into(), floats(&|row| row.score)),
        Column::new("latency_ms".into(), floats(&|row| row.latency_ms)),
    ];
    for position in 0..NUMBERS {
        let values = floats(&|row| row.numbers[position]);
        columns.push(Column::new(number_name(position).into(), values));
    }
    for position in 0..CATEGORIES.len() {
        let values = texts(&|row| category_value(row.categories[position]));
        columns.push(Column::new(category_name(position).into(), values));
    }
    if country {
        let countries = (0..count).map(|row| crate::inference::country(row).to_owned()).collect::<Vec<_>>();
        columns.push(Column::new("country".into(), countries));
    }
    DataFrame::new(height, columns)
}
