//! The demo's story in lines, for logs and pipes.

use std::time::Duration;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use tokio_util::sync::CancellationToken;

use super::alarms::Alarms;
use super::{Stage, stopped};
use crate::cli::table::{metric, most_drifted};

/// Prints a line for each phase and each window that closed, until the story is over or somebody stops it.
pub(super) async fn lines(stage: &Stage, keep_running: bool, stop: &CancellationToken) -> anyhow::Result<()> {
    println!(
        "Driftline demo: {url}/ for people, {url}/metrics for Prometheus, {url}/openapi.json",
        url = stage.url
    );
    println!(
        "A churn model's traffic, five hours in five minutes. Windows of 15 minutes, one every 5 (5 s here)."
    );
    let mut title = "";
    let mut seen: Option<EventTime> = None;
    let mut alarms = Alarms::default();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut ended = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = &mut ended => return Ok(()),
        }
        let elapsed = stage.elapsed();
        if let Some(phase) = stage.story.phase_at(elapsed)
            && phase.title != title
        {
            title = phase.title;
            println!("\n{:>3} s  {}: {}", elapsed.as_secs(), phase.title, phase.explanation);
        }
        for report in stage.windows().await {
            if seen.is_none_or(|seen| report.window.end > seen) {
                seen = Some(report.window.end);
                println!("{:>3} s  {}", elapsed.as_secs(), line(&report));
            }
        }
        for text in alarms.news(&stage.incidents().await) {
            println!("{:>3} s  {text}", elapsed.as_secs());
        }
        if elapsed >= stage.story.duration() && !keep_running {
            return Ok(());
        }
    }
}

fn line(report: &WindowReport) -> String {
    let by_label_time = report.performance_by_label_time.metrics.get("accuracy");
    let fresh = by_label_time
        .and_then(|estimate| estimate.interval())
        .map_or_else(|| "no labels yet".to_owned(), |interval| format!("{:.3}", interval.value));
    format!(
        "window to {}: {} rows, drifted: {}, accuracy of new labels {fresh}, of its predictions {} ({:.0} % labelled)",
        &report.window.end.to_string()[11..16],
        report.rows,
        most_drifted(&report.features),
        metric(report, "accuracy"),
        report.labels.coverage.value().unwrap_or_default() * 100.0,
    )
}
