//! Grafana's dashboards, read and asked without a Grafana: the files of `deploy/grafana/dashboards`, their variables
//! expanded against a Prometheus, and every query of theirs sent to it.

mod look;
mod prometheus;
mod variables;

pub use look::{Allowed, Look, Shown, look, markdown, shown_in_time, without_series};
pub use variables::Variables;

use std::path::Path;

use serde_json::Value;

/// A dashboard's file.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// The file's name without its end.
    pub name: String,
    /// What is in it.
    pub json: Value,
}

/// A query of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    /// The panel that shows it.
    pub panel: String,
    /// The panel's type.
    pub kind: String,
    /// Its legend, as it is written; empty where a panel needs none.
    pub legend: String,
    /// What is asked.
    pub expr: String,
    /// Of one moment, not over a range.
    pub instant: bool,
}

/// A query that puts marks on a dashboard's panels.
#[derive(Clone, Debug)]
pub struct Annotation {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub expr: String,
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

fn list<'a>(json: &'a Value, pointer: &str) -> &'a [Value] {
    json.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Dashboard {
    /// Every dashboard of a deploy folder, by name.
    ///
    /// # Panics
    /// If a file cannot be read or is no JSON.
    #[must_use]
    pub fn all(deploy: &Path) -> Vec<Self> {
        let folder = deploy.join("grafana/dashboards");
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut all: Vec<Self> = files
            .map(|file| file.expect("the folder can be read").path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .map(|path| {
                let text = std::fs::read_to_string(&path).expect("the file can be read");
                let json =
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let name =
                    path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                Self { name, json }
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Its panels, those in closed rows too; with the rows.
    #[must_use]
    pub fn panels(&self) -> Vec<&Value> {
        let outer = list(&self.json, "/panels").iter();
        outer.flat_map(|panel| std::iter::once(panel).chain(list(panel, "/panels"))).collect()
    }

    /// Every query of its panels.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let of_panel = |panel: &&Value| -> Vec<Query> {
            let query = |target: &Value| Query {
                panel: text(panel, "title").to_owned(),
                kind: text(panel, "type").to_owned(),
                legend: Some(text(target, "legendFormat"))
                    .filter(|legend| *legend != "__auto")
                    .unwrap_or_default()
                    .to_owned(),
                expr: text(target, "expr").to_owned(),
                instant: target["instant"] == true,
            };
            list(panel, "/targets").iter().map(query).collect()
        };
        self.panels().iter().flat_map(of_panel).collect()
    }

    /// Its annotations.
    #[must_use]
    pub fn annotations(&self) -> Vec<Annotation> {
        let all = list(&self.json, "/annotations/list").iter();
        all.map(|one| Annotation { name: text(one, "name").to_owned(), expr: text(one, "expr").to_owned() })
            .collect()
    }

    /// Its variables, in order.
    #[must_use]
    pub fn variables(&self) -> &[Value] {
        list(&self.json, "/templating/list")
    }
}
