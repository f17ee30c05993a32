//! The dashboards of `deploy/grafana`: their form, and that what they name exists.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use driftline_expose::{METRICS, MetricKind};
use driftline_tests::census::project;
use driftline_tests::dashboards::{Dashboard, Variables};
use regex::Regex;
use serde_json::Value;

fn deploy() -> PathBuf {
    project().join("deploy")
}

fn dashboards() -> Vec<Dashboard> {
    let all = Dashboard::all(&deploy());
    let names: Vec<_> = all.iter().map(|dashboard| dashboard.name.as_str()).collect();
    assert_eq!(names, ["driftline", "fleet", "host", "model"]);
    all
}

fn text<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(json: &'a Value, pointer: &str) -> &'a [Value] {
    json.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What is wrong, gathered so that one run shows all of it.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn the_files_are_what_the_generator_writes() {
    let generator = Command::new("python3")
        .args(["-B", "deploy/grafana/generate", "--check"])
        .current_dir(project())
        .output()
        .expect("python3 is installed: scripts/setup --tests");
    let said = String::from_utf8_lossy(&generator.stdout);
    assert!(generator.status.success(), "{said}{}", String::from_utf8_lossy(&generator.stderr));
}

#[test]
fn dashboards_are_provisioned_as_grafana_wants_them() {
    let mut faults = Faults::default();
    let mut uids = BTreeSet::new();
    for Dashboard { name, json } in dashboards() {
        let uid = text(&json, "/uid").to_owned();
        faults.unless(json["schemaVersion"] == 39, || {
            format!("{name}: schemaVersion {}", json["schemaVersion"])
        });
        faults.unless(json["id"].is_null() && json.get("id").is_some(), || format!("{name}: id is not null"));
        faults.unless(json["editable"] == false, || format!("{name}: it can be edited"));
        faults.unless(!text(&json, "/title").is_empty(), || format!("{name}: no title"));
        faults.unless(!text(&json, "/description").is_empty(), || format!("{name}: no description"));
        faults.unless(json.get("__inputs").is_none(), || format!("{name}: has __inputs"));
        faults.unless(uids.insert(uid.clone()), || format!("{name}: {uid} is another's uid"));
    }
    let expected = ["driftline-fleet", "driftline-host", "driftline-model", "driftline-service"];
    assert_eq!(uids.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    faults.none();
}

#[test]
fn variables_choose_the_source_the_job_and_the_instance() {
    let mut faults = Faults::default();
    for dashboard in dashboards() {
        let name = &dashboard.name;
        let variables = dashboard.variables();
        let names: Vec<_> = variables.iter().map(|variable| text(variable, "/name")).collect();
        faults.unless(names.starts_with(&["datasource", "job", "instance"]), || format!("{name}: {names:?}"));
        let source = &variables[0];
        let is_source = text(source, "/type") == "datasource"
            && text(source, "/label") == "Data source"
            && text(source, "/query") == "prometheus";
        faults.unless(is_source, || format!("{name}: {source}"));
        for variable in &variables[1..] {
            let own = text(variable, "/name");
            let is_query = text(variable, "/type") == "query";
            faults.unless(is_query || text(variable, "/type") == "custom", || {
                format!("{name}: ${own} is of no kind")
            });
            faults.unless(!text(variable, "/label").is_empty(), || format!("{name}: ${own} has no label"));
            if is_query {
                faults.unless(variable["refresh"] == 2, || format!("{name}: ${own} is not refreshed"));
                let source = text(variable, "/datasource/uid");
                faults.unless(source == "${datasource}", || format!("{name}: ${own} is of {source:?}"));
                let asked = text(variable, "/query/query");
                faults.unless(asked == text(variable, "/definition"), || {
                    format!("{name}: ${own} asks {asked:?}")
                });
            }
            if ["job", "instance"].contains(&own) {
                let all = variable["multi"] == true && variable["includeAll"] == true;
                faults.unless(all && text(variable, "/allValue") == ".+", || {
                    format!("{name}: ${own} has no choice of all")
                });
            }
        }
    }
    faults.none();
}

const KINDS: [&str; 7] = ["row", "timeseries", "stat", "table", "heatmap", "state-timeline", "barchart"];

#[test]
fn panels_say_what_they_show() {
    let mut faults = Faults::default();
    for dashboard in dashboards() {
        for panel in dashboard.panels() {
            let (kind, title) = (text(panel, "/type"), text(panel, "/title"));
            let at = |what: &str| format!("{}: {title:?}: {what}", dashboard.name);
            faults.unless(KINDS.contains(&kind), || at(&format!("of type {kind:?}")));
            faults.unless(!title.is_empty(), || at("no title"));
            if kind == "row" {
                continue;
            }
            faults.unless(text(panel, "/description").ends_with('.'), || at("no description"));
            faults.unless(!text(panel, "/fieldConfig/defaults/unit").is_empty(), || at("no unit"));
            faults.unless(text(panel, "/datasource/uid") == "${datasource}", || at("another data source"));
            let targets = list(panel, "/targets");
            let refs: BTreeSet<_> = targets.iter().map(|target| text(target, "/refId")).collect();
            faults.unless(!targets.is_empty() && refs.len() == targets.len(), || {
                at(&format!("queries {refs:?}"))
            });
            for target in targets {
                faults.unless(text(target, "/datasource/uid") == "${datasource}", || {
                    at("a query of another data source")
                });
                faults.unless((target["instant"] == true) != (target["range"] == true), || {
                    at("neither instant nor range")
                });
                let (form, legend) = (text(target, "/format"), text(target, "/legendFormat"));
                let right = match kind {
                    "heatmap" => form == "heatmap" && legend == "{{le}}",
                    "table" | "barchart" => form == "table" && target["instant"] == true,
                    _ => form == "time_series",
                };
                faults.unless(right, || at(&format!("format {form:?}, legend {legend:?}")));
            }
            if kind == "table" {
                let unit = |column: &Value| {
                    list(column, "/properties").iter().any(|property| property["id"] == "unit")
                };
                let columns = list(panel, "/fieldConfig/overrides");
                faults
                    .unless(!columns.is_empty() && columns.iter().all(unit), || at("a column without unit"));
            }
            let series: BTreeSet<_> = targets.iter().map(|target| text(target, "/legendFormat")).collect();
            for column in list(panel, "/fieldConfig/overrides").iter().filter(|_| kind == "timeseries") {
                // An override of a series that there is not does nothing, silently.
                let (by, name) = (text(column, "/matcher/id"), text(column, "/matcher/options"));
                let is_one = series.contains(name) || series.iter().any(|legend| legend.starts_with("{{"));
                faults.unless(by == "byRegexp" || is_one, || at(&format!("no series {name:?}")));
            }
        }
    }
    faults.none();
}

#[test]
fn panels_have_their_own_number_and_place() {
    let mut faults = Faults::default();
    for dashboard in dashboards() {
        let mut ids = BTreeSet::new();
        let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
        for panel in dashboard.panels() {
            let title = text(panel, "/title");
            faults.unless(ids.insert(panel["id"].as_u64()), || {
                format!("{}: {title:?}: its id is another's", dashboard.name)
            });
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
            faults
                .unless(w > 0 && h > 0 && x + w <= 24, || format!("{}: {title:?}: outside", dashboard.name));
            for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                if let Some(other) = taken.insert(place, title.to_owned()) {
                    faults.unless(false, || format!("{}: {title:?} is on {other:?}", dashboard.name));
                    break;
                }
            }
        }
    }
    faults.none();
}

#[test]
fn rates_are_over_the_rate_interval() {
    let mut faults = Faults::default();
    let ranged = Regex::new(r"\b(i?rate)\(.*?\[([^\]]+)\]").unwrap();
    for dashboard in dashboards() {
        for query in dashboard.queries() {
            for found in ranged.captures_iter(&query.expr) {
                let over = &found[2];
                faults.unless(over == "$__rate_interval", || {
                    format!("{}: {:?}: {} over {over}", dashboard.name, query.panel, &found[1])
                });
            }
        }
    }
    faults.none();
}

/// Every text of a JSON value.
fn texts<'a>(json: &'a Value, all: &mut Vec<&'a str>) {
    match json {
        Value::String(text) => all.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, all)),
        Value::Object(members) => members.values().for_each(|value| texts(value, all)),
        _ => {}
    }
}

