//! The text of a letter, plain and as HTML.

use driftline_evaluate::AlertEvent;
use lettre::message::header::{HeaderName, HeaderValue};

use super::rendered::{Rendered, Tone};
use super::words::{clip, one_line};

/// Subjects beyond this are cut off by most readers.
const SUBJECT: usize = 120;

/// What a reader shows.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) plain: String,
    pub(super) html: String,
}

pub(super) fn of(rendered: &Rendered, event: &AlertEvent) -> Letter {
    // Without the symbol, which some readers show as a box.
    let title = rendered.title.split_once(' ').map_or(rendered.title.as_str(), |(_, words)| words);
    let subject = match event.incident.summary.is_empty() {
        true => title.to_owned(),
        false => format!("{title}: {}", rendered.summary),
    };
    Letter {
        subject: clip(&format!("[Driftline] {}", one_line(&subject)), SUBJECT),
        plain: plain(title, rendered),
        html: html(title, rendered),
    }
}

/// `<incident.ID@DOMAIN>`, whatever is in the id.
pub(super) fn message_id(kind: &str, id: &str, domain: &str) -> String {
    let is_atom = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let id: String = id.chars().map(|character| if is_atom(character) { character } else { '-' }).collect();
    let id = clip(id.trim_matches('.'), 200).replace('…', "");
    format!("<{kind}.{}@{domain}>", id.replace("..", "."))
}

/// A header that is not in lettre's list.
///
/// # Panics
/// If the name is not ASCII.
pub(super) fn header(name: &'static str, value: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str(name);
    HeaderValue::new(name, value.to_owned())
}

fn plain(title: &str, rendered: &Rendered) -> String {
    let mut text = format!("{title}\n\n{}\n", rendered.summary);
    if let Some(note) = &rendered.note {
        text = format!("{text}\n{note}\n");
    }
    text.push('\n');
    for (name, value) in &rendered.facts {
        text = format!("{text}{name}: {value}\n");
    }
    if !rendered.causes.is_empty() {
        text.push_str("\nLikely causes\n");
    }
    for (index, cause) in rendered.causes.iter().enumerate() {
        text = format!("{text}  {}. {cause}\n", index + 1);
    }
    if !rendered.alerts.is_empty() {
        text.push_str("\nAlerts\n");
    }
    for alert in &rendered.alerts {
        text = format!("{text}  - {}\n    {}\n    {}\n", alert.head, alert.summary, alert.figure);
        if !alert.description.is_empty() {
            text = format!("{text}    {}\n", alert.description);
        }
    }
    if !rendered.links.is_empty() {
        text.push_str("\nRead on\n");
    }
    for (name, address) in &rendered.links {
        text = format!("{text}  {name}\n    {address}\n");
    }
    // The mark that readers know a signature by.
    format!("{text}\n-- \n{}\n", rendered.footer)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

fn html(title: &str, rendered: &Rendered) -> String {
    let colour = match rendered.tone {
        Tone::Critical => "#d92d20",
        Tone::Major => "#b54708",
        Tone::Minor => "#175cd3",
        Tone::Good => "#067647",
        Tone::Neutral => "#475467",
    };
    let mut body = format!("<h2 style=\"color:{colour};margin:0 0 8px\">{}</h2>\n", escape(title));
    body = format!("{body}<p style=\"font-size:16px\">{}</p>\n", escape(&rendered.summary));
    if let Some(note) = &rendered.note {
        body = format!("{body}<p>{}</p>\n", escape(note));
    }
    body.push_str("<table cellpadding=\"4\">\n");
    for (name, value) in &rendered.facts {
        body = format!("{body}<tr><th align=\"left\">{name}</th><td>{}</td></tr>\n", escape(value));
    }
    body.push_str("</table>\n");
    if !rendered.causes.is_empty() {
        let items: String =
            rendered.causes.iter().map(|cause| format!("<li>{}</li>\n", escape(cause))).collect();
        body = format!("{body}<h3>Likely causes</h3>\n<ol>\n{items}</ol>\n");
    }
    if !rendered.alerts.is_empty() {
        body.push_str("<h3>Alerts</h3>\n<ul>\n");
        for alert in &rendered.alerts {
            let (head, summary, figure) =
                (escape(&alert.head), escape(&alert.summary), escape(&alert.figure));
            body = format!("{body}<li><b>{head}</b><br>{summary}<br>{figure}");
            if !alert.description.is_empty() {
                body = format!("{body}<br>{}", escape(&alert.description));
            }
            body.push_str("</li>\n");
        }
        body.push_str("</ul>\n");
    }
    if !rendered.links.is_empty() {
        let links: Vec<String> = rendered
            .links
            .iter()
            .map(|(name, address)| format!("<a href=\"{}\">{}</a>", escape(address), escape(name)))
            .collect();
        body = format!("{body}<p>{}</p>\n", links.join(" · "));
    }
    let footer = escape(&rendered.footer);
    format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family:sans-serif;font-size:14px\">\n{body}\
         <p style=\"color:#667085;font-size:12px\">{footer}</p>\n</body></html>\n",
        escape(title)
    )
}
