use std::time::Duration;

use super::fixture::{ARRIVAL, Registry, column, context, reasons};
use super::*;
use crate::layout;

fn messages<'a>(texts: &'a [(&'a str, u64)], default_model: Option<&'a str>) -> Vec<JsonMessage<'a>> {
    let message = |&(json, seconds_ago): &(&'a str, u64)| JsonMessage {
        json: json.as_bytes(),
        arrival: ARRIVAL.saturating_sub(Duration::from_secs(seconds_ago)),
        default_model,
    };
    texts.iter().map(message).collect()
}

fn times(decoded: &Decoded) -> Vec<String> {
    decoded.batches.iter().flat_map(|batch| column(&batch.rows, layout::TIMESTAMP)).collect()
}

fn ago(seconds: u64) -> String {
    ARRIVAL.saturating_sub(Duration::from_secs(seconds)).as_millis().to_string()
}

/// Unknown and known models alike: the first call registers, the second finds.
#[test]
fn an_event_without_a_time_has_its_messages() {
    let (registry, limits) = (Registry::default(), Limits::default());
    let context = context(&registry, &limits);
    let texts = [
        (r#"{"model":"m","features":{"a":1}}"#, 3_600),
        (r#"{"model":"m","timestamp":1000,"features":{"a":1}}"#, 50),
        (r#"{"model":"m","features":{"a":1}}"#, 7),
    ];
    for _ in 0..2 {
        let decoded = predictions_from_messages(&messages(&texts, None), &context).unwrap();
        assert_eq!(times(&decoded.decoded), [ago(3_600), "1000".to_owned(), ago(7)]);
    }
    let labels = [(r#"{"model":"m","prediction_id":"a","value":1.5,"label":"x"}"#, 3_600)];
    let decoded = labels_from_messages(&messages(&labels, None), &context).unwrap().decoded;
    assert_eq!((times(&decoded), decoded.rejected), (vec![ago(3_600)], Vec::new()));
}

/// A consumer that lags behind takes what it would have taken in time, and what it would take now.
#[test]
fn the_future_begins_now_and_not_when_the_message_was_written() {
    let (registry, limits) = (Registry::default(), Limits::default());
    let context = context(&registry, &limits);
    let at = |seconds| ARRIVAL.saturating_add(Duration::from_secs(seconds)).as_millis();
    let taken = format!(r#"{{"model":"m","timestamp":{},"features":{{"a":1}}}}"#, at(600));
    let ahead = format!(r#"{{"model":"m","timestamp":{},"features":{{"a":1}}}}"#, at(601));
    let texts = [(&*taken, 3_600), (&*ahead, 3_600), (&*taken, 0), (&*ahead, 0)];
    let decoded = predictions_from_messages(&messages(&texts, None), &context).unwrap().decoded;
    assert_eq!(reasons(&decoded), [(1, "too_far_in_future"), (3, "too_far_in_future")]);
}

/// Texts that would run into each other if they were lines of one payload.
#[test]
fn a_broken_message_takes_no_other_with_it() {
    let (registry, limits) = (Registry::default(), Limits::default());
    let context = context(&registry, &limits);
    let sound = r#"{"model":"m","features":{"a":1}}"#;
    let (array, lines) = (format!("[{sound}, 3, {sound}]"), format!("{sound}\n{sound}\n\n{{}}\n"));
    let texts = [
        (r#"{"model":"m","features":["#, 0),
        ("{}]}", 0),
        ("", 0),
        (" {\"model\":\"m\",\r\n \"features\":{\"a\":1}} \n", 0),
        ("[]", 0),
        (&*array, 0),
        (r#"[{"model":"m"}, {"#, 0),
        (&*lines, 0),
        (sound, 0),
        ("null", 0),
    ];
    let read = predictions_from_messages(&messages(&texts, None), &context).unwrap();
    let places: Vec<_> =
        read.decoded.rejected.iter().map(|row| (read.place_of(row.row), row.reason)).collect();
    let invalid = |message, row| ((message, row), "invalid_json");
    let nameless = ((7, 2), "missing_model");
    let expected = [invalid(0, 0), invalid(1, 0), invalid(5, 1), invalid(6, 1), nameless, invalid(9, 0)];
    assert_eq!((places.as_slice(), read.decoded.accepted()), (expected.as_slice(), 7));
}

#[test]
fn each_message_may_have_its_own_default_model() {
    let (registry, limits) = (Registry::default(), Limits::default());
    let context = context(&registry, &limits);
    let json = br#"{"features":{"a":1},"prediction":{"score":7}}"#;
    let of = |json: &'static [u8], default_model| JsonMessage { json, arrival: ARRIVAL, default_model };
    let nameless = br#"{"features":{"a":1}}"#;
    let all = [of(nameless, Some("m")), of(nameless, Some("n")), of(json, Some("n")), of(nameless, None)];
    for _ in 0..2 {
        let decoded = predictions_from_messages(&all, &context).unwrap().decoded;
        let models: Vec<_> = decoded.batches.iter().map(|batch| batch.schema.model().as_str()).collect();
        assert_eq!(models, ["m", "n"]);
        assert_eq!(reasons(&decoded), [(2, "score_out_of_range"), (3, "missing_model")]);
        assert_eq!(decoded.rejected[0].model.as_deref(), Some("n"));
    }
}

#[test]
fn each_message_is_told_what_it_brought() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = context(&registry, &limits);
    let churn = r#"{"model":"churn","prediction_id":"a","features":{"age":1},"prediction":{"score":0.5}}"#;
    let unused = r#"{"model":"churn","unused":1,"features":{"age":1,"height":2},"prediction":{"score":0.5}}"#;
    let price = r#"{"model":"price","prediction":{"value":1}}"#;
    let (two, half) = (format!("{churn}\n{churn}"), format!("[{churn},{{}}]"));
    let texts = [(price, 0), (churn, 0), ("", 0), (&*two, 0), (price, 0), ("{", 0), (unused, 0), (&*half, 0)];
    let read = predictions_from_messages(&messages(&texts, None), &context).unwrap();
    let models: Vec<_> = read.decoded.batches.iter().map(|batch| batch.schema.model().as_str()).collect();
    assert_eq!(models, ["price", "churn"]);
    let part = |batch, rows, ignored_fields| MessagePart { batch, rows, ignored_fields };
    let (first, second) = (Some(0), Some(1));
    let expected = [
        part(first, 1, 0),
        part(second, 1, 0),
        part(None, 0, 0),
        part(second, 2, 0),
        part(first, 1, 0),
        part(None, 0, 0),
        part(second, 1, 2),
        part(second, 1, 0),
    ];
    assert_eq!(read.parts.unwrap(), expected);

    let both = format!("{churn}\n{price}");
    let of = |texts: &[(&str, u64)]| {
        predictions_from_messages(&messages(texts, None), &context).unwrap().parts.is_some()
    };
    assert!(of(&[(churn, 0), (price, 0)]));
    assert!(!of(&[(churn, 0), (&*both, 0)]), "of a message with two models nobody asks");
    let fresh = r#"{"model":"fresh","features":{"a":1}}"#;
    assert!(!of(&[(churn, 0), (fresh, 0)]), "its rows come after all others");
    assert!(of(&[(churn, 0), (fresh, 0)]), "it is known now");
}
