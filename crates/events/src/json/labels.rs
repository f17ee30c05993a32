//! JSON label events.

use super::keys::KeyOrder;
use super::row::{LABEL_KEYS, ReadEvent, Row};
use super::syntax::Syntax;
use super::{Outcome, Payload, Read, ReadRow, RowError, read_rows};
use crate::label_sink::LabelSink;
use crate::reject::Rejections;
use crate::{DecodeContext, PayloadError};

/// Reads a JSON payload of label events.
pub(crate) fn decode_labels(payload: Payload<'_>, context: &DecodeContext<'_>) -> Result<Read, PayloadError> {
    let mut rejections = Rejections::new(context.limits.rejected_details);
    let mut reader = Labels { sink: LabelSink::new(context), order: KeyOrder::default() };
    // A label shows nothing of its model's features, so unknown models are never registered by one: the sink
    // rejects them.
    let read = read_rows(payload, context, &mut reader, &mut rejections)?;
    debug_assert!(read.unknown.is_empty(), "the sink rejects labels of unknown models");
    Ok(Read { decoded: reader.sink.finish(rejections), starts: read.starts, parts: None })
}

struct Labels<'c> {
    sink: LabelSink<'c>,
    order: KeyOrder,
}

impl<'c> ReadRow<'c> for Labels<'c> {
    fn set_context(&mut self, context: &DecodeContext<'c>) {
        self.sink.set_context(context);
    }

    fn read<'a, S: Syntax>(
        &mut self,
        text: &'a str,
        row: &mut Row<'a>,
    ) -> Result<Outcome, RowError<S::Error>> {
        let limits = self.sink.limits();
        let (order, models) = (&mut self.order, &mut ());
        S::read(text, limits.depth, ReadEvent { keys: LABEL_KEYS, order, row: &mut *row, models, limits })
            .map_err(RowError::Syntax)?;
        if let Some(fault) = row.fault.take() {
            return Ok(Outcome::Rejected(fault));
        }
        match self.sink.push(&mut row.event) {
            Ok(()) => Ok(Outcome::Taken),
            Err(fault) => Ok(Outcome::Rejected(fault)),
        }
    }
}
