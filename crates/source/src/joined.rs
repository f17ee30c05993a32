//! Small submissions that wait for the disk together become one.
//!
//! A batch of one row costs nearly what one of a hundred does: its columns are written, read and folded one by one. Whoever
//! sends an event a request pays for it once a group, and not once an event.

use std::sync::Arc;

use arrow::compute::concat_batches;
use driftline_events::ModelBatch;

use crate::submission::{EventKind, Origin, Reply, Submission};

/// Submissions up to this many rows are joined: above, a batch is worth its columns.
const SMALL_ROWS: usize = 32;

/// Joins small submissions (predictions of one model, without an idempotency key) of the same model and columns. Those of a
/// model keep their order; each sender is told of its own rows.
#[must_use]
pub fn join_small(group: Vec<Submission>) -> Vec<Submission> {
    let mut runs: Vec<Vec<Submission>> = Vec::with_capacity(group.len());
    for submission in group {
        // The last submission of the model: what comes after it must stay after it.
        let run = runs.iter_mut().rev().find(|run| is_same_model(&run[0], &submission));
        match run {
            Some(run) if can_join(&run[0], &submission) => run.push(submission),
            _ => runs.push(vec![submission]),
        }
    }
    runs.into_iter().flat_map(joined).collect()
}

/// A submission that can be joined with others: predictions of one model, few, and without a key by which its answer is
/// found again.
fn small(submission: &Submission) -> Option<&ModelBatch> {
    let is_plain = matches!(submission.origin, Origin::Http { idempotency: None, .. })
        && submission.event == EventKind::Prediction;
    match submission.batches.as_slice() {
        [batch] if is_plain && batch.rows.num_rows() <= SMALL_ROWS => Some(batch),
        _ => None,
    }
}

fn is_same_model(one: &Submission, other: &Submission) -> bool {
    let is_of_other =
        |batch: &ModelBatch| other.batches.iter().any(|theirs| theirs.schema.model() == batch.schema.model());
    one.batches.iter().any(is_of_other)
}

fn can_join(one: &Submission, other: &Submission) -> bool {
    let Some((one, other)) = small(one).zip(small(other)) else { return false };
    Arc::ptr_eq(&one.schema, &other.schema) && one.rows.schema_ref() == other.rows.schema_ref()
}

