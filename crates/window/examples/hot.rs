//! The way of an event, stage by stage, beside what the bare JSON parser needs for the same bytes.
//!
//! ```text
//! cargo run --release -p driftline-window --example hot            # a table; processor time, medians of 15 rounds
//! cargo build --release -p driftline-window --example hot
//! valgrind --tool=callgrind target/release/examples/hot decode 20  # one stage, 20 rounds, to be profiled
//! ```
//!
//! `parse` is sonic-rs into its own tree, line by line; `decode` gives Arrow batches; `fold` decodes and folds into
//! one summary; `push` decodes and goes through panes, windows and the label join, where every id is new. Events
//! have 20 numeric and 5 categorical features and some 650 bytes; `long` has numbers of 17 digits.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use driftline_events::{
    Carrier, DecodeContext, Decoded, EventTime, Feature, FeatureKind, Limits, ModelId, ModelRegistry,
    ModelSchema, RegisterError, Task, decode_predictions,
};
use driftline_summary::{CellSummary, SummarySpec};
use driftline_window::{Grids, MemoryPending, TimeOptions, TimeSpec, Windower};

/// Rows of a payload, and payloads of a round.
const ROWS: usize = 1_000;
const PAYLOADS: usize = 10;
/// Times that a stage runs between two looks at the processor time, which Linux may count in steps of 4 ms.
const REPEATS: usize = 20;
const STAGES: [&str; 4] = ["parse", "decode", "fold", "push"];

struct One(Arc<ModelSchema>);

impl ModelRegistry for One {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == self.0.model().as_str()).then(|| Arc::clone(&self.0))
    }

    fn register(&self, _inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

/// Steele, Lea & Flood's SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (-53_f64).exp2()
    }
}

fn model() -> One {
    let feature = |index: usize| {
        let (kind, what) = match index % 5 {
            4 => (FeatureKind::Categorical, "category"),
            _ => (FeatureKind::Numeric, "number"),
        };
        Feature { name: format!("{what}_{index:02}").into(), kind }
    };
    let id = ModelId::try_new("churn").expect("a good name");
    let features = (0..25).map(feature).collect();
    One(Arc::new(ModelSchema::new(id, Task::Binary, Some("yes".into()), features, Vec::new(), false)))
}

/// By turns bell-shaped, skewed with a far tail, of few whole numbers, and of many.
fn number(event: &mut String, index: usize, long: bool, random: &mut Random) {
    let digits = if long { 16 } else { 4 };
    match index % 4 {
        0 => write!(event, "{:.digits$}", (0..12).map(|_| random.uniform()).sum::<f64>() - 6.0),
        1 => write!(event, "{:.digits$}", (1.0 - random.uniform()).powf(-1.5)),
        2 => write!(event, "{}", random.next() % 50),
        _ => write!(event, "{}", random.next() % 1_000_000),
    }
    .expect("memory");
}

fn payloads(model: &One, long: bool) -> Vec<String> {
    let mut random = Random(7);
    let mut payloads = Vec::new();
    for payload in 0..PAYLOADS {
        let mut lines = String::new();
        for row in payload * ROWS..(payload + 1) * ROWS {
            write!(
                lines,
                "{{\"model\":\"churn\",\"version\":\"3\",\"prediction_id\":\"req-{row:08}\",\
                 \"timestamp\":\"2026-01-01T10:{:02}:{:02}.{:03}Z\",\"features\":{{",
                row / 1_000 % 60,
                row / 17 % 60,
                row % 1_000
            )
            .expect("memory");
            for (index, feature) in model.0.features().iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(lines, "{comma}\"{}\":", feature.name).expect("memory");
                match feature.kind {
                    FeatureKind::Numeric => number(&mut lines, index, long, &mut random),
                    _ => write!(lines, "\"plan-{}\"", random.next() % 50).expect("memory"),
                }
            }
            writeln!(
                lines,
                "}},\"prediction\":{{\"label\":\"yes\",\"score\":0.{:04}}},\"latency_ms\":{}.{},\"status\":\"ok\"}}",
                random.next() % 10_000,
                random.next() % 100,
                random.next() % 10
            )
            .expect("memory");
        }
        payloads.push(lines);
    }
    payloads
}

struct Bench {
    model: One,
    limits: Limits,
    payloads: Vec<String>,
    spec: Arc<SummarySpec>,
}

