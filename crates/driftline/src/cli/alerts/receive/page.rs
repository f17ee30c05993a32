//! The messages as a page: one file, no script, nothing from elsewhere.

use std::collections::VecDeque;
use std::fmt::Write;

use super::KEPT;
use super::message::Message;

/// The browser asks again after this many seconds.
const REFRESH_SECONDS: u32 = 5;

const STYLE: &str = "
  :root { color-scheme: light dark; --line: #8884; --soft: #888;
    --firing: #c0392b; --acknowledged: #b9770e; --resolved: #1e8449; --test: #2471a3; --unknown: #888; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.4rem; margin-bottom: 0; }
  .soft { color: var(--soft); }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); }
  td.time { white-space: nowrap; }
  td p { margin: 0; overflow-wrap: anywhere; }
  .state { color: #fff; border-radius: .3rem; padding: .1rem .45rem; font-weight: 600; white-space: nowrap; }
  .firing { background: var(--firing); } .acknowledged { background: var(--acknowledged); }
  .resolved { background: var(--resolved); } .test { background: var(--test); } .unknown { background: var(--unknown); }
";

/// The page. Everything that a sender wrote is escaped.
pub(super) fn page(messages: &VecDeque<Message>) -> String {
    let mut rows = String::new();
    for message in messages {
        row(&mut rows, message);
    }
    let (said, table) = if messages.is_empty() {
        ("No message has come yet.".to_owned(), String::new())
    } else {
        let said = format!("The last {} of at most {KEPT} messages, the newest first.", messages.len());
        let head = ["Received (UTC)", "State", "Severity", "From", "Alert", "Model", "Message"];
        let head: String = head.iter().map(|text| format!("<th scope=\"col\">{text}</th>")).collect();
        let table = format!(
            "<div class=\"scroll\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
        );
        (said, table)
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>Alerts</title>\n<style>{STYLE}</style>\n<h1>Alerts</h1>\n\
         <p class=\"soft\" role=\"status\">{said} As JSON: <a href=\"/messages\">/messages</a></p>\n{table}</html>\n"
    )
}

fn row(rows: &mut String, message: &Message) {
    let state = message.state.as_str();
    // To the second.
    let time: String = message.received.to_string().replace('T', " ").chars().take(19).collect();
    let mut said = format!("<p>{}</p>", escaped(&message.summary));
    if !message.description.is_empty() && message.description != message.summary {
        said.push_str(&format!("<p class=\"soft\">{}</p>", escaped(&message.description)));
    }
    let links: Vec<String> = message
        .links
        .iter()
        .map(|(name, address)| format!("<a rel=\"noreferrer\" href=\"{}\">{name}</a>", escaped(address)))
        .collect();
    if !links.is_empty() {
        said.push_str(&format!("<p>{}</p>", links.join(" · ")));
    }
    let written = writeln!(
        rows,
        "<tr><td class=\"time\">{}</td><td><span class=\"state {state}\">{state}</span></td><td>{}</td><td>{}</td>\
         <td>{}</td><td>{}</td><td>{said}</td></tr>",
        escaped(&time),
        escaped(&message.severity),
        message.from.as_str(),
        escaped(&message.name),
        escaped(&message.model),
    );
    written.expect("text takes all writes");
}

/// A text that means itself in HTML, between tags and in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
