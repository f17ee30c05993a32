//! How far a model's event time has come.

use std::time::Duration;

use driftline_events::EventTime;

/// The watermark of one model: events before it are late. It never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watermark {
    allowed_lateness: Duration,
    idle_timeout: Option<Duration>,
    greatest: Option<EventTime>,
    last_arrival: Option<EventTime>,
    value: Option<EventTime>,
}

impl Watermark {
    pub(crate) const fn new(allowed_lateness: Duration, idle_timeout: Option<Duration>) -> Self {
        Self { allowed_lateness, idle_timeout, greatest: None, last_arrival: None, value: None }
    }

    /// Takes in the greatest event time of a batch that arrived at `now` (`None` where no clock runs).
    pub(crate) fn observe(&mut self, time: EventTime, now: Option<EventTime>) {
        self.greatest = self.greatest.max(Some(time));
        // The clock may jump back: the latest arrival by its own time is what idleness counts from.
        self.last_arrival = now.or(self.last_arrival);
        self.raise(time.saturating_sub(self.allowed_lateness));
    }

    /// With no events for the idle timeout, follows the clock.
    pub(crate) fn advance(&mut self, now: EventTime) {
        let (Some(idle), Some(last)) = (self.idle_timeout, self.last_arrival) else { return };
        if now < last {
            // The clock went back: count idleness from here, or it would have to catch up first.
            self.last_arrival = Some(now);
        } else if now.since(last) >= idle {
            self.raise(now.saturating_sub(self.allowed_lateness));
        }
    }

    fn raise(&mut self, value: EventTime) {
        self.value = self.value.max(Some(value));
    }

    /// The watermark; `None` before the first event.
    pub(crate) const fn value(&self) -> Option<EventTime> {
        self.value
    }

    /// What is stored of it: greatest event time, last arrival, value.
    pub(crate) const fn parts(&self) -> [Option<EventTime>; 3] {
        [self.greatest, self.last_arrival, self.value]
    }

    /// Goes on where it was stored.
    pub(crate) const fn restore(&mut self, [greatest, last_arrival, value]: [Option<EventTime>; 3]) {
        (self.greatest, self.last_arrival, self.value) = (greatest, last_arrival, value);
    }

    /// The greatest event time seen.
    pub(crate) const fn greatest(&self) -> Option<EventTime> {
        self.greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> EventTime {
        EventTime::from_millis(seconds * 1_000)
    }

    #[test]
    fn it_trails_the_greatest_event_time_and_never_goes_back() {
        let mut watermark = Watermark::new(MINUTE, None);
        assert_eq!(watermark.value(), None);
        watermark.observe(at(600), None);
        watermark.observe(at(300), None);
        assert_eq!(watermark.value(), Some(at(540)));
    }

    #[test]
    fn it_follows_the_clock_only_when_idle() {
        let mut watermark = Watermark::new(MINUTE, Some(5 * MINUTE));
        watermark.observe(at(600), Some(at(1_000)));
        watermark.advance(at(1_299));
        assert_eq!(watermark.value(), Some(at(540)));
        watermark.advance(at(1_300));
        assert_eq!(watermark.value(), Some(at(1_240)));
    }

    #[test]
    fn a_clock_that_jumps_back_neither_lowers_nor_freezes_it() {
        let mut watermark = Watermark::new(MINUTE, Some(5 * MINUTE));
        watermark.observe(at(600), Some(at(100_000)));
        watermark.advance(at(1_000));
        assert_eq!(watermark.value(), Some(at(540)));
        watermark.advance(at(1_300));
        assert_eq!(watermark.value(), Some(at(1_240)));
    }
}
