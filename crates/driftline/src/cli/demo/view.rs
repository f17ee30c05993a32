//! The demo's live view in the terminal.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use driftline_evaluate::{AlertSeverity, FeatureReport, Incident, IncidentState, Severity, WindowReport};
use driftline_simulate::{Progress, Scenario};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Row, Table, Wrap};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Stage, alarms, stopped};
use crate::cli::table::metric;

const REDRAW: Duration = Duration::from_millis(250);

/// Shows the live view until `q` is pressed or `stop` is cancelled.
pub(super) async fn show(stage: &Stage, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut terminal = ratatui::try_init().context("cannot take over the terminal; try --plain")?;
    let mut keys = read_keys(stop.clone());
    let mut tick = tokio::time::interval(REDRAW);
    let mut ended = std::pin::pin!(stopped(stop));
    let outcome = loop {
        tokio::select! {
            _ = tick.tick() => {
                let windows = stage.windows().await;
                let incidents = stage.incidents().await;
                let progress = stage.simulator.progress();
                if let Err(error) = terminal.draw(|frame| draw(frame, stage, &windows, &incidents, &progress)) {
                    break Err(error).context("cannot draw in the terminal");
                }
            }
            key = keys.recv() => match key {
                Some('q') | None => break Ok(()),
                Some(key) => toggle(stage, key),
            },
            () = &mut ended => break Ok(()),
        }
    };
    ratatui::restore();
    outcome
}

/// Keys come from a thread of their own: reading them blocks.
fn read_keys(stop: CancellationToken) -> mpsc::Receiver<char> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !stop.is_cancelled() && !sender.is_closed() {
            match event::poll(REDRAW) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => return,
            }
            let Ok(Event::Key(key)) = event::read() else { continue };
            let pressed = match key.code {
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => 'q',
                KeyCode::Char(character) => character,
                KeyCode::Esc => 'q',
                _ => continue,
            };
            if sender.blocking_send(pressed).is_err() {
                return;
            }
        }
    });
    receiver
}

fn toggle(stage: &Stage, key: char) {
    let chosen = key.to_digit(10).and_then(|digit| Scenario::ALL.get((digit as usize).checked_sub(1)?));
    if let Some(&scenario) = chosen {
        let on = stage.simulator.progress().active.contains(&scenario);
        stage.simulator.set(scenario, !on);
    }
}

fn draw(
    frame: &mut Frame<'_>,
    stage: &Stage,
    windows: &[Arc<WindowReport>],
    incidents: &[Incident],
    progress: &Progress,
) {
    // An explanation may take two lines, where there is room.
    let head_height = if frame.area().height >= 38 { 5 } else { 4 };
    let [head, alerts, charts, body, foot] = Layout::vertical([
        Constraint::Length(head_height),
        Constraint::Length(5),
        Constraint::Min(8),
        Constraint::Length(15),
        Constraint::Length(5),
    ])
    .areas(frame.area());
    let [drift_area, performance_area] = Layout::horizontal([Constraint::Fill(1); 2]).areas(charts);
    let [features_area, figures_area] =
        Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(body);
    let latest = windows.last().map(Arc::as_ref);

    draw_phase(frame, head, stage, progress);
    draw_alerts(frame, alerts, incidents);
    let drift = series(windows, |report| {
        report.features.iter().filter_map(|feature| feature.psi.excess.value()).reduce(f64::max)
    });
    draw_chart(
        frame,
        drift_area,
        " Drift: greatest excess PSI of a feature ",
        &drift,
        [0.0, 0.5],
        Color::Yellow,
        0.1,
    );
    let accuracy =
        series(windows, |report| report.performance_by_label_time.metrics.get("accuracy")?.value());
    draw_chart(
        frame,
        performance_area,
        " Accuracy of the labels that arrived ",
        &accuracy,
        [0.4, 1.0],
        Color::Cyan,
        0.5,
    );
    draw_features(frame, features_area, latest);
    draw_figures(frame, figures_area, latest, progress);
    draw_foot(frame, foot, stage, progress);
}

