use std::sync::Arc;

use super::fixture::{ARRIVAL, Registry, cell, column, context, reasons};
use crate::{
    Carrier, DecodeContext, Decoded, FeatureKind, Limits, ModelRegistry, ModelSchema, PayloadError, Task,
    decode_labels, decode_predictions,
};

fn predictions(payload: impl AsRef<[u8]>) -> Decoded {
    let (registry, limits) = (Registry::new(), Limits::default());
    decode_predictions(payload.as_ref(), Carrier::Json, &context(&registry, &limits)).unwrap()
}

fn labels(payload: &str) -> Decoded {
    let (registry, limits) = (Registry::new(), Limits::default());
    decode_labels(payload.as_bytes(), Carrier::Json, &context(&registry, &limits)).unwrap()
}

/// What one event of `churn` with these fields is rejected for; empty if it is taken.
fn reason_of(fields: &str) -> &'static str {
    let decoded = predictions(format!(r#"{{"model":"churn",{fields}}}"#));
    assert_eq!(decoded.accepted() + decoded.rejected_total, 1, "{fields}");
    decoded.rejected.first().map_or("", |rejected| rejected.reason)
}

/// The cell of a feature after one event with this value.
fn feature_cell(name: &str, value: &str) -> (String, bool) {
    let decoded = predictions(format!(r#"{{"model":"churn","features":{{"{name}":{value}}}}}"#));
    assert_eq!(decoded.accepted(), 1, "{value}: {decoded:?}");
    let rows = &decoded.batches[0].rows;
    let invalid = cell(rows, &format!("invalid.{name}"), 0) == "true";
    (cell(rows, &format!("feature.{name}"), 0), invalid)
}

#[test]
fn a_whole_event_fills_its_columns() {
    let decoded = predictions(
        r#"{"model":"churn","version":3,"prediction_id":"req-17","timestamp":"2026-01-01T10:00:00.123Z",
            "features":{"age":41,"plan":"gold","active":true,"income":null},
            "prediction":{"label":"yes","score":0.83,"scores":{"yes":0.83,"no":0.17},"value":12.5},
            "latency_ms":12.4,"status":"timeout","tags":{"country":"BE","other":"x"},"variant":"shadow",
            "metrics":{"basket_value":61.2},"sample_rate":0.1,"in_flight":3,"capacity":8,"extra":{"a":[1]}}"#,
    );
    assert_eq!(decoded.rejected_total, 0, "{decoded:?}");
    assert_eq!(decoded.ignored_fields, 2, "the feature income and the field extra");
    let rows = &decoded.batches[0].rows;
    let columns: Vec<(&str, String)> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), cell(rows, field.name(), 0)))
        .map(|(name, value)| (Box::leak(name.to_owned().into_boxed_str()) as &str, value))
        .collect();
    let expected = [
        ("timestamp", "1767261600123"),
        ("version", "3"),
        ("prediction_id", "req-17"),
        ("prediction.label", "yes"),
        ("prediction.score", "0.83"),
        ("prediction.value", "12.5"),
        ("latency_ms", "12.4"),
        ("status", "timeout"),
        ("variant", "shadow"),
        ("weight", "10"),
        ("in_flight", "3"),
        ("capacity", "8"),
        ("feature.age", "41"),
        ("feature.plan", "gold"),
        ("feature.active", "true"),
        ("tag.country", "BE"),
        ("score.no", "0.17"),
        ("score.yes", "0.83"),
        ("metric.basket_value", "61.2"),
    ];
    assert_eq!(columns, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn absent_and_null_fields_are_missing() {
    let nulls = r#"{"model":"churn","version":null,"prediction_id":null,"timestamp":null,"features":null,
        "prediction":null,"latency_ms":null,"status":null,"tags":null,"variant":null,"metrics":null,
        "weight":null,"sample_rate":null,"in_flight":null,"capacity":null}"#
        .replace('\n', " ");
    let decoded = predictions(format!("{{\"model\":\"churn\"}}\n{nulls}\n"));
    assert_eq!((decoded.accepted(), decoded.ignored_fields), (2, 0), "{decoded:?}");
    let rows = &decoded.batches[0].rows;
    assert_eq!(column(rows, "timestamp"), vec![ARRIVAL.as_millis().to_string(); 2]);
    for (name, value) in [("version", ""), ("status", "ok"), ("weight", "1")] {
        assert_eq!(column(rows, name), [value, value], "{name}");
    }
    for name in
        ["prediction_id", "prediction.label", "prediction.score", "latency_ms", "variant", "feature.age"]
    {
        assert_eq!(column(rows, name), ["null", "null"], "{name}");
    }
}