fn joined(mut run: Vec<Submission>) -> Vec<Submission> {
    let [first, _, ..] = run.as_slice() else { return run };
    let batches = run.iter().flat_map(|submission| &submission.batches);
    let schema = Arc::clone(&first.batches[0].schema);
    let Ok(rows) = concat_batches(first.batches[0].rows.schema_ref(), batches.map(|batch| &batch.rows))
    else {
        // A dictionary that is too large for its keys, say: they go one by one.
        return run;
    };
    // The time moves on with it before a row is looked at: by the last arrival the first rows could be too late.
    let origin = Origin::Http { arrival: first.origin.arrival(), idempotency: None };
    let replies = run.drain(..).map(|submission| submission.reply).collect();
    let batches = vec![ModelBatch { schema, rows }];
    vec![Submission { event: EventKind::Prediction, batches, origin, reply: Reply::joined(replies) }]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
    use arrow::datatypes::Float64Type;
    use driftline_events::{EventTime, ModelId, ModelSchema, Task};
    use tokio::sync::oneshot;

    use super::*;
    use crate::memory::Memory;
    use crate::submission::{Idempotency, Receipt, Taken};

    fn schema(model: &str) -> Arc<ModelSchema> {
        let model = ModelId::try_new(model).unwrap();
        Arc::new(ModelSchema::new(model, Task::Regression, None, Vec::new(), Vec::new(), false))
    }

    async fn submission(
        event: EventKind,
        schema: &Arc<ModelSchema>,
        values: &[f64],
        key: Option<u128>,
    ) -> (Submission, oneshot::Receiver<Receipt>) {
        let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let rows = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let batches = vec![ModelBatch { schema: Arc::clone(schema), rows }];
        let memory = Memory::new(1 << 20, Duration::from_secs(1)).reserve(1).await.unwrap();
        let (reply, receipt) = Reply::new(event, &batches, Arc::default(), memory, Box::new(|| {}));
        let idempotency = key.map(|key| Idempotency { key, payload: 0, answer: Arc::default() });
        let origin = Origin::Http { arrival: EventTime::from_millis(values.len() as i64), idempotency };
        (Submission { event, batches, origin, reply }, receipt)
    }

    fn values(submission: &Submission) -> Vec<f64> {
        submission.batches[0].rows.column(0).as_primitive::<Float64Type>().values().to_vec()
    }

    #[tokio::test]
    async fn small_submissions_of_a_model_become_one_and_each_sender_hears_of_its_rows() {
        let (a, b) = (schema("a"), schema("b"));
        let (one, first) = submission(EventKind::Prediction, &a, &[1.0], None).await;
        let (two, second) = submission(EventKind::Prediction, &b, &[2.0], None).await;
        let (three, third) = submission(EventKind::Prediction, &a, &[3.0, 4.0], None).await;
        let mut group = join_small(vec![one, two, three]);
        assert_eq!(group.iter().map(values).collect::<Vec<_>>(), [vec![1.0, 3.0, 4.0], vec![2.0]]);
        let (other, joined) = (group.remove(1), group.remove(0));
        assert_eq!(joined.origin.arrival(), EventTime::from_millis(1), "when the first of them came");
        assert_eq!((joined.reply.senders(), other.reply.senders()), (2, 1));
        assert_eq!(joined.reply.joined_rows().collect::<Vec<_>>(), [1, 2]);
        let taken = [Taken { duplicates: 1, ..Taken::default() }, Taken { accepted: 2, ..Taken::default() }];
        joined.reply.send(Receipt::of(taken.to_vec()));
        assert_eq!(
            (first.await.unwrap().taken, third.await.unwrap().taken),
            (vec![taken[0]], vec![taken[1]])
        );
        drop(other);
        assert!(second.await.is_err(), "the other model's sender has its own");
    }

    #[tokio::test]
    async fn what_cannot_be_joined_stays_as_it_is_and_in_order() {
        let a = schema("a");
        let many = vec![0.0; SMALL_ROWS + 1];
        let mut group = Vec::new();
        for (event, values, key) in [
            (EventKind::Prediction, &[1.0][..], None),
            (EventKind::Label, &[2.0], None),
            (EventKind::Prediction, &[3.0], None),
            (EventKind::Prediction, &[4.0], Some(7)),
            (EventKind::Prediction, &many, None),
            (EventKind::Label, &[5.0], None),
            (EventKind::Label, &[6.0], None),
        ] {
            group.push(submission(event, &a, values, key).await.0);
        }
        let joined = join_small(group);
        let found: Vec<(EventKind, f64)> = joined.iter().map(|one| (one.event, values(one)[0])).collect();
        let (prediction, label) = (EventKind::Prediction, EventKind::Label);
        assert_eq!(
            found,
            [
                (prediction, 1.0),
                (label, 2.0),
                (prediction, 3.0),
                (prediction, 4.0),
                (prediction, 0.0),
                (label, 5.0),
                (label, 6.0)
            ]
        );
    }

    #[tokio::test]
    async fn a_refusal_reaches_every_sender() {
        let a = schema("a");
        let (one, first) = submission(EventKind::Prediction, &a, &[1.0], None).await;
        let (two, second) = submission(EventKind::Prediction, &a, &[2.0], None).await;
        let joined = join_small(vec![one, two]).remove(0);
        joined.reply.send(Receipt::refused(crate::StorageFault::Full));
        for receipt in [first.await.unwrap(), second.await.unwrap()] {
            assert_eq!(receipt, Receipt::refused(crate::StorageFault::Full));
        }
    }
}