/// What Grafana itself gives a value.
const BUILT_IN: [&str; 4] = ["__rate_interval", "__range", "__url_time_range", "__all"];

#[test]
fn every_variable_and_link_leads_somewhere() {
    let mut faults = Faults::default();
    let all = dashboards();
    let names = |dashboard: &Dashboard| -> BTreeSet<String> {
        dashboard.variables().iter().map(|variable| text(variable, "/name").to_owned()).collect()
    };
    let by_uid: BTreeMap<_, _> =
        all.iter().map(|one| (text(&one.json, "/uid").to_owned(), names(one))).collect();
    let set = Regex::new(r"[?&]var-(\w+)=").unwrap();
    let carried = Regex::new(r"\$\{(\w+):queryparam\}").unwrap();
    let deep = Regex::new(r"\$\{__(?:data|field)\.[^}]+\}").unwrap();
    for dashboard in &all {
        let own = names(dashboard);
        let mut found = Vec::new();
        texts(&dashboard.json, &mut found);
        for text in found {
            for name in Variables::named_in(&deep.replace_all(text, "")) {
                let known = own.contains(&name) || BUILT_IN.contains(&name.as_str());
                faults.unless(known, || format!("{}: no variable ${name} for {text:?}", dashboard.name));
            }
            let Some(target) = text.strip_prefix("/d/") else { continue };
            let uid = target.split('?').next().unwrap_or_default();
            let Some(theirs) = by_uid.get(uid) else {
                faults.unless(false, || format!("{}: {text} leads nowhere", dashboard.name));
                continue;
            };
            for name in set.captures_iter(text).chain(carried.captures_iter(text)) {
                faults.unless(theirs.contains(&name[1]), || {
                    format!("{}: {uid} has no ${}", dashboard.name, &name[1])
                });
            }
        }
    }
    faults.none();
}

