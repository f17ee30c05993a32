//! Two JSON values with the same numbers.

use serde_json::Value;

/// Where two values differ, as a list of places; numbers may differ by `relative` of the larger one.
#[must_use]
pub fn differences(left: &Value, right: &Value, relative: f64) -> Vec<String> {
    let mut found = Vec::new();
    compare("$", left, right, relative, &mut found);
    found
}

fn compare(place: &str, left: &Value, right: &Value, relative: f64, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                compare(&format!("{place}.{key}"), a, b, relative, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}[{index}]"), a, b, relative, found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            if (a - b).abs() > relative * a.abs().max(b.abs()) {
                found.push(format!("{place}: {a:e} and {b:e}"));
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{place}: {left} and {right}")),
    }
}
