//! Keys set by the environment: `DRIFTLINE_SERVER__LISTEN=127.0.0.1:9000` sets `server.listen`.
//!
//! Two underscores go one level down. An entry of an array is named by its place or its `name`:
//! `DRIFTLINE_MODELS__0__RETENTION`, `DRIFTLINE_MODELS__CHURN__RETENTION`. A value is read as TOML if it is TOML, and
//! as text if not; text that looks like a number is quoted: `'"3"'`.

use super::fault::Faults;

const PREFIX: &str = "DRIFTLINE_";
/// Read by the project's tests.
const TEST_PREFIX: &str = "DRIFTLINE_TEST_";

/// Puts the environment's keys into a configuration.
pub(super) fn apply(
    value: &mut toml::Value,
    environment: impl Iterator<Item = (String, String)>,
    faults: &mut Faults,
) {
    let mut keys: Vec<_> =
        environment.filter(|(key, _)| key.starts_with(PREFIX) && !key.starts_with(TEST_PREFIX)).collect();
    // The order of an environment means nothing; the faults' order should not change with it.
    keys.sort();
    for (key, text) in keys {
        let path: Vec<String> = key[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        if let Err(message) = set(value, &path, read(&text)) {
            faults.add(key, message);
        }
    }
}

fn read(text: &str) -> toml::Value {
    format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(value: &mut toml::Value, path: &[String], to: toml::Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        *value = to;
        return Ok(());
    };
    match value {
        toml::Value::Table(table) => {
            let next = table.entry(first.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            set(next, rest, to)
        }
        toml::Value::Array(items) => {
            let place = first.parse::<usize>().ok().or_else(|| place_of(items, first));
            match place.and_then(|place| items.get_mut(place)) {
                Some(item) => set(item, rest, to),
                None => Err(format!("there is no entry {first:?} in the configuration")),
            }
        }
        _ => Err(format!("{first:?} is inside a key that holds a plain value")),
    }
}

/// The place of the entry whose `name` is written like this in an environment's key.
fn place_of(items: &[toml::Value], name: &str) -> Option<usize> {
    let folded = |text: &str| {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect::<String>()
    };
    items.iter().position(|item| {
        item.get("name").and_then(toml::Value::as_str).is_some_and(|own| folded(own) == folded(name))
    })
}
