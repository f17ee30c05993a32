//! What summaries cost, each beside the bare limit of the same work.
//!
//! `fold`: a batch of a million rows with twenty numeric features into an empty summary, per value; `bare` only looks
//! the values up in a sorted list of a thousand and counts. `merge`: an hour of minutes into one window, per pane;
//! `bare` adds as many vectors of a thousand numbers. `encode` and `decode`: per summary; `bare` copies and checks as
//! many bytes.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::Float64Type;
use arrow::record_batch::RecordBatch;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use driftline_events::{Feature, FeatureKind, ModelId, ModelSchema, Task, layout};
use driftline_summary::{CellSummary, SummarySpec};

const ROWS: usize = 1_000_000;
const FEATURES: usize = 20;
/// Panes that are merged.
const PANES: usize = 60;

/// Steele, Lea & Flood's SplitMix64, as a number in `[0, 1)`.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 * (-53_f64).exp2()
}

/// A feature's law.
type Law = fn(&mut u64) -> f64;

const LAWS: [(&str, Law); 4] = [
    ("uniform", uniform),
    ("bell", |state| (0..12).map(|_| uniform(state)).sum::<f64>() - 6.0),
    ("tail", |state| (1.0 - uniform(state)).powf(-1.5)),
    ("ties", |state| (uniform(state) * 50.0).floor()),
];

fn batch(rows: usize, laws: &[(&str, Law)], weight: impl Fn(usize) -> f64) -> RecordBatch {
    let mut state = 7;
    let weights: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(weight)));
    let mut columns = vec![(layout::WEIGHT.to_owned(), weights)];
    for (feature, (_, law)) in laws.iter().cycle().take(FEATURES).enumerate() {
        let values = Float64Array::from_iter_values((0..rows).map(|_| law(&mut state)));
        columns.push((layout::feature(&format!("f{feature}")), Arc::new(values) as ArrayRef));
    }
    RecordBatch::try_from_iter(columns).expect("columns are of one length")
}

fn spec(laws: &[(&str, Law)]) -> Arc<SummarySpec> {
    let features = (0..FEATURES)
        .map(|feature| Feature { name: format!("f{feature}").into(), kind: FeatureKind::Numeric })
        .collect();
    let model = ModelId::try_new("bench").expect("a valid name");
    let schema = ModelSchema::new(model, Task::Regression, None, features, Vec::new(), false);
    SummarySpec::learn(&schema, &[batch(100_000, laws, |_| 1.0)]).expect("the columns are numbers")
}

fn folded(spec: &Arc<SummarySpec>, rows: &RecordBatch) -> CellSummary {
    let mut cell = CellSummary::new(Arc::clone(spec));
    cell.fold(rows).expect("the columns are numbers");
    cell
}

fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements((ROWS * FEATURES) as u64)).sample_size(10);
    for law in LAWS {
        let (spec, rows) = (spec(&[law]), batch(ROWS, &[law], |_| 1.0));
        group.bench_function(law.0, |bencher| bencher.iter(|| folded(&spec, black_box(&rows))));
    }
    let spec = spec(&LAWS);
    let rows = batch(ROWS, &LAWS, |_| 1.0);
    group.bench_function("all laws", |bencher| bencher.iter(|| folded(&spec, black_box(&rows))));
    let weighted = batch(ROWS, &LAWS, |row| (row % 3) as f64);
    group.bench_function("weighted", |bencher| bencher.iter(|| folded(&spec, black_box(&weighted))));

    let columns: Vec<_> =
        rows.columns()[1..].iter().map(|column| column.as_primitive::<Float64Type>()).collect();
    let cuts: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| {
            let mut values = column.values()[..100_000].to_vec();
            values.sort_by(f64::total_cmp);
            (0..1_000).map(|permille| values[permille * 100]).collect()
        })
        .collect();
    group.bench_function("bare", |bencher| {
        bencher.iter(|| {
            let mut counts = vec![[0_u64; 1_001]; FEATURES];
            for ((column, cuts), counts) in columns.iter().zip(&cuts).zip(&mut counts) {
                for value in black_box(column.values()) {
                    counts[cuts.partition_point(|cut| cut <= value)] += 1;
                }
            }
            counts
        });
    });
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    let spec = spec(&LAWS);
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(PANES as u64));
    for rows in [20, 200, 5_000] {
        let panes: Vec<CellSummary> =
            (0..PANES).map(|_| folded(&spec, &batch(rows, &LAWS, |_| 1.0))).collect();
        group.bench_function(format!("{rows} rows a pane"), |bencher| {
            bencher.iter(|| {
                let mut window = CellSummary::new(Arc::clone(&spec));
                for pane in black_box(&panes) {
                    window.merge(pane).expect("of one spec");
                }
                window
            });
        });
    }
    let panes = vec![vec![[1.0; 1_001]; FEATURES]; PANES];
    group.bench_function("bare", |bencher| {
        bencher.iter(|| {
            let mut window = vec![[0.0; 1_001]; FEATURES];
            for pane in black_box(&panes) {
                for (sums, cells) in window.iter_mut().zip(pane) {
                    sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
                }
            }
            window
        });
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let spec = spec(&LAWS);
    let mut group = criterion.benchmark_group("store");
    for rows in [20, 200, 5_000] {
        let cell = folded(&spec, &batch(rows, &LAWS, |_| 1.0));
        let bytes = cell.encode();
        println!("{rows} rows are stored in {} bytes a feature", bytes.len() / FEATURES);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("encode {rows} rows"), |bencher| {
            bencher.iter(|| black_box(&cell).encode());
        });
        group.bench_function(format!("decode {rows} rows"), |bencher| {
            bencher.iter(|| CellSummary::decode(black_box(&bytes), &spec).expect("just encoded"));
        });
        group.bench_function(format!("bare {rows} rows"), |bencher| {
            bencher.iter(|| {
                let copy = black_box(&bytes).clone();
                (crc32fast::hash(&copy), copy)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fold, merge, encode);
criterion_main!(benches);
