//! What a schema says of one key, in words for people.

use std::time::Duration;

use driftline_events::Span;
use serde_json::{Map, Value};

/// Schemas by name, as `$ref` points at them.
pub(super) struct Definitions(pub(super) Map<String, Value>);

impl Definitions {
    /// The schema itself: without the detour by its name, and without the `null` of what may be left out.
    pub(super) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(name) = name_of(schema) {
            return self.0.get(name).map_or(schema, |found| self.resolve(found));
        }
        match present(schema).as_slice() {
            &[only] => self.resolve(only),
            _ => schema,
        }
    }

    /// The name that a schema stands under, if it has one.
    pub(super) fn name<'a>(&self, schema: &'a Value) -> Option<&'a str> {
        match present(schema).as_slice() {
            &[only] => name_of(only),
            _ => name_of(schema),
        }
    }

    /// What may be written, as a cell of a table has it.
    pub(super) fn kind(&self, schema: &Value) -> String {
        match name_of(schema) {
            Some("Span") => return "time span".to_owned(),
            Some("IdleTimeout") => return "time span or `\"off\"`".to_owned(),
            Some(name) => return self.0.get(name).map_or_else(String::new, |found| self.kind(found)),
            None => {}
        }
        let several = present(schema);
        if !several.is_empty() {
            let mut kinds: Vec<_> = several.into_iter().map(|schema| self.kind(schema)).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
        let words = words(schema);
        if !words.is_empty() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
            return words.join(", ");
        }
        match type_of(schema) {
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "number" => "number".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            "array" => format!("list of {}", self.kind(&schema["items"])),
            "object" if schema["properties"].is_object() => self.inline(schema),
            "object" => format!("table of {}", self.kind(&schema["additionalProperties"])),
            _ => "table".to_owned(),
        }
    }

    /// A small table, as in `{ env = text }`.
    fn inline(&self, schema: &Value) -> String {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let keys: Vec<_> = properties
            .map(|(key, value)| {
                let may = if is_required(schema, key) { "" } else { ", may be left out" };
                format!("{key} = {}{may}", self.kind(value))
            })
            .collect();
        format!("`{{ {} }}`", keys.join("; "))
    }

    /// What a key means: its own description, and that of each word that it may have.
    pub(super) fn meaning(&self, schema: &Value) -> String {
        let mut text = description(schema);
        for (word, meaning) in words(self.resolve(schema)) {
            if !meaning.is_empty() {
                text.push_str(&format!(" `{word}`: {meaning}"));
            }
        }
        text
    }
}

/// The name of a schema that stands elsewhere.
fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"))
}

/// What a schema says that leaves the choice between several; without `null`.
fn present(schema: &Value) -> Vec<&Value> {
    schema["anyOf"].as_array().into_iter().flatten().filter(|one| one["type"] != "null").collect()
}

/// The type that is not `null`.
fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(text) => text,
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).find(|&text| text != "null").unwrap_or("")
        }
        _ => "",
    }
}

/// The words that a key may have, each with its meaning.
fn words(schema: &Value) -> Vec<(&str, String)> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let listed = listed.filter_map(|word| Some((word.as_str()?, String::new())));
    let told = schema["oneOf"].as_array().into_iter().flatten();
    let told = told.flat_map(|one| match one["const"].as_str() {
        Some(word) => vec![(word, description(one))],
        None => words(one),
    });
    listed.chain(told).collect()
}

/// The description, on one line and fit for a cell.
pub(super) fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Whether a table must have the key.
pub(super) fn is_required(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|one| one == key))
}

/// The default as the configuration would write it; `None` where there is none.
pub(super) fn default(key: &str, schema: &Value) -> Option<String> {
    let value = schema.get("default").filter(|value| !value.is_null())?;
    if matches!(name_of(schema), Some("Span" | "IdleTimeout"))
        && let Some(span) = value.as_str().and_then(|text| text.parse::<Span>().ok())
    {
        return Some(format!("`\"{}\"`", short(span.duration())));
    }
    let mib =
        value.as_u64().filter(|bytes| key.contains("bytes") && bytes.is_multiple_of(1 << 20) && *bytes > 0);
    let size = mib.map_or_else(String::new, |bytes| format!(" ({} MiB)", bytes >> 20));
    Some(format!("`{}`{size}", toml(value)))
}

/// A length of time in the largest unit that it is a whole number of.
fn short(length: Duration) -> String {
    let milliseconds = length.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    units
        .into_iter()
        .find(|(_, unit)| milliseconds.is_multiple_of(*unit))
        .map_or_else(|| format!("{milliseconds}ms"), |(name, unit)| format!("{}{name}", milliseconds / unit))
}

fn toml(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), grouped),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(keys) if keys.is_empty() => "{}".to_owned(),
        Value::Object(keys) => {
            let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
        other => other.to_string(),
    }
}

/// A whole number with underscores between its thousands, which TOML takes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_written_as_toml() {
        assert_eq!(default("cache_bytes", &json!({"default": 67_108_864})).unwrap(), "`67_108_864` (64 MiB)");
        assert_eq!(
            default("reference", &json!({"default": {"kind": "learned", "learn_rows": 10000}})).unwrap(),
            "`{ kind = \"learned\", learn_rows = 10_000 }`"
        );
        assert_eq!(default("level", &json!({"default": "info"})).unwrap(), "`\"info\"`");
        let span = json!({"$ref": "#/$defs/Span", "default": "2months 29days 2h 52m 48s"});
        assert_eq!(default("retention", &span).unwrap(), "`\"90d\"`");
        assert_eq!(short(Duration::from_millis(250)), "250ms");
        assert_eq!(default("path", &json!({"default": null})), None);
        assert_eq!(default("path", &json!({})), None);
    }

    #[test]
    fn what_may_be_written_is_said_in_words() {
        let definitions = json!({
            "Span": {"type": "string"},
            "Mode": {"oneOf": [{"const": "a", "description": "First."}, {"enum": ["b", "c"]}]},
            "Pair": {"type": "object", "properties": {"m": {"type": "integer"}}, "required": ["m"]}
        });
        let Value::Object(definitions) = definitions else { panic!("an object") };
        let definitions = Definitions(definitions);
        let reference = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
        assert_eq!(definitions.kind(&json!({"anyOf": [reference("Span"), {"type": "null"}]})), "time span");
        assert_eq!(definitions.kind(&reference("Mode")), "`\"a\"`, `\"b\"`, `\"c\"`");
        assert_eq!(definitions.meaning(&reference("Mode")), " `a`: First.");
        assert_eq!(
            definitions.kind(&json!({"anyOf": [{"type": "string"}, reference("Pair")]})),
            "text or `{ m = whole number }`"
        );
        assert_eq!(
            definitions.kind(&json!({"type": ["array", "null"], "items": {"type": "number"}})),
            "list of number"
        );
        assert_eq!(
            definitions.kind(&json!({"type": "object", "additionalProperties": {"type": "string"}})),
            "table of text"
        );
    }
}
