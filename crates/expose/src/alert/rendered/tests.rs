use driftline_evaluate::{AlertEvent, Cause, CauseKind, Mute};
use serde_json::Value;

use super::*;
use crate::alert::fixture::{at, drift, event, opened, performance, resolved};
use crate::alert::{discord, slack, teams};

fn rendered(event: AlertEvent) -> Rendered {
    Rendered::of(&Bundle::of(Arc::new(event)))
}

/// An incident with far too much of everything, and text that tries to be more than text.
fn monstrous() -> Rendered {
    let mut event = (*opened()).clone();
    let text =
        "<!channel> @everyone *a* _b_ `c` [d](https://evil.example) &amp; \u{202e}\n# 🔥é ".repeat(200);
    event.incident.model = "m".repeat(128);
    event.incident.summary = text.clone();
    event.incident.id = text.clone();
    event.incident.acknowledged = Some(Mute { reason: text.clone(), until: Some(at("23:00")) });
    let kind = CauseKind::Drift;
    let cause =
        Cause { kind, name: text.clone(), share: Some(f64::NAN), text: text.clone(), since: at("01:00") };
    event.incident.causes = vec![cause; 100];
    for index in 0..100 {
        let mut alert = performance();
        (alert.rule, alert.summary, alert.description) = (text.clone(), text.clone(), text.clone());
        (alert.metric, alert.threshold_source) = (text.clone(), text.clone());
        alert.segment = [(text.clone(), text.clone())].into();
        alert.links.runbook = Some(format!("https://example.com/{index}?{}", "x".repeat(900)));
        alert.links.dashboard = Some("javascript:alert(1)".to_owned());
        event.incident.alerts.push(alert);
    }
    rendered(event)
}

fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.values().for_each(|item| strings(item, found)),
        _ => {}
    }
}

fn length(value: &Value) -> usize {
    value.as_str().expect("text").chars().count()
}

/// Holds a message against Slack's documented limits.
fn check_slack(message: &Value) {
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()), "{}", blocks.len());
    let text = |object: &Value, most: usize| {
        assert!(["plain_text", "mrkdwn"].contains(&object["type"].as_str().unwrap()), "{object}");
        assert!((1..=most).contains(&length(&object["text"])), "{object}");
        // A bare `<` begins a mention or a link; the only ones are our links.
        let text = object["text"].as_str().unwrap();
        let is_link = text.starts_with("<https://") || text.starts_with("<http://");
        assert_eq!(text.matches('<').count(), usize::from(is_link), "{text}");
    };
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                text(&block["text"], 150);
            }
            "section" => {
                assert!(block["text"].is_object() != block["fields"].is_array(), "{block}");
                if block["text"].is_object() {
                    text(&block["text"], 3_000);
                }
                let fields = block["fields"].as_array().cloned().unwrap_or_default();
                assert!(fields.len() <= 10);
                fields.iter().for_each(|field| text(field, 2_000));
            }
            "context" => {
                let elements = block["elements"].as_array().unwrap();
                assert!((1..=10).contains(&elements.len()));
                elements.iter().for_each(|element| text(element, 3_000));
            }
            other => panic!("{other}"),
        }
    }
    assert!((1..=4_000).contains(&length(&message["text"])));
    assert!(!message["text"].as_str().unwrap().contains('<'));
}

/// Holds a message against Discord's documented limits.
fn check_discord(message: &Value) {
    assert_eq!(message["allowed_mentions"]["parse"], serde_json::json!([]));
    let embeds = message["embeds"].as_array().unwrap();
    assert_eq!(embeds.len(), 1);
    let embed = &embeds[0];
    let mut total = 0;
    let mut text = |value: &Value, most: usize| {
        let length = length(value);
        assert!((1..=most).contains(&length), "{length} of {most}: {value}");
        total += length;
    };
    text(&embed["title"], 256);
    text(&embed["description"], 4_096);
    text(&embed["footer"]["text"], 2_048);
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= 25);
    for field in fields {
        text(&field["name"], 256);
        text(&field["value"], 1_024);
    }
    assert!(total <= 6_000, "{total}");
}

/// Holds a message against the envelope and size that Teams' workflows take.
fn check_teams(message: &Value) {
    assert!(message.to_string().len() <= 28 << 10);
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
    for block in card["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
        for run in block["inlines"].as_array().unwrap() {
            assert_eq!(run["type"], "TextRun");
            assert!(length(&run["text"]) > 0);
        }
    }
    let actions = card["actions"].as_array().unwrap();
    assert!(actions.len() <= 6);
    assert!(actions.iter().all(|action| action["type"] == "Action.OpenUrl"));
    assert!(actions.iter().all(|action| action["url"].as_str().unwrap().starts_with("http")));
}

