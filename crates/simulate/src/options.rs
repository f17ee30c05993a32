//! How much, how fast, and where to.

use std::fmt;
use std::time::Duration;

use driftline_events::{EventTime, Span};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::client::ClientError;
use crate::kafka::{KafkaClientError, KafkaTarget};
use crate::regression::FitError;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::story::Story;

/// Where the service is if nobody says otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// What a simulation can be told, as a command line or the demo writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulateOptions {
    /// The service's address; default [`DEFAULT_URL`].
    pub url: String,
    /// Where the events go instead of the service's address; default none.
    pub kafka: Option<KafkaTarget>,
    /// Sent as bearer token; default none.
    pub token: Option<Token>,
    /// The same seed gives the same customers, outcomes and labels; default 1.
    pub seed: u64,
    /// Predictions a second of wall time; default 200, enough for 10,000 rows in each minute of the demo.
    pub rate_per_second: f64,
    /// Seconds of event time in a second of wall time; default 60, an hour a minute.
    pub speed: f64,
    /// Wall time that the run is planned for; default 4 minutes.
    pub duration: Span,
    /// Whether it goes on after its planned duration, then at the speed of real time and with as many
    /// predictions a second of event time; default false.
    pub keep_running: bool,
    /// Rows in a request, at most; default 500.
    pub batch_rows: usize,
    /// Whether requests are gzip encoded; default false.
    pub gzip: bool,
    /// Median time from a prediction to its label, in event time (log-normal, sigma 0.6); default 10 minutes.
    pub label_delay: Span,
    /// Share of the predictions that never get a label; default 0.05.
    pub unlabelled_share: f64,
    /// Whether traffic follows the hour of the day (UTC): from 0.3 times the rate at 03:00 to 1.7 times at
    /// 15:00; default false.
    pub daily_pattern: bool,
    /// What goes wrong, and when, in wall time since the start; default nothing.
    pub schedule: Schedule,
    /// After how long the schedule begins anew; default never.
    pub repeat_every: Option<Span>,
    /// How long a request is tried again before the run ends with an error; default a minute.
    pub give_up_after: Span,
}

impl Default for SimulateOptions {
    fn default() -> Self {
        Self {
            url: DEFAULT_URL.to_owned(),
            kafka: None,
            token: None,
            seed: 1,
            rate_per_second: 200.0,
            speed: 60.0,
            duration: Span::from_mins(4),
            keep_running: false,
            batch_rows: 500,
            gzip: false,
            label_delay: Span::from_mins(10),
            unlabelled_share: 0.05,
            daily_pattern: false,
            schedule: Schedule::default(),
            repeat_every: None,
            give_up_after: Span::from_mins(1),
        }
    }
}

impl SimulateOptions {
    /// The defaults, with the schedule of [`Story::demo`] and its length.
    #[must_use]
    pub fn demo() -> Self {
        let story = Story::demo();
        let duration = Span::from_secs(story.duration().as_secs());
        Self { schedule: story.schedule(), duration, ..Self::default() }
    }
}

/// A secret: shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl From<String> for Token {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// [`SimulateOptions`] that can be run.
#[derive(Clone, Debug)]
pub struct SimulateSpec {
    pub(crate) options: SimulateOptions,
    pub(crate) url: Url,
}

/// Options that cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateSpecError {
    /// The address is none, or not of plain HTTP.
    #[error("url {url:?} is not an address like {DEFAULT_URL}")]
    Url {
        /// What was written.
        url: String,
    },
    /// A rate or speed that is no number above zero, or beyond what can be counted.
    #[error("{option} {value} is not above 0 and at most {limit}")]
    Pace {
        /// `rate_per_second` or `speed`.
        option: &'static str,
        /// What was written.
        value: f64,
        /// The greatest value.
        limit: f64,
    },
    /// A share outside the unit interval.
    #[error("unlabelled_share {value} is outside [0, 1]")]
    Share {
        /// What was written.
        value: f64,
    },
    /// Kafka without brokers.
    #[error("kafka has no brokers; write host:port, with commas between several")]
    NoBrokers,
    /// A name that Kafka does not take.
    #[error("topic {topic:?} is no topic name: 1 to 249 letters, digits, dots, underscores and hyphens")]
    Topic {
        /// The name.
        topic: String,
    },
    /// A schedule that begins anew at once, or hardly ever.
    #[error("repeat_every {span} is not above 0s and at most a year")]
    Repeat {
        /// What was written.
        span: Span,
    },
    /// No rows in a request, or too many.
    #[error("batch_rows {value} is not from 1 to {MAX_BATCH_ROWS}")]
    BatchRows {
        /// What was written.
        value: usize,
    },
    /// A planned duration of zero, or of more than a year.
    #[error("duration {duration} is not above 0s and at most a year")]
    Duration {
        /// What was written.
        duration: Span,
    },
}

