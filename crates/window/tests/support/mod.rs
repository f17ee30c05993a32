//! Batches in the decoder's layout, written row by row.

#![allow(dead_code, unreachable_pub, reason = "each test file includes it and uses its part")]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use driftline_events::{EventTime, Feature, FeatureKind, ModelId, ModelSchema, Task, layout};
use driftline_summary::SummarySpec;
use driftline_window::{Grids, MemoryPending, TimeOptions, TimeSpec, WindowOptions, WindowSummary, Windower};

/// A prediction at a second of event time.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: Option<String>,
    pub second: i64,
    pub version: &'static str,
    pub x: f64,
    pub country: Option<String>,
    pub predicted: &'static str,
}

impl Row {
    pub fn new(id: &str, second: i64, x: f64) -> Self {
        Self { id: Some(id.to_owned()), second, version: "1", x, country: None, predicted: "yes" }
    }

    pub fn anonymous(second: i64, x: f64) -> Self {
        Self { id: None, ..Self::new("", second, x) }
    }
}

/// A label at a second of event time; `None` takes it back.
#[derive(Clone, Debug)]
pub struct Label {
    pub id: String,
    pub second: i64,
    pub class: Option<&'static str>,
}

impl Label {
    pub fn new(id: &str, second: i64, class: &'static str) -> Self {
        Self { id: id.to_owned(), second, class: Some(class) }
    }

    pub fn retraction(id: &str, second: i64) -> Self {
        Self { id: id.to_owned(), second, class: None }
    }
}

pub fn at(second: i64) -> EventTime {
    EventTime::from_millis(second * 1_000)
}

fn dictionary<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<DictionaryArray<Int32Type>>())
}

fn times(seconds: impl Iterator<Item = i64>) -> ArrayRef {
    let millis: Vec<i64> = seconds.map(|second| second * 1_000).collect();
    Arc::new(TimestampMillisecondArray::from(millis).with_timezone("UTC"))
}

pub fn predictions(rows: &[Row]) -> RecordBatch {
    let n = rows.len();
    let absent = || Arc::new(Float64Array::from(vec![None::<f64>; n])) as ArrayRef;
    let ids: StringArray = rows.iter().map(|row| row.id.as_deref()).collect();
    let x: Float64Array = rows.iter().map(|row| Some(row.x)).collect();
    let columns: Vec<(String, ArrayRef)> = vec![
        (layout::TIMESTAMP.into(), times(rows.iter().map(|row| row.second))),
        (layout::VERSION.into(), dictionary(rows.iter().map(|row| Some(row.version)))),
        (layout::PREDICTION_ID.into(), Arc::new(ids)),
        (layout::PREDICTION_LABEL.into(), dictionary(rows.iter().map(|row| Some(row.predicted)))),
        (layout::PREDICTION_SCORE.into(), absent()),
        (layout::PREDICTION_VALUE.into(), absent()),
        (layout::LATENCY_MS.into(), absent()),
        (layout::STATUS.into(), dictionary(rows.iter().map(|_| Some("ok")))),
        (layout::VARIANT.into(), dictionary(rows.iter().map(|_| None))),
        (layout::WEIGHT.into(), Arc::new(Float64Array::from(vec![1.0; n]))),
        (layout::IN_FLIGHT.into(), absent()),
        (layout::CAPACITY.into(), absent()),
        (layout::feature("x"), Arc::new(x)),
        (layout::tag("country"), dictionary(rows.iter().map(|row| row.country.as_deref()))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

pub fn labels(rows: &[Label]) -> RecordBatch {
    let n = rows.len();
    let ids: StringArray = rows.iter().map(|row| Some(row.id.as_str())).collect();
    let retract: BooleanArray = rows.iter().map(|row| Some(row.class.is_none())).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (layout::TIMESTAMP, times(rows.iter().map(|row| row.second))),
        (layout::PREDICTION_ID, Arc::new(ids)),
        (layout::LABEL, dictionary(rows.iter().map(|row| row.class))),
        (layout::VALUE, Arc::new(Float64Array::from(vec![None::<f64>; n]))),
        (layout::RETRACT, Arc::new(retract)),
        (layout::WEIGHT, Arc::new(Float64Array::from(vec![1.0; n]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

pub fn schema(segments: &[&str]) -> Arc<ModelSchema> {
    Arc::new(ModelSchema::new(
        ModelId::try_new("m").unwrap(),
        Task::Binary,
        Some("yes".into()),
        vec![Feature { name: "x".into(), kind: FeatureKind::Numeric }],
        segments.iter().map(|&segment| segment.into()).collect(),
        false,
    ))
}

/// Grids of the values 0 to 9.
pub fn grids(schema: &ModelSchema) -> Arc<SummarySpec> {
    let rows: Vec<Row> = (0..10).map(|i| Row::anonymous(i, i as f64)).collect();
    SummarySpec::learn(schema, &[predictions(&rows)]).unwrap()
}

pub fn window(name: &str, length: &str, every: &str) -> WindowOptions {
    WindowOptions {
        name: name.to_owned(),
        length: length.parse().unwrap(),
        every: Some(every.parse().unwrap()),
        min_rows: 0,
        max_length: None,
    }
}

pub fn options() -> TimeOptions {
    TimeOptions {
        retention: "1day".parse().unwrap(),
        label_horizon: "12h".parse().unwrap(),
        idle_timeout: None,
        ..TimeOptions::default()
    }
}

pub fn windower_of(time: &TimeOptions, windows: &[WindowOptions], segments: &[&str]) -> Windower {
    let schema = schema(segments);
    let spec = TimeSpec::try_new(time, windows).unwrap();
    let given = Grids::Given(grids(&schema));
    Windower::new(schema, given, spec, std::time::Duration::ZERO, 3, Box::new(MemoryPending::new(100_000)))
}

/// Tumbling windows of five minutes.
pub fn windower() -> Windower {
    windower_of(&options(), &[window("5m", "5m", "5m")], &[])
}

/// All windows that are due, merged.
pub fn due(windower: &mut Windower) -> Vec<WindowSummary> {
    windower.due(usize::MAX).iter().map(|due| windower.summarise(due).unwrap()).collect()
}

/// Start in seconds, rows and revision of every window.
pub fn outline(windows: &[WindowSummary]) -> Vec<(i64, u64, u32)> {
    let mut outline: Vec<_> = windows
        .iter()
        .map(|window| (window.start.as_millis() / 1_000, window.current.traffic.total.rows, window.revision))
        .collect();
    outline.sort_unstable();
    outline
}
