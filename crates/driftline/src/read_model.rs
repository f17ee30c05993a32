//! The read API's questions, answered by the pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::ModelId;
use driftline_expose::{
    BoxFuture, CompareQuery, ModelDetail, ModelOverview, Page, ReadError, ReadModel, SegmentFilter,
    WindowsQuery,
};
use driftline_source::KafkaStatus;
use driftline_store::HistoryQuery;

use crate::durability::{Health, causes};
use crate::pipeline::{PipelineHandle, Stopped};

/// Answers from the pipeline.
#[derive(Debug)]
pub(crate) struct PipelineModel {
    handle: PipelineHandle,
    health: Arc<Health>,
    kafka: Option<KafkaStatus>,
}

impl PipelineModel {
    pub(crate) const fn new(handle: PipelineHandle, health: Arc<Health>, kafka: Option<KafkaStatus>) -> Self {
        Self { handle, health, kafka }
    }
}

impl ReadModel for PipelineModel {
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelOverview>, ReadError>> {
        Box::pin(async move {
            let details = self.handle.models().await.map_err(stopped)?;
            Ok(details.into_iter().map(|detail| detail.overview).collect())
        })
    }

    fn model(&self, model: ModelId) -> BoxFuture<'_, Result<ModelDetail, ReadError>> {
        Box::pin(async move {
            let details = self.handle.models().await.map_err(stopped)?;
            let found = details.into_iter().find(|detail| detail.overview.model == model.as_str());
            found.ok_or_else(|| ReadError::UnknownModel { model: model.to_string() })
        })
    }

    fn windows(&self, query: WindowsQuery) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let model = query.model.to_string();
            let asked = HistoryQuery {
                model: model.clone(),
                window: query.window,
                version: query.version,
                segment: match query.segment {
                    SegmentFilter::Whole => Some(BTreeMap::new()),
                    SegmentFilter::One { tag, value } => Some(BTreeMap::from([(tag, value)])),
                    SegmentFilter::Any => None,
                },
                from: query.from,
                to: query.to,
                latest: query.latest,
                after: query.cursor,
                limit: query.limit,
            };
            match self.handle.find(asked).await.map_err(stopped)? {
                Some(Ok(page)) => Ok(Page { windows: page.reports, next: page.next }),
                Some(Err(error)) => Err(ReadError::Unavailable { why: causes(&error) }),
                None => Err(ReadError::UnknownModel { model }),
            }
        })
    }

    fn compare(&self, query: CompareQuery) -> BoxFuture<'_, Result<Arc<WindowReport>, ReadError>> {
        Box::pin(async move { self.handle.compare(query).await.map_err(stopped)? })
    }

    fn ready(&self) -> Result<(), String> {
        if !self.handle.is_running() {
            return Err("the pipeline has stopped".to_owned());
        }
        if let Some(why) = self.health.unready() {
            return Err(why);
        }
        match self.kafka.as_ref().map(KafkaStatus::snapshot) {
            Some(kafka) if !kafka.connected => {
                let cause = kafka.error.map_or_else(|| "no broker answers".to_owned(), |fault| fault.text);
                Err(format!("Kafka is not connected: {cause}"))
            }
            _ => Ok(()),
        }
    }
}

fn stopped(error: Stopped) -> ReadError {
    ReadError::Unavailable { why: error.to_string() }
}
