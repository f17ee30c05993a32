//! The page of the configuration: a section for each of its tables, a row for each key.

use std::collections::BTreeMap;

use serde_json::Value;

use super::declared;
use super::words::{Definitions, default, description, is_required};
use crate::config::Options;

/// What the page says before the sections.
const HEAD: &str = include_str!("configuration.md");

/// The page.
pub(super) fn page() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let mut root = settings.into_generator().into_root_schema_for::<Options>().to_value();
    let Value::Object(definitions) = root["$defs"].take() else {
        panic!("the schema of the configuration names its tables")
    };
    let mut page =
        Page { definitions: Definitions(definitions), shown: BTreeMap::new(), text: HEAD.to_owned() };
    for &key in declared::keys::<Options>() {
        page.section(&Place::default(), key, &root["properties"][key]);
    }
    page.text
}

/// Where a table stands; by default the whole file.
#[derive(Default)]
struct Place {
    /// Its name in the file, such as `models.windows`.
    name: String,
    /// What the names of its keys begin with in the environment.
    prefix: String,
}

impl Place {
    /// The environment's name of a key.
    fn variable(&self, key: &str) -> String {
        let prefix = if self.prefix.is_empty() { "DRIFTLINE_" } else { &self.prefix };
        format!("{prefix}{}", key.to_ascii_uppercase())
    }

    /// A table in this one; `entry` names one of several.
    fn inside(&self, key: &str, entry: &str) -> Self {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        let entry = if entry.is_empty() { String::new() } else { format!("{entry}__") };
        Self { name, prefix: format!("{}__{entry}", self.variable(key)) }
    }
}

/// What holds a table, or several.
#[derive(Clone, Copy, PartialEq)]
enum Holder {
    Table,
    List,
    Named,
    /// A table whose keys depend on its `kind`.
    Kinds,
}

struct Page {
    definitions: Definitions,
    /// The headings of the tables that have a section, by the names of their types.
    shown: BTreeMap<String, String>,
    text: String,
}

impl Page {
    /// The table, or the kind of several, that a key holds; `None` for a plain value.
    fn table<'a>(&'a self, schema: &'a Value) -> Option<(Holder, &'a Value)> {
        let is_table = |schema: &Value| schema["properties"].is_object();
        let found = self.definitions.resolve(schema);
        if is_table(found) {
            return Some((Holder::Table, found));
        }
        if is_table(&found["oneOf"][0]) {
            return Some((Holder::Kinds, found));
        }
        [(Holder::List, "items"), (Holder::Named, "additionalProperties")].into_iter().find_map(
            |(holder, key)| {
                let entry = self.definitions.resolve(found.get(key)?);
                is_table(entry).then_some((holder, entry))
            },
        )
    }

    /// The section of a key that holds tables, and of the tables in them; nothing for a plain value.
    fn section(&mut self, outer: &Place, key: &str, schema: &Value) {
        let Some((holder, table)) = self.table(schema).map(|(holder, table)| (holder, table.clone())) else {
            return;
        };
        let entry = match holder {
            Holder::Table | Holder::Kinds => "",
            Holder::List if table["properties"]["name"].is_null() => "<N>",
            Holder::List | Holder::Named => "<NAME>",
        };
        let place = outer.inside(key, entry);
        let name = &place.name;
        let heading = match holder {
            Holder::Table => format!("[{name}]"),
            Holder::List => format!("[[{name}]]"),
            Holder::Named => format!("[{name}.NAME]"),
            Holder::Kinds => format!("{name} = {{ kind = \"…\" }}"),
        };
        let level = if outer.name.is_empty() { "##" } else { "###" };
        self.line(&format!("\n{level} `{heading}`\n"));
        let about = description(schema);
        let about = if about.is_empty() { description(&table) } else { about };
        self.line(&about);
        if let Some(name) = self.definitions.name(schema).map(str::to_owned) {
            if let Some(same) = self.shown.get(&name) {
                let anchor: String =
                    same.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let variables = place.variable("");
                self.line(&format!(
                    "\nIts keys are those of [`{same}`](#{anchor}), in the environment `{variables}…`."
                ));
                return;
            }
            self.shown.insert(name, heading);
        }
        self.line("\n| Key | Type | Default | Meaning | Environment |\n|---|---|---|---|---|");
        if holder == Holder::Kinds {
            self.kinds(&place, &table);
            return;
        }
        let properties = table["properties"].as_object().into_iter().flatten();
        let (first, rest): (Vec<_>, Vec<_>) = properties.partition(|(key, _)| is_required(&table, key));
        let keys: Vec<_> = first.into_iter().chain(rest).collect();
        for (key, schema) in &keys {
            let row = match self.table(schema) {
                None => self.row(&place, key, schema, is_required(&table, key), ""),
                Some(_) => continue,
            };
            self.line(&row);
        }
        for (key, schema) in keys {
            self.section(&place, key, schema);
        }
    }

    /// The rows of a table whose keys depend on its `kind`.
    fn kinds(&mut self, place: &Place, table: &Value) {
        let variants = table["oneOf"].as_array().into_iter().flatten();
        let variants: Vec<_> =
            variants.filter_map(|one| Some((one["properties"]["kind"]["const"].as_str()?, one))).collect();
        let kinds: Vec<_> = variants.iter().map(|(kind, _)| format!("`\"{kind}\"`")).collect();
        let meanings: Vec<_> =
            variants.iter().map(|(kind, one)| format!("`{kind}`: {}", description(one))).collect();
        let variable = place.variable("kind");
        self.line(&format!(
            "| `kind` | {} | required | {} | `{variable}` |",
            kinds.join(", "),
            meanings.join(" ")
        ));
        for (kind, one) in variants {
            let properties = one["properties"].as_object().into_iter().flatten();
            for (key, schema) in properties.filter(|(key, _)| *key != "kind") {
                let row = self.row(place, key, schema, is_required(one, key), &format!("`{kind}`: "));
                self.line(&row);
            }
        }
    }

    /// The row of a plain value.
    fn row(&self, place: &Place, key: &str, schema: &Value, required: bool, before: &str) -> String {
        let default = match (required, default(key, schema)) {
            (true, _) => "required".to_owned(),
            (false, default) => default.unwrap_or_default(),
        };
        let (kind, meaning) = (self.definitions.kind(schema), self.definitions.meaning(schema));
        format!("| `{key}` | {kind} | {default} | {before}{meaning} | `{}` |", place.variable(key))
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_read_has_a_row_or_a_section() {
        let page = page();
        for row in [
            "| `listen` | text | `\"127.0.0.1:8080\"` |",
            "| `DRIFTLINE_SERVER__LISTEN` |",
            "## `[[models]]`",
            "| `name` | text | required | Its name:",
            "| `DRIFTLINE_MODELS__<NAME>__WINDOWS__<NAME>__LENGTH` |",
            "| `cache_bytes` | whole number | `67_108_864` (64 MiB) |",
            "| `windows` | whole number | required | `trailing`: How many. |",
            "| `url` | text or `{ env = text }` or `{ file = text }` |",
            "### `[models.drift.features.NAME]`",
            "| `DRIFTLINE_ROUTES__<N>__SINKS` |",
        ] {
            assert!(page.contains(row), "{row} is not in:\n{page}");
        }
    }

    #[test]
    fn every_row_says_what_it_is_and_what_it_means() {
        for row in page().lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = row.split(" | ").collect();
            assert_eq!(cells.len(), 5, "{row}");
            assert!(!cells[1].is_empty() && cells[3].len() > 3, "{row}");
        }
    }
}