#[test]
fn every_form_of_json_gives_the_same_rows() {
    let a = r#"{"model":"churn","prediction_id":"a","features":{"plan":"[{\"\\"}}"#;
    let b = r#"{"model":"churn","prediction_id":"b"}"#;
    let pretty = "{\n  \"model\": \"churn\",\n  \"prediction_id\": \"a\",\n  \"features\": {}\n}\n";
    for (payload, ids) in [
        (format!("{a}\n{b}\n"), vec!["a", "b"]),
        (format!("\n\r\n{a}\r\n \t\n{b}"), vec!["a", "b"]),
        (format!("\u{feff}{a}\n{b}"), vec!["a", "b"]),
        (format!("[{a},{b}]"), vec!["a", "b"]),
        (format!(" [\n {a} ,\n{b}\n]\n"), vec!["a", "b"]),
        (a.to_owned(), vec!["a"]),
        (pretty.to_owned(), vec!["a"]),
        (format!("[{pretty},{b}]"), vec!["a", "b"]),
        ("[]".to_owned(), vec![]),
        (" \n".to_owned(), vec![]),
        (String::new(), vec![]),
    ] {
        let decoded = predictions(&payload);
        assert_eq!(decoded.rejected_total, 0, "{payload}: {decoded:?}");
        let found = decoded.batches.first().map(|batch| column(&batch.rows, "prediction_id"));
        assert_eq!(found.unwrap_or_default(), ids, "{payload}");
    }
}

#[test]
fn a_bad_line_never_takes_its_neighbours() {
    let good = r#"{"model":"churn"}"#;
    let mut payload = Vec::new();
    for line in [
        good.as_bytes(),
        b"{\"model\":\"churn\"",
        b"{\"model\":\"ch\xffurn\"}",
        b"hello",
        b"[1]",
        b"{\"model\":\"churn\"} {}",
        b"{\"model\":\"churn\",\"x\":\"\x01\"}",
        b"{\"model\":\"churn\",\"age\":}",
        b"\x00",
        good.as_bytes(),
    ] {
        payload.extend_from_slice(line);
        payload.push(b'\n');
    }
    let decoded = predictions(&payload);
    assert_eq!(decoded.accepted(), 2);
    let json = "invalid_json";
    let expected =
        [(1, json), (2, "invalid_utf8"), (3, json), (4, json), (5, json), (6, json), (7, json), (8, json)];
    assert_eq!(reasons(&decoded), expected, "{decoded:#?}");
    assert!(decoded.rejected[2].detail.contains("hello"), "{:?}", decoded.rejected[2]);
}

#[test]
fn a_broken_element_ends_an_array_and_says_where() {
    let good = r#"{"model":"churn"}"#;
    for (payload, accepted, rejected) in [
        (format!("[{good},{{\"model\":}},{good}]"), 1, 1),
        (format!("[{good},{good}"), 2, 1),
        (format!("[{good},{{\"model\":\"chu"), 1, 1),
        (format!("[{good} {good}]"), 1, 1),
        (format!("[{good},]"), 1, 1),
        (format!("[,{good}]"), 0, 1),
        (format!("[{good}] x"), 1, 1),
        ("[".to_owned(), 0, 1),
        // Faults that are no broken syntax leave the neighbours alone.
        (format!("[{good},3,null,\"x\",[],{{\"model\":\"churn\",\"weight\":-1}},{good}]"), 2, 5),
    ] {
        let decoded = predictions(&payload);
        assert_eq!(
            (decoded.accepted(), decoded.rejected_total),
            (accepted, rejected),
            "{payload}: {decoded:#?}"
        );
    }
    let decoded = predictions(format!("[{good},{{\"model\":}},{good}]"));
    assert!(decoded.rejected[0].detail.contains("byte 29"), "{:?}", decoded.rejected[0]);
    let mut invalid = format!("[{good},{{\"x\":\"").into_bytes();
    invalid.push(0xff);
    invalid.extend_from_slice(format!("\"}},{good}]").as_bytes());
    assert_eq!(reasons(&predictions(&invalid)), [(1, "invalid_utf8")]);
    assert_eq!(predictions(&invalid).accepted(), 2);
}