fn draw_phase(frame: &mut Frame<'_>, area: Rect, stage: &Stage, progress: &Progress) {
    let total = stage.story.duration().as_secs();
    let elapsed = progress.elapsed.as_secs();
    let (title, explanation) =
        stage.story.phase_at(progress.elapsed).map_or(("", ""), |phase| (phase.title, phase.explanation));
    let clock = if elapsed < total {
        format!("{elapsed} of {total} s, an hour a minute")
    } else {
        "the story is over; traffic goes on, q ends".to_owned()
    };
    let text = vec![
        Line::from(vec![Span::from(title).bold().fg(Color::Green), Span::from(format!("  {clock}")).dim()]),
        Line::from(explanation),
    ];
    frame.render_widget(
        Paragraph::new(text)
            .wrap(Wrap { trim: true })
            .block(Block::bordered().title(" Driftline demo ".bold())),
        area,
    );
}

/// The latest incident and what it comes from.
fn draw_alerts(frame: &mut Frame<'_>, area: Rect, incidents: &[Incident]) {
    let mut lines = Vec::new();
    match incidents.first() {
        None => lines.push(Line::from("Nothing fires.").dim()),
        Some(incident) => {
            let colour = match (incident.state, incident.severity) {
                (IncidentState::Resolved, _) => Color::Green,
                (_, AlertSeverity::Critical) => Color::Red,
                _ => Color::Yellow,
            };
            let word = Span::from(alarms::word(incident)).bold().fg(colour);
            lines.push(Line::from(vec![word, Span::from(format!("  {}", incident.summary))]));
            let causes = incident.causes.iter().take(2);
            lines.extend(causes.map(|cause| Line::from(format!("  {}", cause.text)).dim()));
        }
    }
    let alerts = Paragraph::new(lines).wrap(Wrap { trim: false });
    frame.render_widget(alerts.block(Block::bordered().title(" Alerts ".bold())), area);
}

/// A figure of each window over its end in minutes before the latest one.
fn series(windows: &[Arc<WindowReport>], figure: impl Fn(&WindowReport) -> Option<f64>) -> Vec<(f64, f64)> {
    let Some(latest) = windows.last() else { return Vec::new() };
    windows
        .iter()
        .filter_map(|report| {
            let ago = latest.window.end.since(report.window.end).as_secs_f64() / 60.0;
            Some((-ago, figure(report)?))
        })
        .collect()
}

fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    points: &[(f64, f64)],
    range: [f64; 2],
    colour: Color,
    threshold: f64,
) {
    let top = points.iter().map(|point| point.1).fold(range[1], f64::max);
    let first = points.first().map_or(-60.0, |point| point.0.min(-60.0));
    let line = [(first, threshold), (0.0, threshold)];
    let datasets = vec![
        Dataset::default().data(&line).marker(Marker::Dot).graph_type(GraphType::Line).fg(Color::DarkGray),
        Dataset::default().data(points).marker(Marker::Braille).graph_type(GraphType::Line).fg(colour),
    ];
    let chart = Chart::new(datasets)
        .block(Block::bordered().title(title.to_owned().bold()))
        .x_axis(Axis::default().bounds([first, 0.0]).labels([format!("{first:.0} min"), "now".to_owned()]))
        .y_axis(
            Axis::default().bounds([range[0], top]).labels([format!("{:.1}", range[0]), format!("{top:.1}")]),
        );
    frame.render_widget(chart, area);
}

