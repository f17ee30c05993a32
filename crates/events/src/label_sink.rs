//! Where label events of every model and carrier end up.

use rustc_hash::FxHashMap;

use crate::event::{Event, Rules};
use crate::label_batch::LabelBatch;
use crate::prediction_sink::model_name;
use crate::reject::{Fault, Reason, Rejections, shown};
use crate::{DecodeContext, Decoded, Limits};

/// The label batches of one payload.
pub(crate) struct LabelSink<'c> {
    context: DecodeContext<'c>,
    rules: Rules<'c>,
    batches: Vec<LabelBatch>,
    places: FxHashMap<Box<str>, usize>,
    ignored: u64,
}

impl<'c> LabelSink<'c> {
    pub(crate) fn new(context: &DecodeContext<'c>) -> Self {
        Self {
            context: *context,
            rules: Rules::new(context),
            batches: Vec::new(),
            places: FxHashMap::default(),
            ignored: 0,
        }
    }

    /// The rows that follow have this context; it differs from the one before only in what concerns single rows.
    pub(crate) fn set_context(&mut self, context: &DecodeContext<'c>) {
        self.context = *context;
        self.rules = Rules::new(context);
    }

    pub(crate) const fn limits(&self) -> &'c Limits {
        self.context.limits
    }

    /// Takes an event, or says why not.
    pub(crate) fn push(&mut self, event: &mut Event<'_>) -> Result<(), Fault> {
        let place = self.place(model_name(event, &self.context)?)?;
        let batch = &mut self.batches[place];
        let facts = event.label(batch.schema().task(), &self.rules)?;
        batch.push(&facts);
        self.ignored += event.ignored;
        Ok(())
    }

    fn place(&mut self, model: &str) -> Result<usize, Fault> {
        if let Some(&place) = self.places.get(model) {
            return Ok(place);
        }
        let schema = self.context.registry.schema(model).ok_or_else(|| {
            let detail = format!("model {:?} is not known, and a label cannot make it known", shown(model));
            Fault::new(Reason::UnknownModel, detail)
        })?;
        self.batches.push(LabelBatch::new(schema));
        self.places.insert(model.into(), self.batches.len() - 1);
        Ok(self.batches.len() - 1)
    }

    pub(crate) fn finish(self, rejections: Rejections) -> Decoded {
        let (rejected, rejected_total) = rejections.finish();
        let batches = self.batches.into_iter().filter_map(LabelBatch::finish).collect();
        Decoded { batches, rejected, rejected_total, ignored_fields: self.ignored }
    }
}
