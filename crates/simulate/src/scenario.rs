//! What can go wrong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that goes wrong, leaving everything else as it was, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// `monthly_charges` is one standard deviation higher, really: outcomes follow it.
    CovariateShift,
    /// `data_gb` is null in 90 % of the predictions: the customers are as before, the pipe is broken.
    BrokenUpstream,
    /// `income` is a thousand times too large, as if it were sent in another unit.
    UnitChange,
    /// 8 % of the customers have the plan `platinum`, which the model never saw.
    NewCategory,
    /// Inputs are unchanged, but for 40 % of the customers the outcome is the opposite of what it was.
    ConceptDrift,
    /// The model takes five times as long, and has five times as many requests in flight.
    LatencyRegression,
    /// Nine of ten requests do not arrive.
    TrafficDrop,
    /// In the country `BE` the outcome is the opposite of what it was.
    BadSegment,
}

/// A name that is no scenario's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scenario {name:?}; there are {}", known_names())]
pub struct UnknownScenario {
    /// The name.
    pub name: String,
}

impl Scenario {
    /// Every scenario, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::CovariateShift,
        Self::BrokenUpstream,
        Self::UnitChange,
        Self::NewCategory,
        Self::ConceptDrift,
        Self::LatencyRegression,
        Self::TrafficDrop,
        Self::BadSegment,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CovariateShift => "covariate-shift",
            Self::BrokenUpstream => "broken-upstream",
            Self::UnitChange => "unit-change",
            Self::NewCategory => "new-category",
            Self::ConceptDrift => "concept-drift",
            Self::LatencyRegression => "latency-regression",
            Self::TrafficDrop => "traffic-drop",
            Self::BadSegment => "bad-segment",
        }
    }

    /// What it does, in one sentence for a person.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::CovariateShift => "monthly_charges rises by one standard deviation.",
            Self::BrokenUpstream => "data_gb is null in 90 % of the predictions.",
            Self::UnitChange => "income is sent a thousand times too large.",
            Self::NewCategory => "8 % of the customers have the plan platinum, which the model never saw.",
            Self::ConceptDrift => "Inputs stay the same, but the outcome turns around for 40 % of them.",
            Self::LatencyRegression => "The model takes five times as long to answer.",
            Self::TrafficDrop => "Only one request in ten still arrives.",
            Self::BadSegment => "In the country BE outcomes turn around.",
        }
    }
}

fn known_names() -> String {
    Scenario::ALL.map(Scenario::name).join(", ")
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        found.ok_or_else(|| UnknownScenario { name: name.to_owned() })
    }
}

/// Which scenarios are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Active([bool; Scenario::ALL.len()]);

impl Active {
    /// Those of a list.
    pub(crate) fn of(scenarios: &[Scenario]) -> Self {
        let mut active = Self::default();
        for &scenario in scenarios {
            active.set(scenario, true);
        }
        active
    }

    pub(crate) fn has(self, scenario: Scenario) -> bool {
        self.0[scenario as usize]
    }

    pub(crate) fn set(&mut self, scenario: Scenario, on: bool) {
        self.0[scenario as usize] = on;
    }

    pub(crate) fn list(self) -> Vec<Scenario> {
        Scenario::ALL.into_iter().filter(|&scenario| self.has(scenario)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_one_and_the_same_for_serde() {
        for (position, scenario) in Scenario::ALL.into_iter().enumerate() {
            assert_eq!(scenario as usize, position);
            assert_eq!(scenario.name().parse(), Ok(scenario));
            assert_eq!(serde_json::to_value(scenario).unwrap(), scenario.name());
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = "drift".parse::<Scenario>().unwrap_err().to_string();
        assert!(
            message.starts_with("there is no scenario \"drift\"; there are covariate-shift, "),
            "{message}"
        );
    }
}
