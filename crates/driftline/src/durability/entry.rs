//! A submission as it stands in the journal: its decoded rows, so that a replay decodes nothing and cannot decide
//! otherwise than the first time.

use std::io::Cursor;
use std::sync::Arc;

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use driftline_events::{EventTime, Feature, ModelBatch, ModelId, ModelSchema, Task};
use driftline_source::{EventKind, Idempotency, Origin, Submission};
use serde::{Deserialize, Serialize};

/// The newest layout that is known here.
const VERSION: u8 = 2;
/// The same, but that its entries were compressed with zstd.
const FIRST: u8 = 1;
/// A mark that the journal can be written again; it holds no rows.
const PROBE: u8 = 0;
/// Entries from this size on are compressed.
const COMPRESSED_FROM: usize = 512;
/// How what follows an entry's head is written.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Half of the time of zstd's level -1, for a quarter more bytes.
const LZ4: u8 = 2;
/// Version, how it is written, and the length before compression.
const HEAD_BYTES: usize = 10;

/// What is replayed of a submission.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: EventKind,
    pub(crate) arrival: EventTime,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) batches: Vec<ModelBatch>,
}

/// A journal entry that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Written by a newer version.
    #[error("the entry has version {found} and the newest known here is {VERSION}: upgrade Driftline")]
    Newer {
        /// Its version.
        found: u8,
    },
    /// The bytes do not make sense, though the journal's checksum holds.
    #[error("the entry cannot be read: {what}; restore the state folder from a backup")]
    Damaged {
        /// Which part.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    label: bool,
    arrival: i64,
    idempotency: Option<(u128, u64, Vec<u8>)>,
    #[serde(borrow)]
    batches: Vec<StoredBatch<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredBatch<'a> {
    model: String,
    task: Task,
    positive: Option<String>,
    features: Vec<Feature>,
    segments: Vec<Arc<str>>,
    inferred: bool,
    #[serde(serialize_with = "as_bytes")]
    rows: std::borrow::Cow<'a, [u8]>,
}

/// At once, where serde would take them one by one.
fn as_bytes<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// The bytes of a submission that came over HTTP.
pub(crate) fn encode(submission: &Submission) -> Vec<u8> {
    let idempotency = match &submission.origin {
        Origin::Http { idempotency, .. } => idempotency.as_ref(),
        Origin::Kafka { .. } => None,
    };
    encode_parts(submission.event, submission.origin.arrival(), idempotency, &submission.batches)
}

fn encode_parts(
    event: EventKind,
    arrival: EventTime,
    idempotency: Option<&Idempotency>,
    batches: &[ModelBatch],
) -> Vec<u8> {
    let stored = StoredEntry {
        label: event == EventKind::Label,
        arrival: arrival.as_millis(),
        idempotency: idempotency.map(|known| (known.key, known.payload, known.answer.to_vec())),
        batches: batches.iter().map(stored_batch).collect(),
    };
    let rows: usize = stored.batches.iter().map(|batch| batch.rows.len()).sum();
    let room = Vec::with_capacity(rows + rows / 8 + COMPRESSED_FROM);
    let plain = postcard::to_extend(&stored, room).expect("a vector takes all");
    compressed(&plain).unwrap_or_else(|| [&head(PLAIN, plain.len()), &plain[..]].concat())
}

fn head(written: u8, length: usize) -> [u8; HEAD_BYTES] {
    let mut head = [VERSION, written, 0, 0, 0, 0, 0, 0, 0, 0];
    head[2..].copy_from_slice(&(length as u64).to_le_bytes());
    head
}

/// An entry's bytes, compressed; `None` if it is small, or larger than can be.
fn compressed(plain: &[u8]) -> Option<Vec<u8>> {
    let bound = lz4::block::compress_bound(plain.len()).ok().filter(|_| plain.len() >= COMPRESSED_FROM)?;
    let mut bytes = vec![0; HEAD_BYTES + bound];
    bytes[..HEAD_BYTES].copy_from_slice(&head(LZ4, plain.len()));
    let length = lz4::block::compress_to_buffer(plain, None, false, &mut bytes[HEAD_BYTES..]).ok()?;
    bytes.truncate(HEAD_BYTES + length);
    Some(bytes)
}

/// The bytes of an entry that holds nothing.
pub(crate) const fn probe() -> [u8; 1] {
    [PROBE]
}

fn stored_batch(batch: &ModelBatch) -> StoredBatch<'static> {
    let schema = &batch.schema;
    StoredBatch {
        model: schema.model().to_string(),
        task: schema.task(),
        positive: schema.positive().map(ToString::to_string),
        features: schema.features().to_vec(),
        segments: schema.segments().to_vec(),
        inferred: schema.inferred(),
        rows: write_rows(batch).into(),
    }
}

fn write_rows(batch: &ModelBatch) -> Vec<u8> {
    let columns = batch.rows.num_columns();
    // The columns, and what is said of each.
    let room = Vec::with_capacity(batch.rows.get_array_memory_size() + 512 * (columns + 1));
    let mut writer = StreamWriter::try_new(room, &batch.rows.schema()).expect("a vector takes all");
    writer.write(&batch.rows).expect("the rows have the schema they say");
    writer.into_inner().expect("a vector takes all")
}

