//! The report on one window of 25 features. The target is under a millisecond.
//!
//! `bare` reads both sides' cells once and takes one logarithm of each pair: the PSI over the cells and nothing else.

#[path = "../tests/model/mod.rs"]
mod model;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use driftline_summary::{CellSummary, FeatureSummary};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn windows(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let laws = model::laws();
    let reference = model::reference(&laws, 10_000, &mut rng);
    let mut group = criterion.benchmark_group("evaluate 25 features");
    for rows in [100, 1_000, 100_000] {
        let current = model::window(&reference, &laws, rows, &mut rng, |_, value| value);
        group.bench_function(format!("{rows} rows"), |bencher| {
            bencher.iter(|| model::report(black_box(&current), black_box(&reference)));
        });
        group.bench_function(format!("{rows} rows, bare"), |bencher| {
            bencher.iter(|| bare(black_box(&current), black_box(&reference)));
        });
    }
}

fn bare(current: &CellSummary, reference: &CellSummary) -> f64 {
    let cells = |feature: &FeatureSummary| match feature {
        FeatureSummary::Numeric(summary) => summary.cells().to_dense(),
        FeatureSummary::Categorical(summary) => summary.counts().to_dense(),
    };
    let part = |(r, c): (f64, f64)| if r > 0.0 && c > 0.0 { (c - r) * (c / r).ln() } else { 0.0 };
    let features = reference.features.iter().zip(&current.features);
    features.map(|(r, c)| cells(r).into_iter().zip(cells(c)).map(part).sum::<f64>()).sum()
}

criterion_group!(benches, windows);
criterion_main!(benches);