#[test]
fn every_message_keeps_to_its_limits_whatever_is_in_it() {
    let bundle = Bundle { earlier: vec![opened()], newest: resolved() };
    let mut bare = (*opened()).clone();
    bare.incident.alerts.clear();
    bare.incident.causes.clear();
    bare.incident.summary = "x".to_owned();
    for rendered in [Rendered::of(&bundle), rendered((*opened()).clone()), rendered(bare), monstrous()] {
        check_slack(&slack::message(&rendered));
        check_discord(&discord::message(&rendered));
        check_teams(&teams::message(&rendered));
    }
}

#[test]
fn no_text_is_more_than_text() {
    let rendered = monstrous();
    let [slack, discord, teams] =
        [slack::message(&rendered), discord::message(&rendered), teams::message(&rendered)];
    for message in [&slack, &discord, &teams] {
        let mut found = Vec::new();
        strings(message, &mut found);
        assert!(found.iter().all(|text| !text.contains(['\u{202e}', '\r', '\0'])));
        assert!(found.iter().all(|text| !text.contains("javascript:")));
    }
    assert!(!slack.to_string().contains("<!channel>"));
    let description = discord["embeds"][0]["description"].as_str().unwrap();
    assert!(description.starts_with(r"\<!channel\> \@everyone \*a\* \_b\_ \`c\` \[d\]"), "{description}");
}

#[test]
fn what_has_no_room_is_counted() {
    let rendered = monstrous();
    let all = rendered.alerts.len();
    let discord = discord::message(&rendered);
    let fields = discord["embeds"][0]["fields"].as_array().unwrap();
    let others = ["Likely causes", "Read on", "Alerts"];
    let is_alert =
        |field: &&Value| field["inline"] == false && !others.contains(&field["name"].as_str().unwrap());
    let told = fields.iter().filter(is_alert).count();
    assert_eq!(fields.last().unwrap()["value"], format!("and {} more", all - told));
    assert!(slack::message(&rendered).to_string().contains(&format!("and {} more", all - 10)));
    let teams = teams::message(&rendered);
    let blocks = teams["attachments"][0]["content"]["body"].as_array().unwrap();
    let is_head = |block: &&Value| {
        let runs = block["inlines"].as_array().unwrap();
        runs.len() == 1 && runs[0]["weight"] == "Bolder" && runs[0]["size"].is_null()
    };
    // But for the headings of causes and alerts.
    let told = blocks.iter().filter(is_head).count() - 2;
    assert!(told > 0 && teams.to_string().contains(&format!("and {} more", all - told)), "{told} of {all}");
}

#[test]
fn titles_say_in_words_what_happened() {
    let title = |action| rendered(event(action, at("10:00"))).title;
    assert_eq!(title(EventAction::Opened), "🔴 Critical alert: churn");
    assert_eq!(title(EventAction::Updated), "🔴 Critical alert, updated: churn");
    assert_eq!(title(EventAction::Confirmed), "🔴 Critical alert, confirmed: churn");
    assert_eq!(title(EventAction::Acknowledged), "👀 Acknowledged, critical: churn");
    assert_eq!(title(EventAction::Resolved), "✅ Resolved, was critical: churn");
    assert_eq!(title(EventAction::Retracted), "↩️ Retracted, was critical: churn");
    assert_eq!(title(EventAction::Test), "🧪 Test of a sink, no alert: churn");
}

#[test]
fn an_alert_says_what_was_seen_and_what_it_was_held_against() {
    let rendered = rendered((*resolved()).clone());
    let alert = &rendered.alerts[0];
    assert_eq!(alert.head, "performance-drop · critical · resolved · version 3 · country=NL");
    assert_eq!(
        alert.figure,
        "accuracy 0.8512 (95 % interval 0.832 to 0.868), threshold 0.88 (reference 0.90) · window 1h to \
         2026-01-05 10:00 UTC"
    );
    assert_eq!(
        rendered.causes[0],
        "income: above 84,000: 10 % -> 2 % · 62 % of the change · since 2026-01-05 08:00 UTC"
    );
    let facts: Vec<String> = rendered.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(facts[3], "Until: 2026-01-05 12:30 UTC (4 h 30 min)");
    let mut silent = drift();
    (silent.value, silent.threshold) = (None, None);
    assert_eq!(figures(&silent), "drifted_features: no figure (static)");
}

#[test]
fn links_are_addresses_of_the_web_and_cannot_break_out() {
    assert_eq!(web_address("https://a.example/b?c=1&d=2").unwrap(), "https://a.example/b?c=1&d=2");
    assert_eq!(web_address("https://a.example/x|y)").unwrap(), "https://a.example/x%7Cy%29");
    for bad in ["javascript:alert(1)", "//a.example", "https://a b", "https://a.example/<x>\n", ""] {
        assert_eq!(web_address(bad), None, "{bad}");
    }
}
