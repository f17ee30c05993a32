//! Reports and references as tables for people.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use driftline::config::ModelConfig;
use driftline_evaluate::{FeatureReport, Severity, WindowReport};
use driftline_events::Task;
use driftline_summary::{CategoricalSummary, FeatureSummary, NumericSummary, Reference};

/// Drifted features that a row names.
const NAMED: usize = 3;

/// The figures of a performance that people look at first, by task: the metric and its heading.
pub(super) const fn leading_metrics(task: Task) -> [(&'static str, &'static str); 2] {
    match task {
        Task::Binary => [("accuracy", "accuracy"), ("roc_auc", "ROC AUC")],
        Task::Multiclass => [("accuracy", "accuracy"), ("f1_macro", "F1 macro")],
        Task::Regression => [("mae", "MAE"), ("r2", "R²")],
    }
}

pub(super) fn new(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heading.iter().map(|text| Cell::new(text).add_attribute(Attribute::Bold)));
    table
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A row a window: what drifted most, and how well the model did.
pub(super) fn windows(task: Task, reports: &[WindowReport]) -> Table {
    let [first, second] = leading_metrics(task);
    let mut table =
        new(&["window", "from", "rows", "drifted", "most drifted (excess PSI)", first.1, second.1, "labels"]);
    for report in reports {
        let drifted = report.drift.drifted_features;
        let worst = report.features.iter().filter_map(|feature| feature.severity).max();
        let colour = match worst {
            Some(Severity::Major) => Color::Red,
            Some(Severity::Minor) => Color::Yellow,
            None => Color::Reset,
        };
        let version = if report.version.is_empty() { String::new() } else { format!(" v{}", report.version) };
        table.add_row([
            Cell::new(format!("{}{version}", report.window.name)),
            Cell::new(start(report)),
            right(report.rows),
            right(format!("{drifted}/{}", report.drift.watched)).fg(colour),
            Cell::new(most_drifted(&report.features)).fg(colour),
            right(metric(report, first.0)),
            right(metric(report, second.0)),
            right(coverage(report)),
        ]);
    }
    table
}

fn start(report: &WindowReport) -> String {
    let text = report.window.start.to_string();
    text.strip_suffix("T00:00:00Z").map_or_else(|| text.replace('T', " ").replace('Z', ""), str::to_owned)
}

/// The features with the highest excess PSI, drifted ones first.
pub(super) fn most_drifted(features: &[FeatureReport]) -> String {
    let mut ranked: Vec<(&FeatureReport, f64)> = features
        .iter()
        .filter(|feature| feature.drifted)
        .filter_map(|feature| Some((feature, feature.psi.excess.value()?)))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let more = ranked.len().saturating_sub(NAMED);
    let mut named: Vec<String> =
        ranked.iter().take(NAMED).map(|(feature, psi)| format!("{} {psi:.2}", feature.name)).collect();
    if more > 0 {
        named.push(format!("+{more}"));
    }
    if named.is_empty() { "-".to_owned() } else { named.join(", ") }
}

/// A figure with half the width of its 95 % interval.
pub(super) fn metric(report: &WindowReport, name: &str) -> String {
    let Some(interval) = report.performance.metrics.get(name).and_then(|estimate| estimate.interval()) else {
        return "-".to_owned();
    };
    match interval.low.zip(interval.high) {
        Some((low, high)) => format!("{:.3} ±{:.3}", interval.value, (high - low) / 2.0),
        None => format!("{:.3}", interval.value),
    }
}

fn coverage(report: &WindowReport) -> String {
    report
        .labels
        .coverage
        .value()
        .map_or_else(|| "-".to_owned(), |coverage| format!("{:.0} %", coverage * 100.0))
}

/// Prints a reference: what it is, then a row a feature.
pub(super) fn reference(model: &ModelConfig, reference: &Reference) {
    println!(
        "Reference of model {}: {} rows from {}, made {}.",
        model.schema.model(),
        reference.rows,
        reference.source,
        reference.created
    );
    let mut table =
        new(&["feature", "kind", "missing", "invalid", "mean ± sd", "quantiles 0.01 0.5 0.99 / categories"]);
    for (spec, summary) in reference.spec.features().iter().zip(&reference.overall.features) {
        match summary {
            FeatureSummary::Numeric(summary) => table.add_row(numeric(&spec.name, summary)),
            FeatureSummary::Categorical(summary) => table.add_row(categorical(&spec.name, summary)),
        };
    }
    if model.schema.task() == Task::Regression {
        table.add_row(numeric("(predicted value)", &reference.overall.value));
    } else {
        table.add_row(numeric("(score)", &reference.overall.score));
        table.add_row(categorical("(predicted class)", &reference.overall.prediction));
    }
    println!("{table}");
    for ((tag, value), summary) in &reference.segments {
        let rows = summary.traffic.total.rows;
        println!("  segment {tag}={value}: {rows} rows");
    }
}

fn numeric(name: &str, summary: &NumericSummary) -> [Cell; 6] {
    let rows = summary.rows().weight;
    let quantiles: Vec<_> = [0.01, 0.5, 0.99]
        .iter()
        .filter_map(|&q| summary.quantile(q))
        .map(|value| format!("{value:.4}"))
        .collect();
    let spread = match (summary.moments.mean(), summary.moments.sample_variance()) {
        (Some(mean), Some(variance)) => format!("{mean:.4} ± {:.4}", variance.sqrt()),
        _ => "-".to_owned(),
    };
    [
        Cell::new(name),
        Cell::new("numeric"),
        right(share(summary.missing.weight, rows)),
        right(share(summary.invalid.weight, rows)),
        right(spread),
        Cell::new(quantiles.join("  ")),
    ]
}

fn categorical(name: &str, summary: &CategoricalSummary) -> [Cell; 6] {
    let rows = summary.rows().weight;
    let present = summary.present.weight;
    let shares: Vec<String> = summary
        .categories()
        .map(|categories| {
            let named = categories.kept().iter().enumerate().take(5);
            named
                .map(|(code, name)| format!("{name} {}", share(summary.counts().get(code), present)))
                .collect()
        })
        .unwrap_or_default();
    let more = summary
        .categories()
        .map_or(0, |categories| categories.kept().len().saturating_sub(5) + categories.pooled());
    let more = if more > 0 { format!(", +{more}") } else { String::new() };
    [
        Cell::new(name),
        Cell::new("categorical"),
        right(share(summary.missing.weight, rows)),
        right(share(summary.invalid.weight, rows)),
        right("-"),
        Cell::new(format!("{}{more}", shares.join(", "))),
    ]
}

fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", 100.0 * part / whole) } else { "-".to_owned() }
}