#[test]
fn a_broken_object_over_several_lines_is_one_row() {
    let decoded = predictions("{\n \"model\": \"churn\",\n \"weight\": \n}");
    assert_eq!(reasons(&decoded), [(0, "invalid_json")]);
    let decoded = predictions("{\n \"model\": \"churn\",\n");
    assert_eq!(reasons(&decoded), [(0, "invalid_json")]);
    // NDJSON whose first line is cut is no such object.
    let decoded = predictions("{\"model\":\"churn\",\"features\":{\n{\"model\":\"churn\"}\n");
    assert_eq!((decoded.accepted(), reasons(&decoded)), (1, vec![(0, "invalid_json")]));
}

#[test]
fn rows_that_cannot_be_placed_say_why() {
    let long_id = "x".repeat(257);
    for (fields, reason) in [
        (r#""prediction_id":"""#.to_owned(), "bad_prediction_id"),
        (format!(r#""prediction_id":"{long_id}""#), "bad_prediction_id"),
        (r#""prediction_id":1.5"#.to_owned(), "bad_prediction_id"),
        (r#""prediction_id":true"#.to_owned(), "bad_prediction_id"),
        (r#""prediction_id":{}"#.to_owned(), "bad_prediction_id"),
        (r#""prediction_id":17"#.to_owned(), ""),
        (format!(r#""prediction_id":"{}""#, &long_id[1..]), ""),
        (r#""timestamp":"yesterday""#.to_owned(), "bad_timestamp"),
        (r#""timestamp":"2026-01-01T10:00:00""#.to_owned(), "bad_timestamp"),
        (r#""timestamp":1.5"#.to_owned(), "bad_timestamp"),
        (r#""timestamp":9223372036854775807"#.to_owned(), "bad_timestamp"),
        (r#""timestamp":-9223372036854775808"#.to_owned(), "bad_timestamp"),
        (r#""timestamp":-86400000"#.to_owned(), ""),
        (r#""timestamp":1767262200000"#.to_owned(), ""),
        (r#""timestamp":1767262200001"#.to_owned(), "too_far_in_future"),
        (r#""timestamp":"2026-01-01T11:10:00.001+01:00""#.to_owned(), "too_far_in_future"),
        (r#""prediction":{"score":1.0001}"#.to_owned(), "score_out_of_range"),
        (r#""prediction":{"score":-0.1}"#.to_owned(), "score_out_of_range"),
        (r#""prediction":{"score":"high"}"#.to_owned(), "score_out_of_range"),
        (r#""prediction":{"score":NaN}"#.to_owned(), "score_out_of_range"),
        (r#""prediction":{"score":1}"#.to_owned(), ""),
        (r#""prediction":{"scores":{"a":0.5,"b":2}}"#.to_owned(), "score_out_of_range"),
        (r#""prediction":{"scores":[0.5]}"#.to_owned(), "bad_prediction"),
        (r#""prediction":{"label":["a"]}"#.to_owned(), "bad_label"),
        (r#""prediction":{"label":1.5}"#.to_owned(), "bad_label"),
        (r#""prediction":{"value":"a"}"#.to_owned(), "bad_value"),
        (r#""prediction":0.5"#.to_owned(), "bad_prediction"),
        (r#""features":[1]"#.to_owned(), "bad_features"),
        (r#""features":"a\n""#.to_owned(), "bad_features"),
        (r#""weight":-1"#.to_owned(), "bad_weight"),
        (r#""weight":NaN"#.to_owned(), "bad_weight"),
        (r#""weight":1e400"#.to_owned(), "bad_weight"),
        (r#""weight":0"#.to_owned(), ""),
        (r#""sample_rate":0"#.to_owned(), "bad_sample_rate"),
        (r#""sample_rate":1.1"#.to_owned(), "bad_sample_rate"),
        (r#""sample_rate":1e-320"#.to_owned(), "bad_sample_rate"),
        (r#""version":{}"#.to_owned(), "bad_version"),
        (r#""model":"churn""#.to_owned(), "duplicate_key"),
        (r#""x":1,"y":2,"x":3"#.to_owned(), "duplicate_key"),
        (r#""features":{"age":1,"age":1}"#.to_owned(), "duplicate_key"),
        (r#""features":{"age":null,"age":1}"#.to_owned(), "duplicate_key"),
        (r#""features":{"u":1,"v":2,"u":1}"#.to_owned(), "duplicate_key"),
        (r#""features":{"age":1,"\u0061ge":1}"#.to_owned(), "duplicate_key"),
        (r#""prediction":{"label":"a","label":"a"}"#.to_owned(), "duplicate_key"),
        (r#""tags":{"a":"a","a":"a"}"#.to_owned(), "duplicate_key"),
    ] {
        assert_eq!(reason_of(&fields), reason, "{fields}");
    }
    for (event, reason) in [
        (r#"{"features":{}}"#, "missing_model"),
        (r#"{"model":null}"#, "missing_model"),
        (r#"{"model":3}"#, "bad_model"),
        (r#"{"model":""}"#, "bad_model"),
        (r#"{"model":"a b"}"#, "bad_model"),
    ] {
        assert_eq!(reasons(&predictions(event)), [(0, reason)], "{event}");
    }
    let shown = predictions(r#"{"model":"churn","weight":"heavy"}"#);
    assert_eq!(shown.rejected[0].detail, "weight \"heavy\" is not a number of at least 0");
    assert_eq!(shown.rejected[0].model.as_deref(), Some("churn"));
    let shown = predictions(r#"{"model":"churn","weight":-Infinity}"#);
    assert_eq!(shown.rejected[0].detail, "weight -Infinity is not a number of at least 0");
}

#[test]
fn a_wrong_feature_value_is_invalid_and_the_row_counts() {
    for value in ["\"41\"", "true", "[1]", "{\"a\":1}", "NaN", "-Infinity", "1e400", "-1e999"] {
        assert_eq!(feature_cell("age", value).0, "NaN", "{value}");
    }
    for (value, text) in
        [("41", "41"), ("-0.5e1", "-5"), ("18446744073709551616", "18446744073709552000"), ("null", "null")]
    {
        assert_eq!(feature_cell("age", value).0, text, "{value}");
    }
    let long = format!("\"{}\"", "x".repeat(1_025));
    for value in ["3.5", "[1]", "{}", "NaN", long.as_str()] {
        assert_eq!(feature_cell("plan", value), ("null".to_owned(), true), "{value}");
    }
    for (value, text) in
        [("3", "3"), ("3.0", "3"), ("-3e0", "-3"), ("true", "true"), ("\"\"", ""), ("\"g\\u00f6ld\"", "göld")]
    {
        assert_eq!(feature_cell("plan", value), (text.to_owned(), false), "{value}");
    }
    for (value, text) in
        [("true", "true"), ("0", "false"), ("1.0", "true"), ("\"True\"", "true"), ("\"false\"", "false")]
    {
        assert_eq!(feature_cell("active", value), (text.to_owned(), false), "{value}");
    }
    for value in ["2", "\"yes\"", "\"TRUE\"", "[]", "0.5"] {
        assert_eq!(feature_cell("active", value), ("null".to_owned(), true), "{value}");
    }
}

#[test]
fn unusable_optional_values_count_as_not_sent() {
    let decoded = predictions(
        r#"{"model":"churn","latency_ms":-1,"in_flight":"a","capacity":NaN,"variant":"blue","status":"great","metrics":{"a":"x","b":1,"c":null},"tags":{"country":[]}}"#,
    );
    assert_eq!((decoded.accepted(), decoded.ignored_fields), (1, 6), "{decoded:?}");
    let rows = &decoded.batches[0].rows;
    for (name, value) in [
        ("latency_ms", "null"),
        ("variant", "null"),
        ("status", "other"),
        ("metric.b", "1"),
        ("metric.a", "no column"),
        ("tag.country", "null"),
    ] {
        assert_eq!(cell(rows, name, 0), value, "{name}");
    }
}

#[test]
fn classes_have_one_written_form() {
    let decoded = predictions(
        "{\"model\":\"churn\",\"prediction\":{\"label\":1}}\n{\"model\":\"churn\",\"prediction\":{\"label\":\"1\"}}\n\
         {\"model\":\"churn\",\"prediction\":{\"label\":1.0}}\n{\"model\":\"churn\",\"prediction\":{\"label\":true}}\n",
    );
    assert_eq!(column(&decoded.batches[0].rows, "prediction.label"), ["1", "1", "1", "true"]);
    let decoded = predictions("{\"model\":\"price\",\"prediction\":{\"label\":12.5}}");
    let rows = &decoded.batches[0].rows;
    assert_eq!(
        (cell(rows, "prediction.label", 0), cell(rows, "prediction.value", 0)),
        ("null".into(), "12.5".into())
    );
}

#[test]
fn labels_need_an_id_and_something_to_say() {
    let decoded = labels(
        r#"[{"model":"churn","prediction_id":7,"label":1.0,"weight":2},
            {"model":"churn","prediction_id":"b","op":"retract"},
            {"model":"churn","label":"yes"},
            {"model":"churn","prediction_id":"c"},
            {"model":"churn","prediction_id":"c","value":1},
            {"model":"churn","prediction_id":"c","label":"a","op":"drop"},
            {"model":"price","prediction_id":"d","label":11},
            {"model":"price","prediction_id":"e","value":2.5,"timestamp":0},
            {"model":"price","prediction_id":"f","label":"cheap"},
            {"model":"price","prediction_id":"g"},
            {"model":"nobody","prediction_id":"h","label":1}]"#,
    );
    let expected = [
        (2, "missing_prediction_id"),
        (3, "missing_label"),
        (4, "missing_label"),
        (5, "bad_op"),
        (8, "bad_label"),
        (9, "missing_label"),
        (10, "unknown_model"),
    ];
    assert_eq!(reasons(&decoded), expected, "{decoded:#?}");
    let churn = &decoded.batches[0].rows;
    assert_eq!(column(churn, "prediction_id"), ["7", "b"]);
    assert_eq!(column(churn, "label"), ["1", "null"]);
    assert_eq!(column(churn, "retract"), ["false", "true"]);
    assert_eq!(column(churn, "weight"), ["2", "1"]);
    let price = &decoded.batches[1].rows;
    assert_eq!(column(price, "value"), ["11", "2.5"]);
    assert_eq!(column(price, "timestamp")[1], "0");
}

#[test]
fn nesting_bombs_are_rejected_without_recursion() {
    let bomb = "[".repeat(1 << 20);
    let good = r#"{"model":"churn"}"#;
    for row in [
        bomb.clone(),
        "{\"a\":".repeat(1 << 18),
        format!(r#"{{"model":"churn","unknown":{bomb}}}"#),
        format!(r#"{{"model":"churn","features":{{"age":{bomb}}}}}"#),
        format!(r#"{{"features":{bomb},"model":"churn"}}"#),
        format!(r#"{{"model":"churn","tags":{{"a":{bomb}}}}}"#),
    ] {
        let decoded = predictions(format!("{{\"model\":\"churn\"}}\n{row}\n{good}\n"));
        assert_eq!((decoded.accepted(), reasons(&decoded)), (2, vec![(1, "too_deep")]), "{}", &row[..60]);
        let decoded = predictions(format!("[{good},{row}"));
        assert_eq!((decoded.accepted(), decoded.rejected_total), (1, 1));
    }
    assert_eq!(predictions(&bomb).rejected_total, 1);
    let deep = |depth: usize| {
        let inner = depth - 1;
        reason_of(&format!(r#""x":{}{}"#, "[".repeat(inner), "]".repeat(inner)))
    };
    assert_eq!((deep(32), deep(33)), ("", "too_deep"));
    // Brackets in strings do not count.
    assert_eq!(reason_of(&format!(r#""x":"{}""#, "[".repeat(100))), "");
}

#[test]
fn limits_are_kept() {
    let pairs = |count: usize| (0..count).map(|key| format!("\"k{key}\":1")).collect::<Vec<_>>().join(",");
    for (field, limit, reason) in [
        ("features", 4_096, "too_many_features"),
        ("tags", 32, "too_many_tags"),
        ("metrics", 64, "too_many_metrics"),
    ] {
        assert_eq!(reason_of(&format!(r#""{field}":{{{}}}"#, pairs(limit))), "", "{field}");
        assert_eq!(reason_of(&format!(r#""{field}":{{{}}}"#, pairs(limit + 1))), reason, "{field}");
    }
    assert_eq!(reason_of(&format!(r#""features":{{{}}}"#, pairs(100_000))), "too_many_features");
    assert_eq!(reason_of(&pairs(100_000)), "too_many_features");
    let metrics: String =
        (0..66).map(|row| format!("{{\"model\":\"churn\",\"metrics\":{{\"m{row}\":1}}}}\n")).collect();
    assert_eq!(reasons(&predictions(metrics)), [(64, "too_many_metrics"), (65, "too_many_metrics")]);

    let registry = Registry::new();
    let rows = "{\"model\":\"churn\"}\n".repeat(11);
    let fails = |limits: &Limits| {
        decode_predictions(rows.as_bytes(), Carrier::Json, &context(&registry, limits)).unwrap_err()
    };
    let error = fails(&Limits { rows: 10, ..Limits::default() });
    assert!(matches!(error, PayloadError::TooManyRows { limit: 10 }), "{error:?}");
    // 12 fixed columns, 3 features, 1 segment.
    let error = fails(&Limits { cells: 11 * 16 - 1, ..Limits::default() });
    assert!(matches!(error, PayloadError::TooManyCells { .. }), "{error:?}");
    let error = fails(&Limits { decompressed_bytes: 100, ..Limits::default() });
    assert!(matches!(error, PayloadError::DecompressedTooLarge { limit: 100 }), "{error:?}");

    let long = format!("{{\"model\":\"churn\",\"weight\":\"{}\"}}\n", "ä".repeat(5_000)).repeat(1_001);
    let decoded = predictions(long);
    assert_eq!((decoded.rejected.len(), decoded.rejected_total), (1_000, 1_001));
    assert!(decoded.rejected[0].detail.chars().count() < 320, "{}", decoded.rejected[0].detail.len());
}

#[test]
fn features_may_come_before_their_model() {
    let decoded = predictions(
        "{\"features\":{\"plan\":\"a\",\"age\":1},\"model\":\"churn\"}\n{\"features\":{\"age\":NaN},\"model\":\"churn\"}\n\
         {\"features\":{\"age\":2,\"age\":2},\"model\":\"churn\"}\n",
    );
    assert_eq!(reasons(&decoded), [(2, "duplicate_key")]);
    assert_eq!(column(&decoded.batches[0].rows, "feature.age"), ["1", "NaN"]);
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = DecodeContext { default_model: Some("churn"), ..context(&registry, &limits) };
    let decoded = decode_predictions(br#"{"features":{"age":7}}"#, Carrier::Json, &context).unwrap();
    assert_eq!(column(&decoded.batches[0].rows, "feature.age"), ["7"]);
}

fn inferred(payload: &str) -> (Decoded, Option<Arc<ModelSchema>>) {
    let (registry, limits) = (Registry::new(), Limits::default());
    let decoded =
        decode_predictions(payload.as_bytes(), Carrier::Json, &context(&registry, &limits)).unwrap();
    (decoded, registry.schema("new"))
}

fn kinds(schema: &ModelSchema) -> Vec<(&str, FeatureKind)> {
    schema.features().iter().map(|feature| (feature.name.as_ref(), feature.kind)).collect()
}

#[test]
fn an_unknown_model_is_learned_from_its_rows() {
    let (decoded, schema) = inferred(
        "{\"model\":\"new\",\"features\":{\"a\":null,\"b\":\"x\"},\"prediction\":{\"label\":\"no\",\"score\":0.1}}\n\
         {\"model\":\"churn\"}\n\
         {\"model\":\"new\",\"features\":{\"a\":1,\"b\":2,\"c\":true,\"d\":null,\"e\":[1]},\"weight\":-1}\n\
         {\"model\":\"new\",\"features\":{\"a\":2,\"b\":3,\"c\":false,\"d\":null,\"e\":[1]}}\n",
    );
    let schema = schema.unwrap();
    assert_eq!(reasons(&decoded), [(2, "bad_weight")]);
    assert_eq!((schema.task(), schema.positive().map(AsRef::as_ref)), (Task::Binary, Some("yes")));
    assert!(schema.inferred());
    let expected =
        [("b", FeatureKind::Categorical), ("a", FeatureKind::Numeric), ("c", FeatureKind::Boolean)];
    assert_eq!(kinds(&schema), expected);
    let rows = &decoded.batches.iter().find(|batch| batch.schema.model().as_str() == "new").unwrap().rows;
    assert_eq!(column(rows, "feature.a"), ["null", "2"]);
    assert_eq!(column(rows, "feature.b"), ["x", "3"]);
}

#[test]
fn the_task_follows_what_the_model_answers() {
    for (answers, task, positive) in [
        (&["{\"value\":1.5}"][..], Task::Regression, None),
        (&["{\"label\":1.5}"], Task::Regression, None),
        (&["{\"label\":1}", "{\"label\":\"0\"}"], Task::Binary, Some("1")),
        (&["{\"label\":true}"], Task::Binary, Some("true")),
        (&["{\"label\":\"negative\",\"value\":1}"], Task::Binary, Some("positive")),
        (&["{\"label\":\"cat\"}", "{\"label\":\"dog\"}"], Task::Multiclass, None),
        (&["{\"label\":0}", "{\"label\":1}", "{\"label\":2}"], Task::Multiclass, None),
        (&["{\"label\":\"no\",\"scores\":{\"no\":0.2,\"yes\":0.3,\"maybe\":0.5}}"], Task::Multiclass, None),
        (&["{\"score\":0.5}"], Task::Binary, Some("1")),
    ] {
        let payload: String =
            answers.iter().map(|answer| format!("{{\"model\":\"new\",\"prediction\":{answer}}}\n")).collect();
        let (decoded, schema) = inferred(&payload);
        assert_eq!(decoded.rejected_total, 0, "{payload}: {decoded:?}");
        let schema = schema.unwrap();
        assert_eq!((schema.task(), schema.positive().map(AsRef::as_ref)), (task, positive), "{payload}");
    }
}

#[test]
fn an_inferred_model_grows_and_a_configured_one_does_not() {
    let (registry, limits) = (Registry::new(), Limits { features: 3, ..Limits::default() });
    let context = context(&registry, &limits);
    let decode = |payload: &str| decode_predictions(payload.as_bytes(), Carrier::Json, &context).unwrap();
    decode(r#"{"model":"new","features":{"a":1}}"#);
    let decoded = decode(
        "{\"model\":\"new\",\"features\":{\"a\":2}}\n{\"model\":\"new\",\"features\":{\"b\":null,\"c\":\"x\",\"a\":3}}\n\
         {\"model\":\"new\",\"features\":{\"b\":4}}\n{\"model\":\"new\",\"features\":{\"d\":5}}\n",
    );
    assert_eq!(kinds(&registry.schema("new").unwrap()).len(), 3);
    let rows = &decoded.batches[0].rows;
    assert_eq!(column(rows, "feature.a"), ["2", "3", "null", "null"]);
    assert_eq!(column(rows, "feature.c"), ["null", "x", "null", "null"]);
    assert_eq!(column(rows, "feature.b"), ["null", "null", "4", "null"]);
    assert_eq!(decoded.ignored_fields, 2, "b while it was null, and d");
    let decoded = decode(r#"{"model":"churn","features":{"new":1}}"#);
    assert_eq!(decoded.ignored_fields, 1);
    assert_eq!(registry.schema("churn").unwrap().features().len(), 3);
}

#[test]
fn a_feature_without_a_name_is_ignored() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = context(&registry, &limits);
    let decode = |payload: &str| decode_predictions(payload.as_bytes(), Carrier::Json, &context).unwrap();
    let registered = decode(r#"{"model":"new","features":{"":1,"a":2}}"#);
    let widened = decode(r#"{"model":"new","features":{"":1,"b":3}}"#);
    assert_eq!((registered.accepted(), registered.ignored_fields), (1, 1), "{registered:?}");
    assert_eq!((widened.accepted(), widened.ignored_fields), (1, 1), "{widened:?}");
    let schema = registry.schema("new").unwrap();
    assert_eq!(kinds(&schema), [("a", FeatureKind::Numeric), ("b", FeatureKind::Numeric)]);
}

#[test]
fn a_refused_model_rejects_its_rows() {
    let limits = Limits::default();
    let closed = Registry { is_closed: true, ..Registry::new() };
    let full = Registry { limit: Some(2), ..Registry::new() };
    let payload = b"{\"model\":\"new\"}\n{\"model\":\"churn\"}\n{\"model\":\"new\"}\n";
    for (registry, reason) in [(closed, "unknown_model"), (full, "too_many_models")] {
        let decoded = decode_predictions(payload, Carrier::Json, &context(&registry, &limits)).unwrap();
        assert_eq!((decoded.accepted(), reasons(&decoded)), (1, vec![(0, reason), (2, reason)]));
    }
}
