//! When what failed is tried again.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How fast a sink tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// After the first failure.
    pub(super) first: Duration,
    /// The longest that it doubles up to.
    pub(super) longest: Duration,
    /// The longest that another's word on when to come back is believed.
    pub(super) longest_asked: Duration,
    /// How often Alertmanagers are told what still fires.
    pub(super) resend: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5 * 60),
            longest_asked: Duration::from_secs(60 * 60),
            resend: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The pause after `failures` in a row, at least `asked`. Half of it differs from sink to sink and time to time, so
    /// that not all come back at once.
    pub(super) fn pause(&self, sink: &str, failures: u32, asked: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let fraction = xxh3_64_with_seed(sink.as_bytes(), u64::from(failures)) as f64 / u64::MAX as f64;
        let pause = whole.mul_f64(0.5 + 0.5 * fraction);
        match asked.map(|asked| asked.min(self.longest_asked)) {
            Some(asked) => asked.max(pause),
            None => pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_its_longest_and_differs() {
        let pace = Pace::default();
        for failures in 1..100 {
            let whole = Duration::from_secs((1 << (failures - 1).min(16)).min(300));
            let pause = pace.pause("slack", failures, None);
            assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?}");
        }
        assert_ne!(pace.pause("slack", 3, None), pace.pause("teams", 3, None));
        assert_ne!(pace.pause("slack", 20, None), pace.pause("slack", 21, None));
    }

    #[test]
    fn what_is_asked_is_kept_to_within_reason() {
        let pace = Pace::default();
        assert_eq!(pace.pause("slack", 1, Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(pace.pause("slack", 1, Some(Duration::from_secs(1 << 40))), pace.longest_asked);
        assert!(pace.pause("slack", 9, Some(Duration::ZERO)) >= Duration::from_secs(100));
    }
}
