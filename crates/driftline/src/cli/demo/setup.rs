//! The demo's service: configured in code, with a reference that need not be waited for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use driftline::Service;
use driftline::config::{Config, ModelConfig, ModelOptions, Options};
use driftline_evaluate::AlertOptions;
use driftline_events::{
    Carrier, DecodeContext, EventTime, ModelRegistry, ModelSchema, RegisterError, Span, Task, decode_labels,
    decode_predictions,
};
use driftline_simulate::{MODEL, POSITIVE, SimulateOptions, SimulateSpec, Simulator, churn_schema};
use driftline_summary::Reference;
use driftline_window::{Grids, MemoryPending, WindowOptions, Windower};

use super::WINDOW;

/// Rows of the reference: what a learned one has by default.
const REFERENCE_ROWS: usize = 10_000;

/// Starts the service with the simulated model and its reference.
pub(super) async fn service(
    listen: SocketAddr,
    state: &Path,
    simulate: &SimulateOptions,
) -> anyhow::Result<Service> {
    let schema = churn_schema();
    let mut options = Options::default();
    options.server.listen = listen;
    options.state.path = state.to_owned();
    options.models = vec![ModelOptions {
        positive: Some(POSITIVE.to_owned()),
        features: schema.features().to_vec(),
        segments: schema.segments().iter().map(ToString::to_string).collect(),
        windows: vec![
            WindowOptions { every: Some(Span::from_mins(5)), ..window(WINDOW, Span::from_mins(15)) },
            WindowOptions { every: Some(Span::from_mins(15)), ..window("1h", Span::from_mins(60)) },
        ],
        // The story is too short to wait for windows of an hour.
        alerts: Some(AlertOptions { window: Some(WINDOW.to_owned()), ..AlertOptions::default() }),
        ..ModelOptions::new(MODEL, Task::Binary)
    }];
    let config = Config::from_options(options, state.to_owned())?;
    let model = config.models.first().context("the demo has one model")?.clone();
    let reference = reference(&model, simulate)?;
    let service = Service::start(config, false).await?;
    while service.health().unready().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    service.handle().put_reference(model.schema.model().clone(), Arc::new(reference)).await??;
    Ok(service)
}

fn window(name: &str, length: Span) -> WindowOptions {
    WindowOptions { name: name.to_owned(), length, every: None, min_rows: 0, max_length: None }
}

/// Only the demo's model.
struct OneModel(Arc<ModelSchema>);

impl ModelRegistry for OneModel {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == self.0.model().as_str()).then(|| Arc::clone(&self.0))
    }

    fn register(&self, _: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

/// A reference of healthy predictions from before the story, learned as the service learns one.
fn reference(model: &ModelConfig, simulate: &SimulateOptions) -> anyhow::Result<Reference> {
    let spec = SimulateSpec::try_from(simulate.clone())?;
    let now = driftline::now();
    let events = Simulator::try_new(&spec, spec.start(now))?.reference_rows(REFERENCE_ROWS);
    let context = DecodeContext {
        registry: &OneModel(Arc::clone(&model.schema)),
        limits: &driftline_events::Limits::default(),
        arrival: now,
        // Labels are known some time after their predictions.
        max_future: Span::from_days(1).duration(),
        default_model: None,
    };
    let decoded = decode_predictions(&events.predictions_ndjson(), Carrier::Json, &context)?;
    let batch = decoded.batches.first().context("the reference has rows")?;
    let grids = Grids::Learned { rows: REFERENCE_ROWS as u64 };
    let pending = Box::new(MemoryPending::new(REFERENCE_ROWS));
    let mut windower = Windower::new(
        Arc::clone(&model.schema),
        grids,
        model.time.clone(),
        std::time::Duration::ZERO,
        model.options.max_segment_values,
        pending,
    );
    let learned = windower.push_predictions(&batch.rows, None)?.learned;
    let mut reference = learned.context("the rows suffice for a reference")?;
    // With their labels, so that the model's performance is known from the first window on.
    let labels = decode_labels(&events.labels_ndjson(), Carrier::Json, &context)?;
    for batch in &labels.batches {
        windower.push_labels(&batch.rows)?;
    }
    let whole = (EventTime::MIN, spec.start(now));
    reference.overall =
        windower.merged(whole.0, whole.1, None, None)?.context("the rows are in the panes")?;
    for (segment, summary) in &mut reference.segments {
        if let Some(labelled) = windower.merged(whole.0, whole.1, None, Some(segment))? {
            *summary = labelled;
        }
    }
    Ok(reference)
}
