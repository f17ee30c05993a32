use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::TimestampMillisecondType;
use arrow::ipc::writer::StreamWriter;
use driftline_events::{EventTime, ModelRegistry, ModelSchema, layout};

use super::super::tests::Registry;
use super::*;

const NOW: EventTime = EventTime::from_millis(1_767_261_600_000);

fn row(id: &str) -> String {
    format!(
        r#"{{"model":"churn","prediction_id":"{id}","features":{{"age":41}},"prediction":{{"score":0.8}}}}"#
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn arrow_stream(ids: &[&str]) -> Vec<u8> {
    let models: ArrayRef = Arc::new(StringArray::from(vec!["churn"; ids.len()]));
    let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
    let batch = RecordBatch::try_from_iter([("model", models), ("prediction_id", ids)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn message(value: &[u8]) -> RawMessage<'_> {
    RawMessage { value: Some(value), time: Some(NOW), ..RawMessage::default() }
}

fn typed<'m>(value: &'m [u8], content_type: &'m str) -> RawMessage<'m> {
    RawMessage { content_type: Some(content_type.into()), ..message(value) }
}

fn read(raws: &[RawMessage<'_>]) -> Messages {
    let (registry, limits) = (Registry, Limits::default());
    let max_future = Duration::from_secs(600);
    let context =
        DecodeContext { registry: &registry, limits: &limits, arrival: NOW, max_future, default_model: None };
    decode(EventKind::Prediction, raws, &context)
}

fn rows(read: &Messages) -> usize {
    read.batches.iter().map(|batch| batch.rows.num_rows()).sum()
}

/// Place, reason and rejected rows of each faulty message.
fn faults(read: &Messages) -> Vec<(usize, &str, u64)> {
    read.faulty.iter().map(|faulty| (faulty.message, faulty.reason(), faulty.rows_total)).collect()
}

#[test]
fn every_form_is_read() {
    let (one, array, lines) =
        (row("a"), format!("[{},{}]", row("b"), row("c")), format!("{}\n{}", row("d"), row("e")));
    let event =
        |data: &str| format!(r#"{{"specversion":"1.0","id":"1","type":"t","source":"s","data":{data}}}"#);
    let (structured, batch) = (event(&one), format!("[{},{}]", event(&row("f")), event(&row("g"))));
    let base64 = r#"{"specversion":"1.0","data_base64":"eyJtb2RlbCI6ImNodXJuIn0=","datacontenttype":"application/json"}"#;
    let text = event(&serde_json::to_string(&lines).unwrap());
    let (gzipped, zipped) = (gzip(one.as_bytes()), zstd::encode_all(array.as_bytes(), 1).unwrap());
    let stream = arrow_stream(&["h", "i", "j"]);
    let raws = [
        message(one.as_bytes()),
        message(array.as_bytes()),
        message(lines.as_bytes()),
        typed(structured.as_bytes(), "application/cloudevents+json; charset=UTF-8"),
        typed(batch.as_bytes(), "application/cloudevents-batch+json"),
        typed(base64.as_bytes(), "application/cloudevents+json"),
        typed(text.as_bytes(), "application/cloudevents"),
        message(&gzipped),
        RawMessage { content_encoding: Some("zstd".into()), ..message(&zipped) },
        message(&stream),
        typed(&stream, "application/vnd.apache.arrow.stream"),
        typed(one.as_bytes(), "application/vnd.acme.prediction+json"),
        RawMessage { value: None, ..RawMessage::default() },
    ];
    let read = read(&raws);
    assert_eq!(read.faulty, []);
    assert_eq!((rows(&read), read.tombstones), (1 + 2 + 2 + 1 + 2 + 1 + 2 + 1 + 2 + 3 + 3 + 1, 1));
    // All JSON is in one batch, each stream in its own.
    assert_eq!(read.batches.len(), 3);
}

#[test]
fn a_faulty_message_takes_no_other_with_it() {
    let (good, mixed) = (row("a"), format!("[{},{{}},{}]", row("b"), row("c")));
    let cut = gzip(good.as_bytes());
    let batch = format!(r#"[{{"data":{good}}},{{"data":{{"model":"churn","timestamp":"x"}}}}]"#);
    let raws = [
        message(b"{\"model\":["),
        message(good.as_bytes()),
        message(mixed.as_bytes()),
        message(&[0, 0, 0, 0, 7, 2, 4]),
        message(&cut[..cut.len() - 5]),
        message(&[0xff, 0xff, 0xff, 0xff, 1]),
        typed(b"Obj\x01", "avro/binary"),
        typed(b"{\"id\":1}", "application/cloudevents+json"),
        typed(batch.as_bytes(), "application/cloudevents-batch+json"),
        RawMessage { content_encoding: Some("br".into()), ..message(good.as_bytes()) },
        RawMessage { bad_headers: true, ..message(good.as_bytes()) },
        message(b"]}"),
    ];
    let read = read(&raws);
    let expected = [
        (0, "invalid_json", 1),
        (2, "missing_model", 1),
        (3, "schema_registry_frame", 0),
        (4, "bad_compression", 0),
        (5, "bad_arrow", 0),
        (6, "unknown_content_type", 0),
        (7, "bad_cloud_event", 0),
        (8, "bad_timestamp", 1),
        (9, "unknown_encoding", 0),
        (10, "bad_headers", 0),
        (11, "invalid_json", 1),
    ];
    assert_eq!(faults(&read), expected);
    assert_eq!(rows(&read), 4);
    let row = |faulty: usize| read.faulty[faulty].rows[0].row;
    assert_eq!((row(1), row(7)), (1, 1));
    assert!(read.faulty[2].detail().contains("(schema 7)"), "{}", read.faulty[2].detail());
}

/// Each message says what is wrong with it, also where there are more faults than are told apart together.
#[test]
fn many_faults_are_told_message_by_message() {
    let many = "{}\n".repeat(DETAILS_TOGETHER);
    let good = row("a");
    let read = read(&[message(many.as_bytes()), message(good.as_bytes()), message(b"{}")]);
    assert_eq!(faults(&read), [(0, "missing_model", DETAILS_TOGETHER as u64), (2, "missing_model", 1)]);
    assert_eq!((rows(&read), read.faulty[0].rows.len()), (1, DETAILS_ALONE));
}

#[test]
fn events_without_a_model_are_of_their_topics() {
    let nameless = br#"{"prediction":{"score":0.5}}"#;
    let named = RawMessage { default_model: Some("churn"), ..message(nameless) };
    let read = read(&[named, message(nameless)]);
    assert_eq!((rows(&read), faults(&read)), (1, vec![(1, "missing_model", 1)]));
    assert!(
        Registry.schema("churn").is_some_and(|schema: Arc<ModelSchema>| schema.model().as_str() == "churn")
    );
}

/// The time of an event that carries none.
#[test]
fn the_time_of_a_message_counts_unless_its_clock_is_wrong() {
    let nameless = br#"{"model":"churn"}"#;
    let at = |seconds: i64| EventTime::from_millis(NOW.as_millis() + seconds * 1_000);
    let of = |time| RawMessage { time, ..message(nameless) };
    let stream = arrow_stream(&["a"]);
    let arrow = RawMessage { time: Some(at(-50)), ..message(&stream) };
    let ahead = format!(r#"{{"model":"churn","timestamp":{}}}"#, at(5_000).as_millis());
    let ahead = RawMessage { time: Some(at(5_000)), ..message(ahead.as_bytes()) };
    let read = read(&[of(Some(at(-3_600))), of(None), of(Some(at(600))), of(Some(at(601))), arrow, ahead]);
    let times: Vec<i64> = read
        .batches
        .iter()
        .flat_map(|batch| {
            let column = batch.rows.column_by_name(layout::TIMESTAMP).unwrap();
            let times = column.as_primitive::<TimestampMillisecondType>();
            times.values().iter().map(|millis| (millis - NOW.as_millis()) / 1_000).collect::<Vec<_>>()
        })
        .collect();
    // The stream's batch comes first: JSON is read at the end.
    assert_eq!(times, [-50, -3_600, 0, 600, 0]);
    assert_eq!(faults(&read), [(5, "too_far_in_future", 1)]);
}

/// What is small on the wire is not read together when it is large inside.
#[test]
fn much_in_few_bytes_is_read_in_parts() {
    let padded = format!("{}{}", row("a"), " ".repeat(BYTES_TOGETHER / 4));
    let zipped = zstd::encode_all(padded.as_bytes(), 1).unwrap();
    let raws: Vec<_> = (0..9).map(|_| message(&zipped)).chain([message(b"{")]).collect();
    let read = read(&raws);
    assert_eq!((rows(&read), read.batches.len(), faults(&read)), (9, 3, vec![(9, "invalid_json", 1)]));
}
