//! The pure core: event time in, events out.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use driftline_events::{EventTime, Label, Prediction};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use crate::customer::{Customer, normal};
use crate::events::Events;
use crate::fate::{CAPACITY, Fate, class, slowness};
use crate::inputs::{DATA_GB, INCOME, MODEL, MONTHLY_CHARGES, PLAN, VERSION};
use crate::model::{ChurnModel, REFERENCE_STREAM, TRAFFIC_STREAM, generator};
use crate::options::SimulateSpec;
use crate::regression::FitError;
use crate::scenario::{Active, Scenario};

/// A model service without input or output: it is moved through event time and yields what it would send.
///
/// The same spec and start yield the same bytes, however the time is cut into steps. Scenarios draw no random
/// numbers of their own, so that a row differs from the healthy row with the same id only in what the scenario
/// changes.
#[derive(Debug)]
pub struct Simulator {
    spec: SimulateSpec,
    model: ChurnModel,
    rng: ChaCha8Rng,
    start: EventTime,
    now: EventTime,
    /// When the next request arrives, in milliseconds since the start.
    next_millis: f64,
    /// The next request's number.
    next: u64,
    /// Labels that are not known yet, the earliest on top: due time, number, whether the customer left.
    due: BinaryHeap<Reverse<(EventTime, u64, bool)>>,
    commands: BTreeMap<Scenario, bool>,
}

const MEAN_IN_FLIGHT: f64 = 8.0;
const LABEL_DELAY_SIGMA: f64 = 0.6;
/// Traffic is `1 + DAILY_SWING · cos(2π (hour − 15) / 24)` times the rate.
const DAILY_SWING: f64 = 0.7;

/// The random numbers of one request; always all drawn, in this order.
struct Draws {
    gap: f64,
    arrives: f64,
    customer: Customer,
    outcome: f64,
    latency: f64,
    status: f64,
    in_flight: f64,
    null: f64,
    category: f64,
    concept: f64,
    unlabelled: f64,
    delay: f64,
}

impl Draws {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            gap: Exp1.sample(rng),
            arrives: rng.random(),
            customer: Customer::draw(rng),
            outcome: rng.random(),
            latency: normal(rng),
            status: rng.random(),
            in_flight: rng.random(),
            null: rng.random(),
            category: rng.random(),
            concept: rng.random(),
            unlabelled: rng.random(),
            delay: normal(rng),
        }
    }
}

impl Simulator {
    /// Trains the model and stands at `start`, before the first event.
    ///
    /// # Errors
    /// [`FitError`] if the training sample cannot be fitted.
    pub fn try_new(spec: &SimulateSpec, start: EventTime) -> Result<Self, FitError> {
        let seed = spec.options.seed;
        Ok(Self {
            spec: spec.clone(),
            model: ChurnModel::train(seed)?,
            rng: generator(seed, TRAFFIC_STREAM),
            start,
            now: start,
            next_millis: 0.0,
            next: 0,
            due: BinaryHeap::new(),
            commands: BTreeMap::new(),
        })
    }

    /// The model that answers.
    #[must_use]
    pub const fn model(&self) -> &ChurnModel {
        &self.model
    }

    /// Up to where events have been yielded.
    #[must_use]
    pub const fn now(&self) -> EventTime {
        self.now
    }

    /// Switches a scenario on or off from here on, whatever the schedule says.
    pub fn set(&mut self, scenario: Scenario, on: bool) {
        self.commands.insert(scenario, on);
    }

    /// The scenarios that are on at the event time reached.
    #[must_use]
    pub fn active(&self) -> Vec<Scenario> {
        self.active_at(self.now.since(self.start)).list()
    }

    /// Predictions of `[now, until)`, and labels that become known in it, each in event-time order. Nothing for an
    /// `until` that is not after now.
    pub fn advance(&mut self, until: EventTime) -> Events {
        let mut events = Events::default();
        while self.next_time() < until {
            let (time, number) = (self.next_time(), self.next);
            let draws = Draws::draw(&mut self.rng);
            self.next += 1;
            self.next_millis += 1e3 * draws.gap / (self.spec.rate_per_event_second() * self.peak());
            let active = self.active_at(time.since(self.start));
            if draws.arrives < self.share_that_arrives(time, active) {
                let prediction = self.predict(time, number, &draws, active);
                events.predictions.push(prediction);
            }
        }
        while let Some(&Reverse((time, number, left))) = self.due.peek().filter(|due| due.0.0 < until) {
            self.due.pop();
            events.labels.push(label(self.id(number), time, left));
        }
        self.now = self.now.max(until);
        events
    }

    /// `rows` healthy predictions from before the start, each with an answer and a label, for a reference that
    /// need not be waited for. They are other customers than those of the traffic, and the same at every call.
    #[must_use]
    pub fn reference_rows(&self, rows: usize) -> Events {
        let mut rng = generator(self.spec.options.seed, REFERENCE_STREAM);
        let gap = Duration::from_secs_f64(1.0 / self.spec.rate_per_event_second());
        let mut events = Events::default();
        for row in 0..rows {
            let draws = Draws { status: 1.0, ..Draws::draw(&mut rng) };
            let time = self.start.saturating_sub(gap.mul_f64((rows - row) as f64));
            let mut prediction = self.answer(time, &draws, Active::default());
            let id = format!("{}-reference-{row}", self.run_id());
            prediction.prediction_id = Some(id.clone());
            events.predictions.push(prediction);
            let known = time.saturating_add(self.spec.options.label_delay.duration());
            events.labels.push(label(id, known, left(&draws, Active::default(), &draws.customer)));
        }
        events
    }

