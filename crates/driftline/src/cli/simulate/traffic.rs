//! What both forms of `driftline simulate` are told about their traffic.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use driftline_events::Span;
use driftline_simulate::{DEFAULT_URL, KafkaTarget, SimulateOptions, Story};

#[derive(Debug, Args)]
pub(super) struct Traffic {
    /// Driftline's address.
    #[arg(long, default_value = DEFAULT_URL, env = "DRIFTLINE_URL")]
    to: String,
    /// Bearer token, where Driftline asks for one.
    #[arg(long, env = "DRIFTLINE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file that holds the token; it goes before `--token`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Send to Kafka instead: brokers as `host:port`, with commas between several.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// The topic of predictions.
    #[arg(long, value_name = "TOPIC", default_value = "predictions")]
    predictions_topic: String,
    /// The topic of labels.
    #[arg(long, value_name = "TOPIC", default_value = "labels")]
    labels_topic: String,
    /// A property of librdkafka, such as `security.protocol=ssl`; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
    /// Predictions a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Seconds of event time in a second; what is planned ends at the present.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The same seed gives the same customers, outcomes and labels.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Median time from a prediction to its label, in event time.
    #[arg(long, default_value = "10m")]
    label_delay: Span,
    /// What goes wrong and when, in time since the start: `covariate-shift@60s..120s`; may be given several times.
    #[arg(long, value_name = "SCENARIO@FROM..TO")]
    scenario: Vec<String>,
    /// Begin the scenarios' schedule anew after this time.
    #[arg(long, value_name = "TIME")]
    repeat_every: Option<Span>,
    /// Tell a story of half an hour again and again: healthy, covariate shift, degradation, recovery.
    #[arg(long, conflicts_with_all = ["scenario", "repeat_every"])]
    story: bool,
    /// Traffic follows the hour of the day.
    #[arg(long)]
    daily_pattern: bool,
    /// Gzip the requests.
    #[arg(long)]
    gzip: bool,
}

fn property(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Traffic {
    /// For a run that is planned for `duration`.
    pub(super) fn options(self, duration: Span) -> anyhow::Result<SimulateOptions> {
        let token = match &self.token_file {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read the token from {}", file.display()))?;
                Some(text.trim_end().to_owned())
            }
            None => self.token,
        };
        let kafka = self.kafka.map(|brokers| KafkaTarget {
            brokers,
            predictions_topic: self.predictions_topic,
            labels_topic: self.labels_topic,
            properties: self.property.into_iter().collect(),
        });
        let story = Story::half_hour();
        let (schedule, repeat_every) = if self.story {
            (story.schedule(), Some(Span::from_secs(story.duration().as_secs())))
        } else {
            (self.scenario.join(",").parse().context("--scenario")?, self.repeat_every)
        };
        Ok(SimulateOptions {
            url: self.to,
            kafka,
            token: token.map(Into::into),
            seed: self.seed,
            rate_per_second: self.rate,
            speed: self.speed,
            duration,
            gzip: self.gzip,
            label_delay: self.label_delay,
            daily_pattern: self.daily_pattern,
            schedule,
            repeat_every,
            ..SimulateOptions::default()
        })
    }
}