/// Metrics of other programs that panels name, with the labels that panels name of them.
const OTHERS: &[(&str, &[&str])] = &[
    ("up", &[]),
    ("scrape_duration_seconds", &[]),
    ("ALERTS", &["alertstate", "alertname", "model", "severity", "tier"]),
    ("model_server_requests_total", &["model", "version", "code"]),
    ("model_server_request_duration_seconds_bucket", &["model", "version", "le"]),
    ("model_server_requests_in_flight", &["model", "version"]),
    ("model_server_workers", &["model", "version"]),
    ("node_boot_time_seconds", &[]),
    ("node_cpu_seconds_total", &["cpu", "mode"]),
    ("node_disk_io_time_seconds_total", &["device"]),
    ("node_disk_read_bytes_total", &["device"]),
    ("node_disk_written_bytes_total", &["device"]),
    ("node_filesystem_avail_bytes", &["device", "fstype", "mountpoint"]),
    ("node_filesystem_files", &["device", "fstype", "mountpoint"]),
    ("node_filesystem_files_free", &["device", "fstype", "mountpoint"]),
    ("node_filesystem_size_bytes", &["device", "fstype", "mountpoint"]),
    ("node_load1", &[]),
    ("node_load5", &[]),
    ("node_memory_Buffers_bytes", &[]),
    ("node_memory_Cached_bytes", &[]),
    ("node_memory_MemAvailable_bytes", &[]),
    ("node_memory_MemFree_bytes", &[]),
    ("node_memory_MemTotal_bytes", &[]),
    ("node_network_receive_bytes_total", &["device"]),
    ("node_network_receive_drop_total", &["device"]),
    ("node_network_receive_errs_total", &["device"]),
    ("node_network_transmit_bytes_total", &["device"]),
    ("node_network_transmit_drop_total", &["device"]),
    ("node_network_transmit_errs_total", &["device"]),
    ("node_uname_info", &[]),
    ("node_vmstat_pswpin", &[]),
    ("node_vmstat_pswpout", &[]),
];

/// Every series' name with its labels.
fn known_series() -> BTreeMap<String, BTreeSet<String>> {
    let labels = |labels: &[&str]| labels.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let mut known: BTreeMap<_, _> =
        OTHERS.iter().map(|(name, own)| ((*name).to_owned(), labels(own))).collect();
    for metric in METRICS.iter() {
        let own = labels(metric.labels);
        if metric.kind == MetricKind::Histogram {
            for end in ["_sum", "_count"] {
                known.insert(format!("{}{end}", metric.name), own.clone());
            }
            let with_le = own.into_iter().chain(["le".to_owned()]).collect();
            known.insert(format!("{}_bucket", metric.name), with_le);
        } else {
            known.insert(metric.name.to_owned(), own);
        }
    }
    known
}

/// An expression with `$figure` as each of the figures that the variable may be.
fn with_figures(expr: &str, dashboard: &Dashboard) -> Vec<String> {
    let variable = dashboard.variables().iter().find(|variable| text(variable, "/name") == "figure");
    let Some(variable) = variable.filter(|_| expr.contains("driftline_$")) else {
        return vec![expr.to_owned()];
    };
    let names = text(variable, "/definition").split_once("driftline_(").unwrap().1.split_once(')').unwrap().0;
    let put = |name: &str| {
        expr.replace("driftline_${figure}", &format!("driftline_{name}"))
            .replace("driftline_$figure", &format!("driftline_{name}"))
    };
    names.split('|').map(put).collect()
}