impl Bench {
    fn new(long: bool) -> Self {
        let model = model();
        let payloads = payloads(&model, long);
        let limits = Limits::default();
        let mut bench = Self { spec: SummarySpec::unlearned(&model.0), model, limits, payloads };
        let batches: Vec<_> =
            bench.payloads.iter().map(|payload| bench.decoded(payload).batches[0].rows.clone()).collect();
        bench.spec = SummarySpec::learn(&bench.model.0, &batches).expect("the decoder's layout");
        bench
    }

    fn decoded(&self, payload: &str) -> Decoded {
        let context = DecodeContext {
            registry: &self.model,
            limits: &self.limits,
            arrival: EventTime::from_millis(1_767_261_600_000),
            max_future: Duration::from_secs(7_200),
            default_model: None,
        };
        let decoded =
            decode_predictions(payload.as_bytes(), Carrier::Json, &context).expect("a usable payload");
        assert_eq!(decoded.accepted(), ROWS as u64);
        decoded
    }

    #[inline(never)]
    fn parse(&self) {
        for payload in &self.payloads {
            for line in payload.lines() {
                black_box(sonic_rs::from_str::<sonic_rs::Value>(line).expect("JSON"));
            }
        }
    }

    #[inline(never)]
    fn decode(&self) {
        for payload in &self.payloads {
            black_box(self.decoded(payload));
        }
    }

    #[inline(never)]
    fn fold(&self) {
        let mut cell = CellSummary::new(Arc::clone(&self.spec));
        for payload in &self.payloads {
            cell.fold(&self.decoded(payload).batches[0].rows).expect("the decoder's layout");
        }
        black_box(cell);
    }

    #[inline(never)]
    fn push(&self) {
        let time = TimeSpec::try_new(&TimeOptions::default(), &[]).expect("the defaults are good");
        let grids = Grids::Given(Arc::clone(&self.spec));
        let pending = Box::new(MemoryPending::new(1_000_000));
        let schema = Arc::clone(&self.model.0);
        let mut windower = Windower::new(schema, grids, time, Duration::ZERO, 100, pending);
        for payload in &self.payloads {
            let pushed = windower.push_predictions(&self.decoded(payload).batches[0].rows, None);
            assert_eq!(pushed.expect("the decoder's layout").accepted, ROWS as u64);
        }
        black_box(windower);
    }

    fn run(&self, stage: &str) {
        match stage {
            "parse" => self.parse(),
            "decode" => self.decode(),
            "fold" => self.fold(),
            "push" => self.push(),
            other => panic!("{other}: say parse, decode, fold or push"),
        }
    }
}

/// Nanoseconds that this process has had a processor for (Linux).
fn processor_time() -> u64 {
    let times = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells the processor time");
    times.split(' ').next().and_then(|time| time.parse().ok()).expect("its first figure is a number")
}

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let long = args.next_if(|arg| arg == "long").is_some();
    let bench = Bench::new(long);
    let rounds = |args: &mut dyn Iterator<Item = String>| {
        args.next().map_or(15, |rounds| rounds.parse().expect("rounds are a number"))
    };
    if let Some(stage) = args.next_if(|arg| STAGES.contains(&arg.as_str())) {
        return (0..rounds(&mut args)).for_each(|_| bench.run(&stage));
    }
    let mut taken = STAGES.map(|_| Vec::new());
    for _ in 0..rounds(&mut args) {
        // In turns, so that whatever else the machine does hits all alike.
        for (stage, taken) in STAGES.iter().zip(&mut taken) {
            let before = processor_time();
            (0..REPEATS).for_each(|_| bench.run(stage));
            taken.push(processor_time() - before);
        }
    }
    let bytes: usize = bench.payloads.iter().map(String::len).sum();
    println!("{} bytes an event", bytes / PAYLOADS / ROWS);
    let mut bare = 0.0;
    for (stage, mut taken) in STAGES.iter().zip(taken) {
        taken.sort_unstable();
        let median = taken[taken.len() / 2] as f64 / (PAYLOADS * ROWS * REPEATS) as f64;
        if *stage == "parse" {
            bare = median;
        }
        println!("{stage:8} {median:7.0} ns an event, {:5.2} of the bare parse's speed", bare / median);
    }
}
