//! How fast prediction events are decoded, beside what the bare JSON parser needs for the same bytes.
//!
//! `cargo bench -p driftline-events` prints rows per second. `parse_values` parses each line into sonic-rs's
//! own tree, `parse_skip` validates each line and keeps nothing.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use driftline_events::{
    Carrier, DecodeContext, EventTime, Feature, FeatureKind, Limits, ModelId, ModelRegistry, ModelSchema,
    RegisterError, Task, decode_predictions,
};
use serde::de::IgnoredAny;

const ROWS: usize = 10_000;

struct One(Arc<ModelSchema>);

impl ModelRegistry for One {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == self.0.model().as_str()).then(|| Arc::clone(&self.0))
    }

    fn register(&self, _inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

/// 25 features: 20 numbers, 5 categories.
fn model() -> One {
    let kind = |index| if index % 5 == 4 { FeatureKind::Categorical } else { FeatureKind::Numeric };
    let features = (0..25)
        .map(|index| Feature { name: format!("feature_{index:02}").into(), kind: kind(index) })
        .collect();
    let id = ModelId::try_new("churn").expect("a good name");
    One(Arc::new(ModelSchema::new(id, Task::Binary, Some("yes".into()), features, Vec::new(), false)))
}

/// Events of some 650 bytes.
fn events(model: &One) -> Vec<String> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    (0..ROWS)
        .map(|row| {
            let mut event = format!(
                "{{\"model\":\"churn\",\"version\":\"3\",\"prediction_id\":\"req-{row:08}\",\
                 \"timestamp\":\"2026-01-01T10:{:02}:{:02}.{:03}Z\",\"features\":{{",
                row / 60 % 60,
                row % 60,
                row % 1000
            );
            for (index, feature) in model.0.features().iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let name = &feature.name;
                match feature.kind {
                    FeatureKind::Numeric => {
                        write!(event, "{comma}\"{name}\":{}", next() % 1_000_000).expect("memory");
                        if index % 2 == 0 {
                            write!(event, ".{}", next() % 1_000).expect("memory");
                        }
                    }
                    _ => write!(event, "{comma}\"{name}\":\"plan-{}\"", next() % 50).expect("memory"),
                }
            }
            write!(
                event,
                "}},\"prediction\":{{\"label\":\"yes\",\"score\":0.{:04}}},\"latency_ms\":{}.{},\"status\":\"ok\"}}",
                next() % 10_000,
                next() % 100,
                next() % 10
            )
            .expect("memory");
            event
        })
        .collect()
}

fn decode(c: &mut Criterion) {
    let model = model();
    let events = events(&model);
    let lines = events.join("\n");
    let array = format!("[{}]", events.join(","));
    println!("{} bytes an event", lines.len() / ROWS);
    let limits = Limits::default();
    let context = DecodeContext {
        registry: &model,
        limits: &limits,
        arrival: EventTime::from_millis(1_767_261_600_000),
        max_future: Duration::from_secs(7_200),
        default_model: None,
    };
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.sample_size(20);
    group.bench_function("parse_values", |b| {
        b.iter(|| {
            for line in lines.split('\n') {
                black_box(sonic_rs::from_str::<sonic_rs::Value>(line).expect("JSON"));
            }
        });
    });
    group.bench_function("parse_skip", |b| {
        b.iter(|| {
            for line in lines.split('\n') {
                black_box(sonic_rs::from_str::<IgnoredAny>(line).expect("JSON"));
            }
        });
    });
    for (name, payload) in [("ndjson", &lines), ("array", &array)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let decoded =
                    decode_predictions(payload.as_bytes(), Carrier::Json, &context).expect("usable");
                assert_eq!(decoded.accepted(), ROWS as u64);
                decoded
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
