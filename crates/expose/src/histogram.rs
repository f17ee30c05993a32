//! A cumulative histogram, as Prometheus has it.

/// Upper bounds of the buckets in seconds: Prometheus's own defaults, with a millisecond below and a minute above
/// for models that are faster or slower than web services.
const BOUNDS_SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Counts of durations since the start, by fixed buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    counts: [u64; BOUNDS_SECONDS.len() + 1],
    sum: f64,
}

impl Histogram {
    /// Counts a duration in seconds. One that is negative, infinite or NaN is no duration and is not counted.
    pub fn observe(&mut self, seconds: f64) {
        if seconds.is_finite() && seconds >= 0.0 {
            let bucket = BOUNDS_SECONDS.partition_point(|&bound| bound < seconds);
            self.counts[bucket] += 1;
            self.sum += seconds;
        }
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in seconds.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Upper bound and count of each bucket, not cumulative; the last bound is infinite.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS_SECONDS.into_iter().chain([f64::INFINITY]).zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        for seconds in [0.0, 0.001, 0.0011, 60.0, 61.0, -1.0, f64::NAN, f64::INFINITY] {
            histogram.observe(seconds);
        }
        let buckets: Vec<_> = histogram.buckets().filter(|&(_, count)| count > 0).collect();
        assert_eq!(buckets, [(0.001, 2), (0.0025, 1), (60.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 121.0021));
    }

    #[test]
    fn merging_adds() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.observe(0.25);
        b.observe(0.5);
        b.observe(9.0);
        a.merge(&b);
        assert_eq!((a.count(), a.sum()), (3, 9.75));
    }
}
