//! Samples of each sink's message in the documentation, read from what is really sent.
//!
//! `DRIFTLINE_WRITE_SAMPLES=1 cargo test -p driftline-expose samples` writes them anew.

use std::path::PathBuf;

use driftline_evaluate::{AlertEvent, EventAction};
use serde_json::Value;

use super::alertmanager::sample_alerts;
use super::cloud_event::structured;
use super::fixture::{at, event, opened};
use super::letter;
use super::outlet::Bundle;
use super::rendered::Rendered;
use super::{discord, slack, teams};

const BEGIN: &str = "<!-- samples: written by the tests of crates/expose -->\n";
const END: &str = "<!-- end of samples -->\n";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/alert-sinks.md")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a reader of Slack sees of a message.
fn seen_in_slack(message: &Value) -> String {
    let shown = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let mut lines = Vec::new();
    for block in message["blocks"].as_array().unwrap() {
        let texts = [&block["fields"], &block["elements"]].into_iter().filter_map(Value::as_array).flatten();
        let texts: Vec<&Value> =
            block["text"].as_object().map(|_| &block["text"]).into_iter().chain(texts).collect();
        lines.extend(texts.into_iter().map(|object| {
            let line = shown(text(&object["text"]));
            match line.strip_prefix('<').and_then(|link| link.strip_suffix('>')?.split_once('|')) {
                Some((address, name)) => format!("{name} ({address})"),
                None => line.trim_matches('*').to_owned(),
            }
        }));
    }
    lines.join("\n")
}

/// What a reader of Discord sees.
fn seen_in_discord(message: &Value) -> String {
    let embed = &message["embeds"][0];
    let mut lines = vec![text(&embed["title"]).to_owned(), shown(text(&embed["description"]))];
    for field in embed["fields"].as_array().unwrap() {
        let separator = if field["inline"] == true { ": " } else { "\n" };
        lines.push(format!("{}{separator}{}", shown(text(&field["name"])), shown(text(&field["value"]))));
    }
    lines.push(text(&embed["footer"]["text"]).to_owned());
    return lines.join("\n");

    fn shown(text: &str) -> String {
        let mut shown = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            shown.extend(if character == '\\' { characters.next() } else { Some(character) });
        }
        shown
    }
}

/// What a reader of Teams sees.
fn seen_in_teams(message: &Value) -> String {
    let card = &message["attachments"][0]["content"];
    let line = |block: &Value| -> String {
        block["inlines"].as_array().unwrap().iter().map(|run| text(&run["text"])).collect()
    };
    let buttons = card["actions"].as_array().unwrap().iter();
    let buttons = buttons.map(|action| format!("[{}] {}", text(&action["title"]), text(&action["url"])));
    card["body"].as_array().unwrap().iter().map(line).chain(buttons).collect::<Vec<_>>().join("\n")
}

/// What a reader of plain mail sees.
fn seen_in_a_mail_reader(event: &AlertEvent) -> String {
    let letter = letter::of(&Rendered::of(&Bundle::of(event.clone().into())), event);
    format!("Subject: {}\n\n{}", letter.subject, letter.plain)
}

fn samples() -> String {
    let rendered = |event: AlertEvent| Rendered::of(&Bundle::of(event.into()));
    let opened = (*opened()).clone();
    let resolved = event(EventAction::Resolved, at("12:30"));
    let webhook: Value = serde_json::from_slice(&structured(&opened, "/driftline")).unwrap();
    let fence = |kind: &str, text: &str| format!("```{kind}\n{}\n```\n", text.trim_end());
    let json = |value: &Value| fence("json", &serde_json::to_string_pretty(value).unwrap());
    let sections = [
        ("Slack", fence("text", &seen_in_slack(&slack::message(&rendered(opened.clone()))))),
        ("Slack, at the end", fence("text", &seen_in_slack(&slack::message(&rendered(resolved))))),
        ("Discord", fence("text", &seen_in_discord(&discord::message(&rendered(opened.clone()))))),
        ("Microsoft Teams", fence("text", &seen_in_teams(&teams::message(&rendered(opened.clone()))))),
        ("E-mail", fence("text", &seen_in_a_mail_reader(&opened))),
        ("Alertmanager", json(&sample_alerts(&opened))),
        ("Webhook, file and standard output", json(&webhook)),
    ];
    sections.map(|(name, sample)| format!("### {name}\n\n{sample}")).join("\n")
}

#[test]
fn the_samples_in_the_documentation_are_what_is_sent() {
    let written = std::fs::read_to_string(page()).unwrap();
    let (before, rest) = written.split_once(BEGIN).expect("the page has a place for samples");
    let (_, after) = rest.split_once(END).expect("the samples end somewhere");
    let fresh = format!("{before}{BEGIN}\n{}\n{END}{after}", samples());
    if std::env::var_os("DRIFTLINE_WRITE_SAMPLES").is_some() {
        return std::fs::write(page(), &fresh).unwrap();
    }
    let command = "DRIFTLINE_WRITE_SAMPLES=1 cargo test -p driftline-expose samples";
    assert!(written == fresh, "{} is stale; run `{command}` and commit what changed", page().display());
}

#[test]
fn the_documentation_has_the_options_as_they_are_tested() {
    let written = std::fs::read_to_string(page()).unwrap();
    assert!(written.contains(include_str!("sinks.toml").trim_end()), "the page's options are not sinks.toml");
}