impl Entry {
    /// The entry from its bytes; `None` for one that holds nothing.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, EntryError> {
        let damaged = |what: &dyn std::fmt::Display| EntryError::Damaged { what: what.to_string() };
        let (written, length, body) = match bytes {
            [PROBE] => return Ok(None),
            [FIRST | VERSION, written, rest @ ..] => {
                let (length, body) = rest.split_first_chunk::<8>().ok_or(damaged(&"its length"))?;
                let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| damaged(&error))?;
                (*written, length, body)
            }
            [found, ..] => return Err(EntryError::Newer { found: *found }),
            [] => return Err(damaged(&"it is empty")),
        };
        let plain = match written {
            PLAIN => body.to_vec(),
            ZSTD => zstd::bulk::decompress(body, length).map_err(|error| damaged(&error))?,
            LZ4 => {
                let most = i32::try_from(length).map_err(|error| damaged(&error))?;
                lz4::block::decompress(body, Some(most)).map_err(|error| damaged(&error))?
            }
            other => return Err(damaged(&format!("it is written in a way that is not known, {other}"))),
        };
        if plain.len() != length {
            return Err(damaged(&format!("{} bytes of {length}", plain.len())));
        }
        let stored: StoredEntry<'_> = postcard::from_bytes(&plain).map_err(|error| damaged(&error))?;
        let batches = stored.batches.into_iter().map(|batch| {
            let model = ModelId::try_new(&batch.model).map_err(|error| damaged(&error))?;
            let mut rows =
                StreamReader::try_new(Cursor::new(&*batch.rows), None).map_err(|error| damaged(&error))?;
            let rows =
                rows.next().ok_or(damaged(&"a batch without rows"))?.map_err(|error| damaged(&error))?;
            let positive = batch.positive.map(Arc::from);
            let StoredBatch { task, features, segments, inferred, .. } = batch;
            let schema = ModelSchema::new(model, task, positive, features, segments, inferred);
            Ok(ModelBatch { schema: Arc::new(schema), rows })
        });
        Ok(Some(Self {
            event: if stored.label { EventKind::Label } else { EventKind::Prediction },
            arrival: EventTime::from_millis(stored.arrival),
            idempotency: stored.idempotency.map(|(key, payload, answer)| Idempotency {
                key,
                payload,
                answer: answer.into(),
            }),
            batches: batches.collect::<Result<_, _>>()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float64Array, RecordBatch};

    use super::*;

    fn batches(rows: usize) -> Vec<ModelBatch> {
        let x = Float64Array::from_iter_values((0..rows).map(|row| row as f64 / 3.0));
        let rows = RecordBatch::try_from_iter([("feature.x", Arc::new(x) as ArrayRef)]).unwrap();
        let feature = Feature { name: "x".into(), kind: driftline_events::FeatureKind::Numeric };
        let model = ModelId::try_new("m").unwrap();
        let schema = ModelSchema::new(
            model,
            Task::Binary,
            Some("yes".into()),
            vec![feature],
            vec!["tag".into()],
            true,
        );
        vec![ModelBatch { schema: Arc::new(schema), rows }]
    }

    fn idempotency() -> Idempotency {
        Idempotency { key: 7 << 100, payload: 9, answer: (*b"{}").into() }
    }

    fn bytes_of(rows: usize) -> Vec<u8> {
        encode_parts(EventKind::Label, EventTime::from_millis(-5), Some(&idempotency()), &batches(rows))
    }

    #[test]
    fn an_entry_comes_back_small_or_large() {
        for rows in [1, 10_000] {
            let entry = Entry::decode(&bytes_of(rows)).unwrap().unwrap();
            assert_eq!((entry.event, entry.arrival.as_millis()), (EventKind::Label, -5));
            assert_eq!(entry.idempotency, Some(idempotency()));
            let (found, sent) = (&entry.batches[0], &batches(rows)[0]);
            assert_eq!(found.rows, sent.rows);
            assert_eq!(format!("{:?}", found.schema), format!("{:?}", sent.schema));
        }
        assert!(Entry::decode(&probe()).unwrap().is_none());
    }

    #[test]
    fn an_entry_of_the_first_version_comes_back() {
        let bytes = bytes_of(10_000);
        let (length, body) = bytes[2..].split_first_chunk::<8>().unwrap();
        let plain = lz4::block::decompress(body, Some(u64::from_le_bytes(*length) as i32)).unwrap();
        let zstd = zstd::bulk::compress(&plain, -1).unwrap();
        for (written, body) in [(ZSTD, &zstd), (PLAIN, &plain)] {
            let first = [&[FIRST, written], &length[..], body].concat();
            let entry = Entry::decode(&first).unwrap().unwrap();
            assert_eq!(entry.batches[0].rows, batches(10_000)[0].rows);
        }
        let unknown = [&[VERSION, 9], &length[..], &plain].concat();
        let error = Entry::decode(&unknown).unwrap_err().to_string();
        assert!(error.contains("not known"), "{error}");
    }

    #[test]
    fn cut_and_newer_entries_are_errors() {
        let mut bytes = bytes_of(100);
        for length in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
        }
        bytes[0] = VERSION + 1;
        let error = Entry::decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("upgrade"), "{error}");
    }
}
