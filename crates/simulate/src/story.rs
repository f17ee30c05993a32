//! What the demo tells.

use std::time::Duration;

use crate::scenario::Scenario;
use crate::schedule::{Schedule, ScheduledScenario};

/// A part of a story: `[from, to)` in wall time since the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// A title of a few words.
    pub title: &'static str,
    /// One sentence: what happens and what to look at.
    pub explanation: &'static str,
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
    /// What goes wrong meanwhile.
    pub scenarios: Vec<Scenario>,
}

/// Phases that follow one another without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The phases, in their order.
    pub phases: Vec<Phase>,
}

/// Title, explanation, seconds and scenarios of a phase.
type Part = (&'static str, &'static str, u64, &'static [Scenario]);

impl Story {
    /// The demo's story, five minutes long: healthy, covariate shift, concept drift, recovery. It is made for
    /// a speed of 60 (five hours of event time) and labels that come after 10 minutes of event time, so that
    /// performance answers within some 15 seconds. The recovery is long enough to see incidents resolve.
    #[must_use]
    pub fn demo() -> Self {
        Self::of(&[
            (
                "Healthy",
                "Customers are as they were when the model was trained: no feature drifts, accuracy is steady.",
                60,
                &[],
            ),
            (
                "Covariate shift",
                "A price rise: monthly_charges is one standard deviation higher, and only this feature drifts.",
                60,
                &[Scenario::CovariateShift],
            ),
            (
                "Concept drift",
                "A competitor's offer: inputs look healthy again, but customers decide differently, and \
                 accuracy and ROC AUC fall as soon as labels arrive.",
                70,
                &[Scenario::ConceptDrift],
            ),
            (
                "Recovery",
                "The offer is over: as labels of new predictions arrive, performance comes back.",
                110,
                &[],
            ),
        ])
    }

    /// A story for dashboards, half an hour long, in real time and to be told again and again: healthy, covariate
    /// shift, degradation in outcomes and in latency, recovery. It is made for windows of 5 minutes and labels that
    /// come after a minute.
    #[must_use]
    pub fn half_hour() -> Self {
        Self::of(&[
            ("Healthy", "Customers and service are as they were when the model was trained.", 8 * 60, &[]),
            (
                "Covariate shift",
                "A price rise: monthly_charges is one standard deviation higher, and only this feature drifts.",
                6 * 60,
                &[Scenario::CovariateShift],
            ),
            (
                "Degradation",
                "Customers decide differently, and the model takes five times as long to answer.",
                8 * 60,
                &[Scenario::ConceptDrift, Scenario::LatencyRegression],
            ),
            ("Recovery", "All is well again: alerts resolve one after the other.", 8 * 60, &[]),
        ])
    }

    /// Phases one after the other.
    fn of(parts: &[Part]) -> Self {
        let mut from = Duration::ZERO;
        let phases = parts
            .iter()
            .map(|&(title, explanation, seconds, scenarios)| {
                let to = from + Duration::from_secs(seconds);
                let phase = Phase { title, explanation, from, to, scenarios: scenarios.to_vec() };
                from = to;
                phase
            })
            .collect();
        Self { phases }
    }

    /// The phase at `elapsed`; the last one after the end. `None` only for a story without phases.
    #[must_use]
    pub fn phase_at(&self, elapsed: Duration) -> Option<&Phase> {
        self.phases.iter().find(|phase| elapsed < phase.to).or(self.phases.last())
    }

    /// How long it takes.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |phase| phase.to)
    }

    /// The scenarios of its phases as a schedule.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let spans = self.phases.iter().flat_map(|phase| {
            phase.scenarios.iter().map(|&scenario| ScheduledScenario {
                scenario,
                from: phase.from,
                to: Some(phase.to),
            })
        });
        spans.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_have_no_gaps_and_begin_and_end_healthy() {
        for (story, seconds) in [(Story::demo(), 300), (Story::half_hour(), 1_800)] {
            let mut end = Duration::ZERO;
            for phase in &story.phases {
                assert_eq!(phase.from, end, "{}", phase.title);
                assert!(phase.explanation.ends_with('.'), "{}", phase.explanation);
                assert_eq!(story.schedule().active(phase.from), phase.scenarios, "{}", phase.title);
                end = phase.to;
            }
            assert_eq!(story.duration(), Duration::from_secs(seconds));
            assert!(story.phases.first().unwrap().scenarios.is_empty());
            assert!(story.phases.last().unwrap().scenarios.is_empty());
        }
    }

    #[test]
    fn a_phase_is_found_by_time() {
        let story = Story::demo();
        let title = |seconds| story.phase_at(Duration::from_secs(seconds)).unwrap().title;
        assert_eq!(
            [title(0), title(59), title(60), title(1000)],
            ["Healthy", "Healthy", "Covariate shift", "Recovery"]
        );
        assert_eq!(Story { phases: Vec::new() }.phase_at(Duration::ZERO), None);
    }
}
