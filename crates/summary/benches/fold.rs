//! Folding a batch of a million rows with twenty numeric features into an empty cell.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::record_batch::RecordBatch;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use driftline_events::{Feature, FeatureKind, ModelId, ModelSchema, Task, layout};
use driftline_summary::{CellSummary, SummarySpec};

const ROWS: usize = 1_000_000;
const FEATURES: usize = 20;

/// Steele, Lea & Flood's SplitMix64, as a number in `[0, 1)`.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 * (-53_f64).exp2()
}

/// By turns uniform, bell-shaped, skewed with a far tail, and of 50 distinct values.
fn value(feature: usize, state: &mut u64) -> f64 {
    match feature % 4 {
        0 => uniform(state),
        1 => (0..12).map(|_| uniform(state)).sum::<f64>() - 6.0,
        2 => (1.0 - uniform(state)).powf(-1.5),
        _ => (uniform(state) * 50.0).floor(),
    }
}

fn batch(rows: usize, weight: impl Fn(usize) -> f64) -> RecordBatch {
    let mut state = 7;
    let weights: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(weight)));
    let mut columns = vec![(layout::WEIGHT.to_owned(), weights)];
    for feature in 0..FEATURES {
        let values = Float64Array::from_iter_values((0..rows).map(|_| value(feature, &mut state)));
        columns.push((layout::feature(&format!("f{feature}")), Arc::new(values) as ArrayRef));
    }
    RecordBatch::try_from_iter(columns).expect("columns are of one length")
}

fn fold(criterion: &mut Criterion) {
    let features = (0..FEATURES)
        .map(|feature| Feature { name: format!("f{feature}").into(), kind: FeatureKind::Numeric })
        .collect();
    let model = ModelId::try_new("bench").expect("a valid name");
    let schema = ModelSchema::new(model, Task::Regression, None, features, Vec::new(), false);
    let spec = SummarySpec::learn(&schema, &[batch(100_000, |_| 1.0)]).expect("the columns are numbers");
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements((ROWS * FEATURES) as u64)).sample_size(10);
    for (name, rows) in
        [("unweighted", batch(ROWS, |_| 1.0)), ("weighted", batch(ROWS, |row| (row % 3) as f64))]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut cell = CellSummary::new(Arc::clone(&spec));
                cell.fold(black_box(&rows)).expect("the columns are numbers");
                cell
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
