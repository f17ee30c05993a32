//! What is asked at `POST /predict`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::inputs::{BOOLEAN, CATEGORICAL, Inputs, NUMERIC};

/// Tags that a request may have beside the features.
const TAGS: [&str; 2] = ["country", "channel"];
/// Longer texts are no category.
const LONGEST_TEXT_BYTES: usize = 64;

/// A customer as a client of the model server describes him.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) inputs: Inputs,
    pub(super) tags: BTreeMap<String, String>,
}

/// A body that no customer can be made of.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskedError {
    /// No JSON.
    #[error("the body is not JSON: {0}")]
    Json(serde_json::Error),
    /// JSON, but no object.
    #[error("the body is {found}, not an object of features such as {{\"age\": 41, \"plan\": \"plus\"}}")]
    NotAnObject { found: &'static str },
    /// A name that the model does not know: most likely it is misspelt.
    #[error("there is no feature {name:?}; there are {}", names())]
    Unknown { name: String },
    /// A value of another type.
    #[error("{name} is {found}; it must be {expected}")]
    Type { name: &'static str, found: &'static str, expected: String },
    /// A feature that no model can do without.
    #[error("{name} is missing; it must be {expected}")]
    Missing { name: &'static str, expected: String },
}

fn names() -> String {
    let categorical = CATEGORICAL.map(|(name, _)| name);
    let all: Vec<&str> = NUMERIC.into_iter().chain(categorical).chain([BOOLEAN]).chain(TAGS).collect();
    all.join(", ")
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl Asked {
    /// Reads an object of features: numbers may be missing or null, the others may not; `country` and `channel` are
    /// tags.
    pub(super) fn parse(body: &[u8]) -> Result<Self, AskedError> {
        let mut given: Map<String, Value> = match serde_json::from_slice(body).map_err(AskedError::Json)? {
            Value::Object(given) => given,
            other => return Err(AskedError::NotAnObject { found: kind(&other) }),
        };
        let mut inputs = Inputs {
            numbers: [None; NUMERIC.len()],
            categories: [const { Cow::Borrowed("") }; CATEGORICAL.len()],
            autopay: false,
        };
        for (value, name) in inputs.numbers.iter_mut().zip(NUMERIC) {
            *value = match given.remove(name) {
                None | Some(Value::Null) => None,
                Some(Value::Number(number)) => number.as_f64(),
                Some(other) => return Err(wrong(name, &other, "a number or null")),
            };
        }
        for (value, (name, known)) in inputs.categories.iter_mut().zip(CATEGORICAL) {
            let expected = format!("text such as {}", known.join(", "));
            *value = Cow::Owned(text(name, given.remove(name), &expected)?);
        }
        inputs.autopay = match given.remove(BOOLEAN) {
            Some(Value::Bool(flag)) => flag,
            None => return Err(AskedError::Missing { name: BOOLEAN, expected: "true or false".to_owned() }),
            Some(other) => return Err(wrong(BOOLEAN, &other, "true or false")),
        };
        let mut tags = BTreeMap::new();
        for name in TAGS {
            if let Some(value) = given.remove(name).filter(|value| !value.is_null()) {
                tags.insert(name.to_owned(), text(name, Some(value), "text")?);
            }
        }
        match given.into_iter().next() {
            Some((name, _)) => Err(AskedError::Unknown { name }),
            None => Ok(Self { inputs, tags }),
        }
    }
}

fn text(name: &'static str, value: Option<Value>, expected: &str) -> Result<String, AskedError> {
    match value {
        Some(Value::String(text)) if text.len() <= LONGEST_TEXT_BYTES => Ok(text),
        Some(Value::String(_)) => Err(AskedError::Type {
            name,
            found: "a long text",
            expected: format!("{expected}, of {LONGEST_TEXT_BYTES} bytes at most"),
        }),
        None => Err(AskedError::Missing { name, expected: expected.to_owned() }),
        Some(other) => Err(wrong(name, &other, expected)),
    }
}

fn wrong(name: &'static str, found: &Value, expected: &str) -> AskedError {
    AskedError::Type { name, found: kind(found), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn customer() -> Value {
        json!({
            "age": 41, "tenure_months": 3, "monthly_charges": 49.9, "income": null, "support_calls": 2,
            "plan": "plus", "contract": "monthly", "payment_method": "card", "device": "ios", "autopay": true,
            "country": "BE"
        })
    }

    fn fault(change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut body = customer();
        change(body.as_object_mut().unwrap());
        Asked::parse(body.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_customer_is_read_and_numbers_may_be_missing() {
        let asked = Asked::parse(customer().to_string().as_bytes()).unwrap();
        assert_eq!(asked.inputs.numbers, [Some(41.0), Some(3.0), Some(49.9), None, Some(2.0), None, None]);
        assert_eq!(asked.inputs.categories, ["plus", "monthly", "card", "ios"]);
        assert!(asked.inputs.autopay);
        assert_eq!(asked.tags, [("country".to_owned(), "BE".to_owned())].into());
    }

    #[test]
    fn faults_name_the_feature_and_what_it_must_be() {
        assert_eq!(
            fault(|body| drop(body.insert("age".into(), json!("41")))),
            "age is text; it must be a number or null"
        );
        assert_eq!(
            fault(|body| drop(body.remove("plan"))),
            "plan is missing; it must be text such as basic, plus, premium"
        );
        assert_eq!(
            fault(|body| drop(body.insert("autopay".into(), json!(1)))),
            "autopay is a number; it must be true or false"
        );
        assert!(
            fault(|body| drop(body.insert("ages".into(), json!(1))))
                .starts_with("there is no feature \"ages\"; there are age, ")
        );
        assert!(
            fault(|body| drop(body.insert("plan".into(), json!("x".repeat(65)))))
                .contains("64 bytes at most")
        );
        let parsed = |body: &str| Asked::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(parsed("[1]").starts_with("the body is an array, not an object"), "{}", parsed("[1]"));
        assert!(parsed("{").starts_with("the body is not JSON: EOF"), "{}", parsed("{"));
    }
}
