//! Every panel of every dashboard, and what it would show.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Dashboard;
use super::prometheus::{self, Range};
use super::variables::Variables;
use crate::api::Api;

/// How the dashboards are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The Prometheus, as `http://127.0.0.1:9090`.
    pub prometheus: &'a str,
    /// The folder that has `grafana/dashboards`.
    pub deploy: &'a Path,
    /// Variables that are chosen otherwise than when a dashboard is opened, by name.
    pub chosen: &'a [(&'a str, &'a str)],
    /// What `$__rate_interval` is: four scrapes or more.
    pub rate_interval: &'a str,
    /// How far back the panels show.
    pub range: Duration,
}

/// A query, and how many series it gave.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The dashboard.
    pub dashboard: String,
    /// The panel; of an annotation its name.
    pub panel: String,
    /// The panel's type, or `annotation`.
    pub kind: String,
    /// The query's legend.
    pub legend: String,
    /// What was asked of Prometheus.
    pub expr: String,
    /// Series with a number.
    pub series: usize,
}

/// A query that may give no series, and why.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// The dashboard's name.
    pub dashboard: &'static str,
    /// The panel's title, or `*` for all of the dashboard.
    pub panel: &'static str,
    /// The query's legend, or `*` for all of the panel.
    pub legend: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl Allowed {
    fn is(&self, shown: &Shown) -> bool {
        let fits = |mine: &str, theirs: &str| mine == "*" || mine == theirs;
        self.dashboard == shown.dashboard
            && fits(self.panel, &shown.panel)
            && fits(self.legend, &shown.legend)
    }
}

/// Runs every query of every dashboard, and says how many series each gave.
///
/// # Errors
/// What Prometheus said of a query that it does not take, or the variable that has no value.
pub async fn look(look: &Look<'_>) -> Result<Vec<Shown>, String> {
    let api = Api::new(look.prometheus.to_owned());
    let range = Range::until_now(look.range);
    let mut all = Vec::new();
    for dashboard in Dashboard::all(look.deploy) {
        let of = |what: &str, why: String| format!("{}: {what}: {why}", dashboard.name);
        let variables = Variables::of(&dashboard, look.chosen, look.rate_interval, &api, range).await;
        let variables = variables.map_err(|why| of("variables", why))?;
        for query in dashboard.queries() {
            let expr = variables.expand(&query.expr).map_err(|why| of(&query.panel, why))?;
            let series = if query.instant {
                prometheus::instant(&api, &expr, range).await.map(|series| series.len())
            } else {
                prometheus::over_range(&api, &expr, range).await
            };
            let series = series.map_err(|why| of(&query.panel, format!("{why}, of {expr}")))?;
            all.push(Shown {
                dashboard: dashboard.name.clone(),
                panel: variables.expand(&query.panel)?,
                kind: query.kind,
                legend: query.legend,
                expr,
                series,
            });
        }
        for annotation in dashboard.annotations() {
            let expr = variables.expand(&annotation.expr).map_err(|why| of(&annotation.name, why))?;
            let series = prometheus::over_range(&api, &expr, range).await;
            let series = series.map_err(|why| of(&annotation.name, format!("{why}, of {expr}")))?;
            all.push(Shown {
                dashboard: dashboard.name.clone(),
                panel: annotation.name,
                kind: "annotation".to_owned(),
                legend: String::new(),
                expr,
                series,
            });
        }
    }
    Ok(all)
}

/// The queries that gave no series and must have, a line each.
#[must_use]
pub fn without_series(shown: &[Shown], allowed: &[Allowed]) -> Vec<String> {
    let empty =
        shown.iter().filter(|shown| shown.series == 0 && !allowed.iter().any(|allowed| allowed.is(shown)));
    empty
        .map(|shown| {
            format!("{}: {} {:?}: no series of {}", shown.dashboard, shown.panel, shown.legend, shown.expr)
        })
        .collect()
}

/// Looks again and again until every query gives series.
///
/// # Panics
/// With those that give none, if some do not in time.
pub async fn shown_in_time(how: &Look<'_>, allowed: &[Allowed], deadline: Duration) -> Vec<Shown> {
    let started = Instant::now();
    loop {
        let missing = match look(how).await {
            Ok(shown) => {
                let missing = without_series(&shown, allowed);
                if missing.is_empty() {
                    return shown;
                }
                missing
            }
            Err(why) => vec![why],
        };
        assert!(started.elapsed() < deadline, "after {:?}:\n{}", started.elapsed(), missing.join("\n"));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// The panels as a Markdown table: how many series each of their queries gave.
#[must_use]
pub fn markdown(shown: &[Shown]) -> String {
    let mut table = String::from("| dashboard | panel | type | series |\n|---|---|---|---|\n");
    let same = |a: &Shown, b: &Shown| (&a.dashboard, &a.panel, &a.kind) == (&b.dashboard, &b.panel, &b.kind);
    for queries in shown.chunk_by(same) {
        let Shown { dashboard, panel, kind, .. } = &queries[0];
        let counts: Vec<_> = queries.iter().map(|query| query.series.to_string()).collect();
        writeln!(table, "| {dashboard} | {panel} | {kind} | {} |", counts.join(" + "))
            .expect("a string takes all that is written");
    }
    table
}
