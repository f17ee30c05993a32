//! Features go straight into their columns: a row that is rejected after that must leave nothing there.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Int32Type;

use super::fixture::{Registry, context, reasons};
use crate::{Carrier, Decoded, Limits, decode_predictions};

/// A good row; every third has its features before its model, every seventh none.
fn good(row: usize) -> String {
    let features = match row % 5 {
        0 => format!(r#"{{"age":{row},"plan":"p{}","active":true}}"#, row % 9),
        1 => format!(r#"{{"plan":{},"age":{row}.5}}"#, row % 4),
        2 => r#"{"active":"no","age":"old","plan":[]}"#.to_owned(),
        3 => "{}".to_owned(),
        _ => r#"{"age":null,"plan":"gold"}"#.to_owned(),
    };
    let rest = r#""prediction":{"label":"yes","score":0.5}"#;
    match row {
        _ if row.is_multiple_of(7) => format!(r#"{{"model":"churn",{rest}}}"#),
        _ if row.is_multiple_of(3) => format!(r#"{{"features":{features},"model":"churn",{rest}}}"#),
        _ => format!(r#"{{"model":"churn","features":{features},{rest}}}"#),
    }
}

/// A row with a fault that is found after its features, which hold what no good row has.
fn bad(row: usize) -> (String, &'static str) {
    let features = match row % 3 {
        0 => format!(r#"{{"age":-1,"plan":"bad-{row}","active":false}}"#),
        1 => format!(r#"{{"plan":{},"active":"?"}}"#, 1_000 + row),
        _ => r#"{"age":-1,"plan":"bad","age":-2,"stranger":1}"#.to_owned(),
    };
    let duplicate = row % 3 == 2;
    let (rest, reason) = match row % 5 {
        0 => (r#""prediction":{"score":2}}"#, "score_out_of_range"),
        1 => (r#""timestamp":"soon"}"#, "bad_timestamp"),
        2 => (r#""prediction":{"score":0.5}"#, "invalid_json"),
        3 => (r#""weight":-1}"#, "bad_weight"),
        _ => (r#""scores":{"#, "invalid_json"),
    };
    let reason = if duplicate && reason != "invalid_json" { "duplicate_key" } else { reason };
    let text = match row % 2 {
        0 => format!(r#"{{"model":"churn","features":{features},{rest}"#),
        _ => format!(r#"{{"features":{features},"model":"churn",{rest}"#),
    };
    (text, reason)
}

fn decoded(registry: &Registry, lines: &[String]) -> Decoded {
    let limits = Limits::default();
    decode_predictions(lines.join("\n").as_bytes(), Carrier::Json, &context(registry, &limits)).unwrap()
}

#[test]
fn a_rejected_row_leaves_nothing_in_the_columns() {
    let registry = Registry::new();
    // Rows are marked in words of 64: rejections before, at and after each place of one.
    for between in [1, 2, 5, 63, 64, 65] {
        let (mut alone, mut among, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..200 {
            if row % between == 0 {
                for more in 0..3 {
                    let (text, reason) = bad(row * 3 + more);
                    expected.push((among.len() as u64, reason));
                    among.push(text);
                }
            }
            alone.push(good(row));
            among.push(good(row));
        }
        among.push(bad(0).0);
        expected.push((among.len() as u64 - 1, "score_out_of_range"));
        let (alone, among) = (decoded(&registry, &alone), decoded(&registry, &among));
        assert_eq!(alone.accepted(), 200);
        assert_eq!(among.rejected_total, expected.len() as u64);
        expected.truncate(among.rejected.len());
        assert_eq!(reasons(&among), expected);
        let (alone, among) = (&alone.batches[0].rows, &among.batches[0].rows);
        assert_eq!(alone, among, "a fault each {between} rows");
        for (alone, among) in alone.columns().iter().zip(among.columns()) {
            let values = |array: &ArrayRef| {
                array.as_dictionary_opt::<Int32Type>().map(|array| Arc::clone(array.values()))
            };
            assert_eq!(
                values(alone).as_ref(),
                values(among).as_ref(),
                "a value of a rejected row was never seen"
            );
        }
    }
}