/// About 5 MB of NDJSON.
const MAX_BATCH_ROWS: usize = 10_000;
/// More than a machine can send; keeps the arithmetic of arrivals exact to the millisecond.
const MAX_RATE: f64 = 1e7;
/// A day of event time in less than a second.
const MAX_SPEED: f64 = 1e5;
const YEAR: Duration = Duration::from_secs(366 * 86_400);

impl TryFrom<SimulateOptions> for SimulateSpec {
    type Error = SimulateSpecError;

    fn try_from(options: SimulateOptions) -> Result<Self, Self::Error> {
        let url = Url::parse(&options.url).ok().filter(|url| url.scheme() == "http" && url.has_host());
        let url = url.ok_or_else(|| SimulateSpecError::Url { url: options.url.clone() })?;
        let paces =
            [("rate_per_second", options.rate_per_second, MAX_RATE), ("speed", options.speed, MAX_SPEED)];
        for (option, value, limit) in paces {
            if !(value > 0.0 && value <= limit) {
                return Err(SimulateSpecError::Pace { option, value, limit });
            }
        }
        if !(0.0..=1.0).contains(&options.unlabelled_share) {
            return Err(SimulateSpecError::Share { value: options.unlabelled_share });
        }
        if !(1..=MAX_BATCH_ROWS).contains(&options.batch_rows) {
            return Err(SimulateSpecError::BatchRows { value: options.batch_rows });
        }
        if let Some(kafka) = &options.kafka {
            kafka.check()?;
        }
        if let Some(span) = options.repeat_every.filter(|span| !is_sound(span.duration())) {
            return Err(SimulateSpecError::Repeat { span });
        }
        let duration = options.duration;
        if !is_sound(duration.duration()) {
            return Err(SimulateSpecError::Duration { duration });
        }
        Ok(Self { options, url })
    }
}

fn is_sound(span: Duration) -> bool {
    !span.is_zero() && span <= YEAR
}

impl SimulateSpec {
    /// The options it was made of.
    #[must_use]
    pub const fn options(&self) -> &SimulateOptions {
        &self.options
    }

    /// The event time that a run started at `now` begins with: early enough that event time, which runs `speed`
    /// times as fast, has just caught up with the clock when the planned duration is over. So no event is in the
    /// future, and a run at a speed of 1 or less begins `now`.
    #[must_use]
    pub fn start(&self, now: EventTime) -> EventTime {
        let ahead = (self.options.speed - 1.0).max(0.0);
        now.saturating_sub(self.options.duration.duration().mul_f64(ahead))
    }

    /// The event time since the start after `elapsed` of wall time.
    #[must_use]
    pub fn event_time(&self, elapsed: Duration) -> Duration {
        let planned = self.options.duration.duration();
        elapsed.min(planned).mul_f64(self.options.speed) + elapsed.saturating_sub(planned)
    }

    /// The wall time since the start that has `since_start` of event time: what [`SimulateSpec::event_time`] is made
    /// of.
    fn wall_time(&self, since_start: Duration) -> Duration {
        let planned = self.options.duration.duration();
        let planned_event_time = planned.mul_f64(self.options.speed);
        match since_start.checked_sub(planned_event_time) {
            Some(after) => planned + after,
            None => since_start.div_f64(self.options.speed),
        }
    }

