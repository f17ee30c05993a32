//! Microsoft Teams' messages: an Adaptive Card in the envelope that Workflows' webhooks take.

use serde_json::{Value, json};

use super::rendered::{Rendered, Tone};
use super::words::clip;

/// Teams takes 28 KB; the rest is for the envelope that the workflow adds.
pub(super) const MOST_BYTES: usize = 24 << 10;

/// So many causes and alerts are told at most; the rest are counted.
const MOST_TOLD: usize = 10;

/// A card may have six buttons.
const BUTTONS: usize = 6;

/// The message for a workflow's webhook, with as many causes and alerts as it takes.
pub(super) fn message(rendered: &Rendered) -> Value {
    let told = (0..=MOST_TOLD).rev().map(|told| with(rendered, told));
    let mut smallest = Value::Null;
    for message in told {
        if message.to_string().len() <= MOST_BYTES {
            return message;
        }
        smallest = message;
    }
    smallest
}

fn with(rendered: &Rendered, told: usize) -> Value {
    let mut body = vec![
        text(&[run(&rendered.title, Some(rendered.tone)).bold().large()]),
        text(&[run(&rendered.summary, None)]),
    ];
    body.extend(rendered.note.as_deref().map(|note| text(&[run(note, None)])));
    for (name, value) in &rendered.facts {
        body.push(text(&[run(&format!("{name}: "), None).bold(), run(value, None)]));
    }
    let count =
        |all: usize| all.checked_sub(told).filter(|more| *more > 0).map(|more| format!("and {more} more"));
    if !rendered.causes.is_empty() {
        body.push(text(&[run("Likely causes", None).bold()]));
        for (index, cause) in rendered.causes.iter().take(told).enumerate() {
            body.push(text(&[run(&format!("{}. {cause}", index + 1), None)]));
        }
        body.extend(count(rendered.causes.len()).map(|more| text(&[run(&more, None)])));
    }
    if !rendered.alerts.is_empty() {
        body.push(text(&[run("Alerts", None).bold()]));
        for alert in rendered.alerts.iter().take(told) {
            body.push(text(&[run(&alert.head, None).bold()]));
            body.extend(alert.text().lines().map(|line| text(&[run(line, None)])));
        }
        body.extend(count(rendered.alerts.len()).map(|more| text(&[run(&more, None)])));
    }
    body.push(text(&[run(&rendered.footer, None)]));
    let actions: Vec<Value> = rendered
        .links
        .iter()
        .take(BUTTONS)
        .map(|(name, address)| json!({"type": "Action.OpenUrl", "title": clip(name, 100), "url": address}))
        .collect();
    let fallback = clip(&format!("{}: {}", rendered.title, rendered.summary), 1_000);
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": fallback,
                "msteams": {"width": "Full"},
                "body": body,
                "actions": actions,
            },
        }],
    })
}

/// A stretch of text. Unlike a text block's, its Markdown is not looked for.
struct Run(Value);

fn run(text: &str, tone: Option<Tone>) -> Run {
    let colour = match tone {
        Some(Tone::Critical) => "Attention",
        Some(Tone::Major) => "Warning",
        Some(Tone::Minor) => "Accent",
        Some(Tone::Good) => "Good",
        Some(Tone::Neutral) | None => "Default",
    };
    Run(json!({"type": "TextRun", "text": text, "color": colour}))
}

impl Run {
    fn bold(mut self) -> Self {
        self.0["weight"] = "Bolder".into();
        self
    }

    fn large(mut self) -> Self {
        self.0["size"] = "Large".into();
        self
    }
}

fn text(runs: &[Run]) -> Value {
    let runs: Vec<&Value> = runs.iter().map(|run| &run.0).collect();
    json!({"type": "RichTextBlock", "inlines": runs})
}
