//! Slack's messages: Block Kit.

use serde_json::{Value, json};

use super::rendered::Rendered;
use super::words::clip_escaped;

/// Slack takes 150 characters in a header, 3,000 in a section, 2,000 in a field, 10 fields and 50 blocks.
const HEADER: usize = 150;
const SECTION: usize = 2_900;
const FIELD: usize = 1_900;

/// So many causes and alerts are told; the rest are counted.
const CAUSES: usize = 5;
const ALERTS: usize = 10;

fn escape(character: char, out: &mut String) {
    match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(character),
    }
}

/// Text that Slack looks for no markup in.
fn plain(text: &str, most: usize) -> Value {
    json!({"type": "plain_text", "text": clip_escaped(text, most, escape), "emoji": false})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": plain(text, SECTION)})
}

fn heading(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": format!("*{text}*")}})
}

/// The message for an incoming webhook.
pub(super) fn message(rendered: &Rendered) -> Value {
    let mut blocks =
        vec![json!({"type": "header", "text": plain(&rendered.title, HEADER)}), section(&rendered.summary)];
    if let Some(note) = &rendered.note {
        blocks.push(section(note));
    }
    let fields: Vec<Value> = rendered
        .facts
        .iter()
        .take(10)
        .map(|(name, value)| plain(&format!("{name}: {value}"), FIELD))
        .collect();
    blocks.push(json!({"type": "section", "fields": fields}));
    if !rendered.causes.is_empty() {
        blocks.push(heading("Likely causes"));
        blocks.push(section(&listed(&rendered.causes, CAUSES)));
    }
    if !rendered.alerts.is_empty() {
        blocks.push(heading("Alerts"));
    }
    for alert in rendered.alerts.iter().take(ALERTS) {
        blocks.push(section(&format!("{}\n{}", alert.head, alert.text())));
    }
    if let Some(more) = rendered.alerts.len().checked_sub(ALERTS).filter(|more| *more > 0) {
        blocks.push(section(&format!("and {more} more")));
    }
    let links: Vec<Value> = rendered
        .links
        .iter()
        .take(9)
        .map(|(name, address)| {
            let name = clip_escaped(&name.replace('|', "/"), 200, escape);
            json!({"type": "mrkdwn", "text": format!("<{}|{name}>", address.replace('&', "&amp;"))})
        })
        .collect();
    if !links.is_empty() {
        blocks.push(json!({"type": "context", "elements": links}));
    }
    blocks.push(json!({"type": "context", "elements": [plain(&rendered.footer, FIELD)]}));
    let fallback = format!("{}: {}", rendered.title, rendered.summary);
    json!({
        "text": clip_escaped(&fallback, SECTION, escape),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

/// Numbered lines; those that are too many are counted.
fn listed(lines: &[String], most: usize) -> String {
    let mut text: Vec<String> =
        lines.iter().take(most).enumerate().map(|(index, line)| format!("{}. {line}", index + 1)).collect();
    if lines.len() > most {
        text.push(format!("and {} more", lines.len() - most));
    }
    text.join("\n")
}