    /// The scenarios that the schedule has on at an event time since the start.
    pub(crate) fn scheduled(&self, since_start: Duration) -> Vec<Scenario> {
        let mut elapsed = self.wall_time(since_start);
        if let Some(every) = self.options.repeat_every {
            let nanos = elapsed.as_nanos() % every.duration().as_nanos();
            elapsed = Duration::from_nanos(u64::try_from(nanos).expect("a year has fewer nanoseconds"));
        }
        self.options.schedule.active(elapsed)
    }

    /// Predictions a second of event time.
    pub(crate) fn rate_per_event_second(&self) -> f64 {
        self.options.rate_per_second / self.options.speed
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// The model could not be trained.
    #[error("the simulated model cannot be fitted")]
    Fit(#[from] FitError),
    /// The service did not take what was sent.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The brokers did not take what was sent.
    #[error(transparent)]
    Kafka(#[from] KafkaClientError),
    /// The model server's socket failed.
    #[error("the model server cannot go on listening")]
    Listen(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut SimulateOptions)) -> String {
        let mut options = SimulateOptions::default();
        change(&mut options);
        SimulateSpec::try_from(options).unwrap_err().to_string()
    }

    #[test]
    fn faults_say_the_value_and_the_limit() {
        assert_eq!(
            fault(|o| o.url = "https://localhost".into()),
            "url \"https://localhost\" is not an address like http://127.0.0.1:8080"
        );
        assert_eq!(fault(|o| o.speed = f64::NAN), "speed NaN is not above 0 and at most 100000");
        assert_eq!(
            fault(|o| o.rate_per_second = 0.0),
            "rate_per_second 0 is not above 0 and at most 10000000"
        );
        assert_eq!(fault(|o| o.unlabelled_share = 1.5), "unlabelled_share 1.5 is outside [0, 1]");
        assert_eq!(fault(|o| o.batch_rows = 0), "batch_rows 0 is not from 1 to 10000");
        assert_eq!(
            fault(|o| o.duration = Span::from_secs(0)),
            "duration 0s is not above 0s and at most a year"
        );
    }

    #[test]
    fn event_time_catches_up_with_the_clock_and_is_never_ahead() {
        let now = EventTime::from_millis(1_700_000_000_000);
        for speed in [0.5, 1.0, 60.0, 1000.0] {
            let spec =
                SimulateSpec::try_from(SimulateOptions { speed, ..SimulateOptions::default() }).unwrap();
            let lag = |seconds| {
                let elapsed = Duration::from_secs(seconds);
                let event = spec.start(now).saturating_add(spec.event_time(elapsed));
                now.saturating_add(elapsed).as_millis() - event.as_millis()
            };
            for seconds in [0, 1, 100, 239, 240, 241, 1000] {
                assert!(lag(seconds) >= 0, "speed {speed}, {seconds} s");
            }
            assert_eq!(lag(240), lag(1000), "speed {speed}");
            if speed >= 1.0 {
                assert_eq!(lag(240), 0, "speed {speed}");
            }
        }
    }

    #[test]
    fn a_schedule_begins_anew() {
        let options = SimulateOptions {
            schedule: "concept-drift@10s..20s".parse().unwrap(),
            repeat_every: Some(Span::from_secs(30)),
            duration: Span::from_secs(60),
            ..SimulateOptions::default()
        };
        let spec = SimulateSpec::try_from(options).unwrap();
        // The 60 seconds that are planned are an hour of event time; after that event time goes with the clock.
        let on = |wall: u64| !spec.scheduled(spec.event_time(Duration::from_secs(wall))).is_empty();
        let seconds: Vec<u64> = (0..100).filter(|&wall| on(wall)).collect();
        let expected: Vec<u64> = [10..20, 40..50, 70..80].into_iter().flatten().collect();
        assert_eq!(seconds, expected);
        assert_eq!(
            fault(|o| o.repeat_every = Some(Span::from_secs(0))),
            "repeat_every 0s is not above 0s and at most a year"
        );
    }

    #[test]
    fn a_token_is_not_shown() {
        let options =
            SimulateOptions { token: Some("s3cret".to_owned().into()), ..SimulateOptions::default() };
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}
