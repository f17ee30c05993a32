//! Which topics are read, and what they hold.

use std::collections::BTreeMap;

use driftline_events::ModelId;
use regex::Regex;

use super::config::{KafkaOptions, KafkaSpecError};
use crate::submission::EventKind;

/// The longest name that Kafka takes.
const LONGEST_NAME: usize = 249;

/// The topics of a configuration: names, and patterns that begin with `^`.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    entries: Vec<Entry>,
    models: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
struct Entry {
    text: String,
    pattern: Option<Regex>,
    event: EventKind,
}

impl Entry {
    fn matches(&self, topic: &str) -> bool {
        self.pattern.as_ref().map_or(self.text == topic, |pattern| pattern.is_match(topic))
    }
}

impl Topics {
    pub(super) fn of(options: &KafkaOptions, errors: &mut Vec<KafkaSpecError>) -> Self {
        let mut entries = Vec::new();
        let kinds = [(EventKind::Prediction, &options.predictions), (EventKind::Label, &options.labels)];
        for (event, texts) in kinds {
            for text in texts {
                match entry(text, event) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => errors.push(error),
                }
            }
        }
        let topics = Self { entries, models: options.models.clone() };
        topics.check(options, errors);
        topics
    }

    fn check(&self, options: &KafkaOptions, errors: &mut Vec<KafkaSpecError>) {
        if options.predictions.is_empty() && options.labels.is_empty() {
            errors.push(KafkaSpecError::NoTopics);
        }
        for label in options.labels.iter().filter(|label| options.predictions.contains(label)) {
            errors.push(KafkaSpecError::TopicTwice { topic: label.clone() });
        }
        for (topic, model) in &options.models {
            if self.event_of(topic).is_none() {
                errors.push(KafkaSpecError::ModelOfOtherTopic { topic: topic.clone() });
            }
            if let Err(source) = ModelId::try_new(model) {
                errors.push(KafkaSpecError::BadModel { model: model.clone(), source });
            }
        }
        if let Some(topic) = &options.dead_letter_topic {
            if !is_name(topic) {
                errors.push(KafkaSpecError::BadTopic { topic: topic.clone() });
            }
            if self.event_of(topic).is_some() {
                errors.push(KafkaSpecError::DeadLettersComeBack { topic: topic.clone() });
            }
        }
    }

    /// What the consumer subscribes to.
    pub(crate) fn subscription(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.text.as_str()).collect()
    }

    /// What a topic holds. A name wins over a pattern, and predictions over labels; `None` for a topic that is not read.
    pub(crate) fn event_of(&self, topic: &str) -> Option<EventKind> {
        let named = self.entries.iter().find(|entry| entry.pattern.is_none() && entry.text == topic);
        named.or_else(|| self.entries.iter().find(|entry| entry.matches(topic))).map(|entry| entry.event)
    }

    /// The model of a topic's events that name none.
    pub(crate) fn model_of(&self, topic: &str) -> Option<&str> {
        self.models.get(topic).map(String::as_str)
    }
}

fn entry(text: &str, event: EventKind) -> Result<Entry, KafkaSpecError> {
    let text = text.to_owned();
    if !text.starts_with('^') {
        return if is_name(&text) {
            Ok(Entry { text, pattern: None, event })
        } else {
            Err(KafkaSpecError::BadTopic { topic: text })
        };
    }
    if !is_common(&text) {
        return Err(KafkaSpecError::UncommonPattern { pattern: text });
    }
    match Regex::new(&text) {
        Ok(pattern) => Ok(Entry { text, pattern: Some(pattern), event }),
        Err(error) => Err(KafkaSpecError::BadPattern { pattern: text, source: Box::new(error) }),
    }
}

fn is_name(topic: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !topic.is_empty() && topic.len() <= LONGEST_NAME && topic.bytes().all(is_legal)
}

/// Whether a pattern means the same to librdkafka, which finds the topics by POSIX rules, and to the regex crate, which
/// tells what they hold: no classes such as `\d`, no groups such as `(?:`, no lazy repetition.
fn is_common(pattern: &str) -> bool {
    let mut bytes = pattern.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let next = bytes.peek().copied();
        let is_fine = match byte {
            b'\\' => bytes.next().is_some_and(|escaped| escaped.is_ascii_punctuation()),
            b'(' => next != Some(b'?'),
            b'*' | b'+' | b'?' | b'}' => !matches!(next, Some(b'?' | b'+' | b'*')),
            b'[' => next != Some(b'[') && next != Some(b':'),
            _ => byte.is_ascii_graphic(),
        };
        if !is_fine {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(predictions: &[&str], labels: &[&str]) -> (Topics, Vec<KafkaSpecError>) {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let options = KafkaOptions {
            predictions: owned(predictions),
            labels: owned(labels),
            models: BTreeMap::from([("events.b".to_owned(), "b".to_owned())]),
            ..KafkaOptions::default()
        };
        let mut errors = Vec::new();
        (Topics::of(&options, &mut errors), errors)
    }

    #[test]
    fn names_win_over_patterns_and_predictions_over_labels() {
        let (topics, errors) = topics(&["^events\\..*", "predictions"], &["events.labels", "^.*labels$"]);
        assert!(errors.is_empty(), "{errors:?}");
        let found = ["predictions", "events.b", "events.labels", "events.x.labels", "my-labels", "eventsx"]
            .map(|topic| topics.event_of(topic));
        let (prediction, label) = (Some(EventKind::Prediction), Some(EventKind::Label));
        assert_eq!(found, [prediction, prediction, label, prediction, label, None]);
        assert_eq!((topics.model_of("events.b"), topics.model_of("predictions")), (Some("b"), None));
        assert_eq!(topics.subscription().len(), 4);
    }

    #[test]
    fn patterns_that_two_libraries_would_read_differently_are_refused() {
        for pattern in ["^a\\d", "^(?i)a", "^a*?", "^a b", "^[[:alpha:]]", "^a\\"] {
            let (_, errors) = topics(&[pattern, "events.b"], &[]);
            assert!(matches!(errors[..], [KafkaSpecError::UncommonPattern { .. }]), "{pattern}: {errors:?}");
        }
        let (_, errors) = topics(&["^(a", "a/b", "events.b"], &["events.b"]);
        let expected = matches!(
            errors[..],
            [
                KafkaSpecError::BadPattern { .. },
                KafkaSpecError::BadTopic { .. },
                KafkaSpecError::TopicTwice { .. }
            ]
        );
        assert!(expected, "{errors:?}");
    }
}