    /// Answers a request, and remembers its label.
    fn predict(&mut self, time: EventTime, number: u64, draws: &Draws, active: Active) -> Prediction {
        let mut prediction = self.answer(time, draws, active);
        prediction.prediction_id = Some(self.id(number));
        if prediction.prediction.is_some() && draws.unlabelled >= self.spec.options.unlabelled_share {
            let delay = self.spec.options.label_delay.duration();
            let known = time.saturating_add(delay.mul_f64((LABEL_DELAY_SIGMA * draws.delay).exp()));
            let left = left(draws, active, &self.customer(draws, active));
            self.due.push(Reverse((known, number, left)));
        }
        prediction
    }

    /// The customer as the scenarios that change the world leave him.
    fn customer(&self, draws: &Draws, active: Active) -> Customer {
        let mut customer = draws.customer.clone();
        if active.has(Scenario::CovariateShift) {
            customer.monthly_charges += self.model.deviation(MONTHLY_CHARGES);
        }
        customer
    }

    fn answer(&self, time: EventTime, draws: &Draws, active: Active) -> Prediction {
        let customer = self.customer(draws, active);
        let mut inputs = customer.inputs();
        if active.has(Scenario::BrokenUpstream) && draws.null < 0.9 {
            inputs.numbers[DATA_GB] = None;
        }
        if active.has(Scenario::UnitChange) {
            inputs.numbers[INCOME] = inputs.numbers[INCOME].map(|income| income * 1000.0);
        }
        if active.has(Scenario::NewCategory) && draws.category < 0.08 {
            inputs.categories[PLAN] = Cow::Borrowed("platinum");
        }
        let fate = Fate::of(draws.status, draws.latency, active);
        let busy = MEAN_IN_FLIGHT * slowness(active) * self.share_that_arrives(time, active) * self.peak();
        Prediction {
            version: VERSION.to_owned(),
            timestamp: Some(time.into()),
            features: inputs.features(),
            prediction: fate.answer(&self.model, &inputs),
            latency_ms: Some(fate.latency_ms),
            status: Some(fate.status),
            tags: [("country", customer.country), ("channel", customer.channel)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            in_flight: Some(poisson_quantile(draws.in_flight, busy)),
            capacity: Some(f64::from(CAPACITY)),
            ..Prediction::new(MODEL)
        }
    }

    fn next_time(&self) -> EventTime {
        EventTime::from_millis(self.start.as_millis().saturating_add(self.next_millis as i64))
    }

    /// Arrivals are drawn at the rate's peak and thinned.
    fn peak(&self) -> f64 {
        if self.spec.options.daily_pattern { 1.0 + DAILY_SWING } else { 1.0 }
    }

    fn share_that_arrives(&self, time: EventTime, active: Active) -> f64 {
        let drop = if active.has(Scenario::TrafficDrop) { 0.1 } else { 1.0 };
        if !self.spec.options.daily_pattern {
            return drop;
        }
        let turn = std::f64::consts::TAU * (time.as_seconds() / 3600.0 - 15.0) / 24.0;
        drop * (1.0 + DAILY_SWING * turn.cos()) / self.peak()
    }

    fn active_at(&self, since_start: Duration) -> Active {
        let mut active = Active::of(&self.spec.scheduled(since_start));
        for (&scenario, &on) in &self.commands {
            active.set(scenario, on);
        }
        active
    }

    /// Ids differ between runs that start at different times: a service that saw an earlier one does not take them
    /// for duplicates.
    pub(crate) fn run_id(&self) -> String {
        format!("{:x}-{:x}", self.start.as_millis(), self.spec.options.seed)
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run_id())
    }
}

/// Whether the customer really leaves.
fn left(draws: &Draws, active: Active, customer: &Customer) -> bool {
    let left = draws.outcome < customer.churn_probability();
    let turned = active.has(Scenario::ConceptDrift) && draws.concept < 0.4
        || active.has(Scenario::BadSegment) && customer.country == "BE";
    left != turned
}

fn label(prediction_id: String, time: EventTime, left: bool) -> Label {
    Label {
        model: MODEL.to_owned(),
        prediction_id,
        label: Some(class(left).into()),
        timestamp: Some(time.into()),
        ..Label::default()
    }
}

/// The smallest count whose Poisson distribution function exceeds `uniform`, at most the capacity.
fn poisson_quantile(uniform: f64, mean: f64) -> f64 {
    let mut count = 0.0;
    let mut mass = (-mean).exp();
    let mut below = mass;
    while below <= uniform && count < f64::from(CAPACITY) {
        count += 1.0;
        mass *= mean / count;
        below += mass;
    }
    count
}

#[cfg(test)]
mod tests;
