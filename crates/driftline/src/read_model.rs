//! The read API's questions, answered by the pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::ModelId;
use driftline_expose::{
    BoxFuture, CompareQuery, ModelDetail, ModelOverview, Page, ReadError, ReadModel, SegmentFilter,
    WindowsQuery,
};
use driftline_store::HistoryQuery;

use crate::pipeline::{PipelineHandle, Stopped};

/// Answers from the pipeline.
#[derive(Debug)]
pub(crate) struct PipelineModel {
    handle: PipelineHandle,
}

impl PipelineModel {
    pub(crate) const fn new(handle: PipelineHandle) -> Self {
        Self { handle }
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
                Some(page) => Ok(Page { windows: page.reports, next: page.next }),
                None => Err(ReadError::UnknownModel { model }),
            }
        })
    }

    fn compare(&self, query: CompareQuery) -> BoxFuture<'_, Result<Arc<WindowReport>, ReadError>> {
        Box::pin(async move { self.handle.compare(query).await.map_err(stopped)? })
    }

    fn ready(&self) -> Result<(), String> {
        if self.handle.is_running() { Ok(()) } else { Err("the pipeline has stopped".to_owned()) }
    }
}

fn stopped(error: Stopped) -> ReadError {
    ReadError::Unavailable { why: error.to_string() }
}
