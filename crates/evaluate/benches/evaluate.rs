//! The report on one window of 25 features. The target is under a millisecond.

#[path = "../tests/model/mod.rs"]
mod model;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
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
    }
}

criterion_group!(benches, windows);
criterion_main!(benches);
