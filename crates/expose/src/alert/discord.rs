//! Discord's messages: one embed.

use serde_json::{Value, json};

use super::rendered::{Rendered, Tone};
use super::words::clip_escaped;

/// Discord's limits in characters, which it counts as Unicode code points: of a title, a field's name and value, and of
/// all text together; and how many fields there may be. Descriptions and footers have more room than they get here.
const TITLE: usize = 256;
const FIELD_NAME: usize = 256;
const FIELD_VALUE: usize = 1_024;
const TOTAL: usize = 6_000;
const FIELDS: usize = 25;

/// What `Alerts` and `and 1000000 more` have between them.
const REST: usize = 30;

/// What description and footer may have of the total, so that something is left for the fields.
const DESCRIPTION_SHARE: usize = 2_500;
const FOOTER_SHARE: usize = 300;

fn escape(character: char, out: &mut String) {
    if matches!(character, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '[' | ']' | '#' | '@') {
        out.push('\\');
    }
    out.push(character);
}

/// An embed that grows as long as there is room.
struct Embed {
    fields: Vec<Value>,
    room: usize,
}

impl Embed {
    /// Adds a field; gives whether it had room.
    fn field(&mut self, name: &str, value: &str, is_inline: bool) -> bool {
        let (name, length) = (clip_escaped(name, FIELD_NAME, escape), value.chars().count());
        let needed = name.chars().count() + length;
        if self.fields.len() == FIELDS || length > FIELD_VALUE || needed > self.room || length == 0 {
            return false;
        }
        self.room -= needed;
        self.fields.push(json!({"name": name, "value": value, "inline": is_inline}));
        true
    }
}

/// The message for a webhook. Nobody is mentioned, whatever the text says.
pub(super) fn message(rendered: &Rendered) -> Value {
    // Titles show no markup, but mind escapes.
    let title = clip_escaped(&rendered.title, TITLE, |character, out| out.push(character));
    let mut description = clip_escaped(&rendered.summary, DESCRIPTION_SHARE / 2, escape);
    if let Some(note) = &rendered.note {
        description = format!("{description}\n{}", clip_escaped(note, DESCRIPTION_SHARE / 2 - 1, escape));
    }
    let footer = clip_escaped(&rendered.footer, FOOTER_SHARE, |character, out| out.push(character));
    let used: usize = [&title, &description, &footer].iter().map(|text| text.chars().count()).sum();
    let mut embed = Embed { fields: Vec::new(), room: TOTAL - used };
    for (name, value) in &rendered.facts {
        embed.field(name, &clip_escaped(value, FIELD_VALUE, escape), true);
    }
    if !rendered.causes.is_empty() {
        embed.field("Likely causes", &listed(&rendered.causes), false);
    }
    let links: Vec<String> = rendered
        .links
        .iter()
        .map(|(name, address)| format!("[{}]({address})", clip_escaped(name, 100, escape)))
        .collect();
    // Before the alerts: there may be more of those than there is room.
    embed.field("Read on", &fitting(&links), false);
    // The count of the rest has its room, too.
    embed.room = embed.room.saturating_sub(REST);
    let mut told = 0;
    for alert in &rendered.alerts {
        let value = clip_escaped(&alert.text(), FIELD_VALUE, escape);
        if embed.fields.len() == FIELDS - 1 || !embed.field(&alert.head, &value, false) {
            break;
        }
        told += 1;
    }
    embed.room += REST;
    if told < rendered.alerts.len() {
        embed.field("Alerts", &format!("and {} more", rendered.alerts.len() - told), false);
    }
    json!({
        "username": "Driftline",
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": title,
            "description": description,
            "color": colour(rendered.tone),
            "fields": embed.fields,
            "footer": {"text": footer},
        }],
    })
}

/// Numbered lines, as many as a field holds; those that are too many are counted.
fn listed(lines: &[String]) -> String {
    let numbered: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("{}. {}", index + 1, clip_escaped(line, 300, escape)))
        .collect();
    fitting(&numbered)
}

fn fitting(lines: &[String]) -> String {
    let (mut text, mut told) = (String::new(), 0);
    for line in lines {
        // With room for the count of the rest.
        if text.chars().count() + line.chars().count() + 20 > FIELD_VALUE {
            break;
        }
        text = if text.is_empty() { line.clone() } else { format!("{text}\n{line}") };
        told += 1;
    }
    if told < lines.len() { format!("{text}\nand {} more", lines.len() - told) } else { text }
}

const fn colour(tone: Tone) -> u32 {
    match tone {
        Tone::Critical => 0x00d9_2d20,
        Tone::Major => 0x00f7_9009,
        Tone::Minor => 0x002e_90fa,
        Tone::Good => 0x0012_b76a,
        Tone::Neutral => 0x0066_7085,
    }
}