fn draw_features(frame: &mut Frame<'_>, area: Rect, latest: Option<&WindowReport>) {
    let mut features: Vec<&FeatureReport> = latest.iter().flat_map(|report| &report.features).collect();
    features.sort_by(|a, b| {
        let excess = |feature: &FeatureReport| feature.psi.excess.value().unwrap_or(-1.0);
        excess(b).total_cmp(&excess(a))
    });
    let rows = features.into_iter().map(|feature| {
        let style = match feature.severity {
            Some(Severity::Major) => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Some(Severity::Minor) => Style::new().fg(Color::Yellow),
            None => Style::new(),
        };
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        let finding = [&feature.missing, &feature.invalid].into_iter().any(|test| test.finding)
            || feature.out_of_range.iter().chain(&feature.unseen).any(|test| test.finding);
        Row::new([
            feature.name.clone(),
            figure(feature.psi.excess.value()),
            figure(feature.psi.q_value.value()),
            figure(feature.ks.as_ref().and_then(|ks| ks.value.value())),
            match (feature.drifted, finding) {
                (true, true) => "drifted, bad data".to_owned(),
                (true, false) => "drifted".to_owned(),
                (false, true) => "bad data".to_owned(),
                (false, false) => String::new(),
            },
        ])
        .style(style)
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Fill(1),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(["feature", "excess PSI", "q", "KS", "verdict"]).bold())
        .block(Block::bordered().title(" Features, latest window of 15 minutes ".bold()));
    frame.render_widget(table, area);
}

fn draw_figures(frame: &mut Frame<'_>, area: Rect, latest: Option<&WindowReport>, progress: &Progress) {
    let mut lines = Vec::new();
    if let Some(report) = latest {
        let coverage = report.labels.coverage.value().unwrap_or_default();
        let mature = if report.labels.mature { "" } else { ", more to come" };
        lines.push(Line::from(format!("accuracy    {}", metric(report, "accuracy"))));
        lines.push(Line::from(format!("precision   {}", metric(report, "precision"))));
        lines.push(Line::from(format!("recall      {}", metric(report, "recall"))));
        lines.push(Line::from(format!("ROC AUC     {}", metric(report, "roc_auc"))));
        lines.push(Line::from(format!("labelled    {:.0} %{mature}", coverage * 100.0)));
        lines.push(Line::default());
        let per_second = report.traffic.rate_per_second.value().unwrap_or_default();
        let errors = report.traffic.error_ratio.value().unwrap_or_default();
        lines.push(Line::from(format!("traffic     {per_second:.1} a second of event time")));
        lines.push(Line::from(format!("errors      {:.2} %", errors * 100.0)));
        if let Some(p99) = report.latency.quantiles.get("0.99").and_then(|figure| figure.value()) {
            lines.push(Line::from(format!("latency     p99 {:.1} ms", p99 * 1e3)));
        }
    } else {
        lines.push(Line::from("The first window closes in a few seconds …").dim());
    }
    lines.push(Line::default());
    lines.push(Line::from(format!(
        "received    {} predictions, {} labels",
        progress.predictions.accepted, progress.labels.accepted
    )));
    if let Some(waiting) = &progress.waiting_for {
        lines.push(Line::from(waiting.clone()).fg(Color::Yellow));
    }
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Model ".bold())), area);
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, stage: &Stage, progress: &Progress) {
    let mut keys = Vec::new();
    for (index, scenario) in Scenario::ALL.into_iter().enumerate() {
        let on = progress.active.contains(&scenario);
        let style = if on { Style::new().fg(Color::Black).bg(Color::Yellow) } else { Style::new() };
        // A key and its scenario stay on one line.
        keys.push(Span::styled(format!("{}\u{a0}{}", index + 1, scenario.name()), style));
        keys.push(Span::from("  "));
    }
    keys.push(Span::from("q\u{a0}quit").bold());
    let url = &stage.url;
    let text =
        vec![Line::from(keys), Line::from(format!("{url}/   {url}/metrics   {url}/openapi.json")).dim()];
    frame.render_widget(
        Paragraph::new(text)
            .wrap(Wrap { trim: true })
            .block(Block::bordered().title(" Break something ".bold())),
        area,
    );
}
