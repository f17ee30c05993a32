//! The rows: 20 numbers, 5 categories and a prediction, the same whenever and in whatever pieces they are made.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 0x6472_6966_746c_696e;
/// Rows that are drawn from one generator, so that any part can be made alone.
const BLOCK: u64 = 10_000;

pub(crate) const MODEL: &str = "bench";
pub(crate) const NUMBERS: usize = 20;
/// How many values each category has.
pub(crate) const CATEGORIES: [u16; 5] = [2, 5, 20, 50, 500];

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Reference,
    /// Of other rows; `number_00`, `number_04` and `category_1` have drifted.
    Current,
}

/// A row, without its time and id.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) numbers: [f64; NUMBERS],
    pub(crate) categories: [u16; CATEGORIES.len()],
    pub(crate) score: f64,
    pub(crate) latency_ms: f64,
}

impl Row {
    pub(crate) fn label(&self) -> &'static str {
        if self.score > 0.5 { "yes" } else { "no" }
    }
}

/// Rows `0..count`.
pub(crate) fn rows(part: Part, count: u64) -> impl Iterator<Item = Row> {
    (0..count.div_ceil(BLOCK)).flat_map(move |block| {
        let stream = block * 2 + u64::from(part == Part::Current);
        let mut rng = ChaCha8Rng::seed_from_u64(SEED.wrapping_add(stream));
        let rows = BLOCK.min(count - block * BLOCK);
        (0..rows).map(move |_| row(part, &mut rng))
    })
}

fn row(part: Part, rng: &mut ChaCha8Rng) -> Row {
    let drifted = part == Part::Current;
    let mut numbers = [0.0; NUMBERS];
    for (position, number) in numbers.iter_mut().enumerate() {
        // Box and Muller (1958); by turns bell-shaped, skewed, counts, mostly zero, and amounts with a far tail.
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        let exponential = -(1.0 - u).ln();
        let normal = (2.0 * exponential).sqrt() * (std::f64::consts::TAU * v).cos();
        *number = match position % 5 {
            0 => rounded(normal + if drifted && position == 0 { 0.5 } else { 0.0 }, 1e4),
            1 => rounded(100.0 * exponential, 1e3),
            2 => (exponential / std::f64::consts::LN_2).floor(),
            3 => rounded(if v < 0.9 { 0.0 } else { 50.0 * exponential }, 1e2),
            _ => rounded(normal.exp() * if drifted && position == 4 { 26.0 } else { 20.0 }, 1e2),
        };
    }
    let mut categories = [0; CATEGORIES.len()];
    for (position, (category, count)) in categories.iter_mut().zip(CATEGORIES).enumerate() {
        let u: f64 = rng.random();
        let share = if drifted && position == 1 { u } else { u * u };
        *category = (f64::from(count) * share) as u16;
    }
    let latency: f64 = rng.random();
    Row {
        numbers,
        categories,
        score: rounded(rng.random(), 1e4),
        latency_ms: rounded(-12.0 * (1.0 - latency).ln(), 1e2),
    }
}

/// To so many parts of one, and never a negative zero.
fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts + 0.0
}

pub(crate) fn number_name(position: usize) -> String {
    format!("number_{position:02}")
}

pub(crate) fn category_name(position: usize) -> String {
    format!("category_{position}")
}

pub(crate) fn category_value(value: u16) -> String {
    format!("value-{value:03}")
}
