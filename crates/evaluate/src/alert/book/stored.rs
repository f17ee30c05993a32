//! The state of an alert book, as it is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use super::{AlertBook, AlertBookError};
use crate::alert::causes::Candidate;
use crate::alert::event::{Alert, AlertSeverity, Incident, Mute};
use crate::alert::normal::History;
use crate::alert::rule::Rule;
use crate::alert::series::Series;
use crate::alert::silence::Silence;
use crate::alert::spec::AlertSpec;
use crate::alert::status::RuleCounts;
use crate::report::WindowReport;

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;

/// A rule on a version and segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) segment: BTreeMap<String, String>,
}

impl Key {
    pub(super) fn of(rule: &Rule, report: &WindowReport) -> Self {
        Self { rule: rule.name.clone(), version: report.version.clone(), segment: report.segment.clone() }
    }

    pub(super) fn of_model(rule: &Rule) -> Self {
        Self { rule: rule.name.clone(), version: String::new(), segment: BTreeMap::new() }
    }
}

/// What is normal for a rule on a segment, and on one of several features; of all versions, so that a new one is held
/// against those before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct NormalKey {
    rule: String,
    segment: BTreeMap<String, String>,
    item: String,
}

impl NormalKey {
    pub(super) fn new(rule: &Rule, segment: &BTreeMap<String, String>, item: &str) -> Self {
        Self { rule: rule.name.clone(), segment: segment.clone(), item: item.to_owned() }
    }
}

/// An alert of the open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) alert: Alert,
    pub(super) key: Key,
    /// The end of the window that made it fire.
    pub(super) fired: EventTime,
    /// A revision of that window confirmed it, and was told of.
    pub(super) confirmed: bool,
}

/// The open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) started: EventTime,
    pub(super) severity: AlertSeverity,
    pub(super) alerts: Vec<Live>,
    /// Events so far.
    pub(super) events: u64,
    /// Who looks after it, and the severity that it had then.
    pub(super) acknowledged: Option<(Mute, AlertSeverity)>,
    /// As it was last told of.
    pub(super) told: Option<Incident>,
}

/// Everything that an alert book remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) model: String,
    /// The latest end of each window.
    pub(super) through: BTreeMap<String, EventTime>,
    #[serde(with = "pairs")]
    pub(super) series: BTreeMap<Key, Series>,
    #[serde(with = "pairs")]
    pub(super) normals: BTreeMap<NormalKey, History>,
    pub(super) silences: BTreeMap<String, Silence>,
    /// The start of each version's first window.
    pub(super) versions: BTreeMap<String, EventTime>,
    pub(super) candidates: BTreeMap<String, Vec<Candidate>>,
    pub(super) incident: Option<Open>,
    /// Incidents that are over, the latest last.
    pub(super) closed: VecDeque<Incident>,
    pub(super) mutes: BTreeMap<String, Mute>,
    pub(super) counts: BTreeMap<String, RuleCounts>,
}

impl State {
    pub(super) fn new(model: String) -> Self {
        Self {
            model,
            through: BTreeMap::new(),
            series: BTreeMap::new(),
            normals: BTreeMap::new(),
            silences: BTreeMap::new(),
            versions: BTreeMap::new(),
            candidates: BTreeMap::new(),
            incident: None,
            closed: VecDeque::new(),
            mutes: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }
}

#[derive(Serialize)]
struct WrittenRef<'a> {
    format: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize)]
struct Written {
    state: State,
}

impl AlertBook {
    /// The whole state: JSON with its format's number. Bounded as the book is.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&WrittenRef { format: FORMAT, state: &self.state })
            .expect("plain data with text for keys is written to memory")
    }

    /// The book that was encoded, from now on with these rules.
    ///
    /// # Errors
    /// [`AlertBookError::NotABook`] if the bytes are damaged, [`AlertBookError::Newer`] if a newer version wrote them.
    pub fn decode(bytes: &[u8], spec: Arc<AlertSpec>) -> Result<Self, AlertBookError> {
        let Format { format } = serde_json::from_slice(bytes).map_err(AlertBookError::NotABook)?;
        if format > FORMAT {
            return Err(AlertBookError::Newer { found: format, supported: FORMAT });
        }
        let Written { state } = serde_json::from_slice(bytes).map_err(AlertBookError::NotABook)?;
        Ok(Self { spec, state, awake: None })
    }
}

/// Maps whose keys are no text, as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
