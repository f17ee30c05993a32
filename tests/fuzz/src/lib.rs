//! What every fuzz target does with its bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline_events::{
    Carrier, DecodeContext, EventTime, Feature, FeatureKind, Limits, ModelId, ModelRegistry, ModelSchema,
    RegisterError, Task, decode_labels, decode_predictions,
};

struct Registry(Mutex<BTreeMap<String, Arc<ModelSchema>>>);

impl ModelRegistry for Registry {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        self.0.lock().expect("no panic while held").get(model).cloned()
    }

    fn register(&self, inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        let schema = Arc::new(inferred);
        let name = schema.model().as_str().to_owned();
        self.0.lock().expect("no panic while held").insert(name, Arc::clone(&schema));
        Ok(schema)
    }
}

/// Decodes the bytes as both kinds of event; panics if a batch does not keep to what was promised.
pub fn decode(payload: &[u8], carrier: Carrier) {
    let features =
        [("a", FeatureKind::Numeric), ("b", FeatureKind::Categorical), ("c", FeatureKind::Boolean)]
            .map(|(name, kind)| Feature { name: name.into(), kind })
            .to_vec();
    let id = ModelId::try_new("m").expect("a good name");
    let schema = ModelSchema::new(id, Task::Binary, Some("1".into()), features, vec!["t".into()], false);
    let registry = Registry(Mutex::new([("m".to_owned(), Arc::new(schema))].into()));
    let limits = Limits::default();
    let context = DecodeContext {
        registry: &registry,
        limits: &limits,
        arrival: EventTime::from_millis(1_767_261_600_000),
        max_future: Duration::from_secs(600),
        default_model: Some("m"),
    };
    for decoded in [decode_predictions(payload, carrier, &context), decode_labels(payload, carrier, &context)]
        .into_iter()
        .flatten()
    {
        assert_eq!(decoded.rejected.len() as u64, decoded.rejected_total.min(limits.rejected_details as u64));
        for batch in &decoded.batches {
            assert!(batch.rows.num_rows() > 0);
        }
    }
}