#[test]
fn every_metric_and_label_that_is_named_exists() {
    let known = known_series();
    let name =
        Regex::new(r"(?:\b(?:driftline|process|model_server|node|scrape)_\w+|\bup\b|\bALERTS\b)").unwrap();
    let selector = Regex::new(r"(\w+)\{([^}]*)\}").unwrap();
    let names = Regex::new(r#"__name__=~"[^"]*""#).unwrap();
    let matcher = Regex::new(r#"(\w+)(?:=~|!~|!=|=)"[^"]*""#).unwrap();
    let target = BTreeSet::from(["job", "instance", "__name__"].map(str::to_owned));
    let mut faults = Faults::default();
    let mut named = BTreeSet::new();
    for dashboard in dashboards() {
        let queries = dashboard.queries().into_iter().map(|query| query.expr);
        let marks = dashboard.annotations().into_iter().map(|annotation| annotation.expr);
        let chosen = dashboard.variables().iter().map(|variable| text(variable, "/definition").to_owned());
        for expr in queries.chain(marks).chain(chosen).flat_map(|expr| with_figures(&expr, &dashboard)) {
            let without_names = names.replace_all(&expr, "");
            for found in name.find_iter(&without_names) {
                named.insert(found.as_str().to_owned());
                faults.unless(known.contains_key(found.as_str()), || {
                    format!("{}: there is no {} in {expr}", dashboard.name, found.as_str())
                });
            }
            for found in selector.captures_iter(&expr) {
                let Some(own) = known.get(&found[1]) else { continue };
                for label in matcher.captures_iter(&found[2]) {
                    let is_known = own.contains(&label[1]) || target.contains(&label[1]);
                    faults.unless(is_known, || {
                        format!("{}: {} has no label {}", dashboard.name, &found[1], &label[1])
                    });
                }
            }
        }
    }
    for (other, _) in OTHERS {
        faults.unless(named.contains(*other), || format!("{other} is listed and not named by any dashboard"));
    }
    faults.none();
}

#[test]
fn annotations_mark_alerts_and_times() {
    let mut faults = Faults::default();
    for dashboard in dashboards() {
        for mark in list(&dashboard.json, "/annotations/list") {
            let (name, expr) = (text(mark, "/name"), text(mark, "/expr"));
            let is_time = expr.contains("_timestamp_seconds") || expr.contains("_time_seconds");
            let right = if is_time {
                mark["useValueForTime"] == true && expr.contains("* 1000")
            } else {
                mark["useValueForTime"] == false
                    && (expr.contains("ALERTS{alertstate=\"firing\"") || expr.ends_with("> 0"))
            };
            faults.unless(right, || format!("{}: {name}: {expr}", dashboard.name));
            faults.unless(text(mark, "/datasource/uid") == "${datasource}", || {
                format!("{}: {name}: data source", dashboard.name)
            });
        }
    }
    faults.none();
}

/// The lines `key: value` of a small YAML file, whatever they are in.
fn settings(path: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(deploy().join(path)).unwrap();
    let line = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        let (key, value) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
        Some((key.to_owned(), value.trim().to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn what_is_provisioned_is_what_the_dashboards_expect() {
    let has = |settings: &[(String, String)], key: &str, value: &str| {
        assert!(
            settings.iter().any(|(k, v)| (k.as_str(), v.as_str()) == (key, value)),
            "no {key}: {value} in {settings:?}"
        );
    };
    let source = settings("grafana/provisioning/datasources/prometheus.yml");
    for (key, value) in [
        ("uid", "prometheus"),
        ("type", "prometheus"),
        ("url", "http://prometheus:9090"),
        ("apiVersion", "1"),
    ] {
        has(&source, key, value);
    }
    // Rates are over four scrapes: what Grafana takes for a scrape is what Prometheus does.
    let interval = &source.iter().find(|(key, _)| key == "timeInterval").unwrap().1;
    let scraped = settings("prometheus/prometheus.yml");
    has(&scraped, "scrape_interval", interval);
    let provider = settings("grafana/provisioning/dashboards/driftline.yml");
    for (key, value) in [("type", "file"), ("path", "/var/lib/grafana/dashboards"), ("apiVersion", "1")] {
        has(&provider, key, value);
    }
    for dashboard in dashboards() {
        assert_eq!(text(&dashboard.variables()[0], "/current/value"), "prometheus", "{}", dashboard.name);
    }
}
