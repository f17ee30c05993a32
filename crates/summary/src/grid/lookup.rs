//! Finding a value's cell.

/// Entries of the table that a lookup starts from.
const BUCKETS: usize = 4096;

/// Steps that are worth no search for a better scale.
const FEW_STEPS: u32 = 2;

/// Values whose buckets are found before any cell is.
const AT_ONCE: usize = 256;

/// Added to a small number it leaves the nearest whole number in the lowest bits.
const WHOLE: f64 = (1_u64 << 52) as f64;
const LAST: f64 = (BUCKETS - 1) as f64;

/// The cut points, and a table of where to begin to look among them.
///
/// A scale that never falls takes a value to a bucket; the table says how many cuts lie in the buckets before, and a
/// binary search goes on among those in the bucket. The search has as many steps for each value as the fullest bucket
/// needs: a step costs less than a branch that the processor cannot foresee. The scale is the one of a few that needs
/// the fewest steps.
#[derive(Clone)]
pub(super) struct Lookup {
    /// The cuts, and then NaN, which is at or below nothing, as often as a search may go beyond the last.
    cuts: Vec<f64>,
    count: usize,
    scale: Scale,
    /// How many cuts lie in earlier buckets.
    starts: Box<[u16; BUCKETS]>,
    steps: u32,
}

/// Takes a value to a bucket; never falls as values grow.
#[derive(Clone, Copy)]
enum Scale {
    /// Buckets of equal width.
    Linear(Linear),
    /// Buckets that widen away from the origin, for values with far tails.
    Widening(Widening),
}

#[derive(Clone, Copy)]
struct Linear {
    origin: f64,
    factor: f64,
}

/// The leading bits of `1 + |x|`, with the sign of x, where `x = (value - origin) factor`: about its logarithm.
#[derive(Clone, Copy)]
struct Widening {
    origin: f64,
    factor: f64,
    /// x of the first cut and of the last.
    low: f64,
    high: f64,
    /// Bits of the mantissa that are left out.
    shift: u32,
    first: i64,
}

impl Linear {
    /// Between two values; none where they are too far apart or too near.
    fn between(low: f64, high: f64) -> Option<Self> {
        let factor = BUCKETS as f64 / (high - low);
        (factor.is_finite() && factor > 0.0).then_some(Self { origin: low, factor })
    }

    /// The bucket, in the lowest bits.
    fn bucket(self, value: f64) -> u64 {
        let place = (value - self.origin) * self.factor;
        // In this form NaN is taken to 0, and several values are done at once.
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < LAST { place } else { LAST };
        (place + WHOLE).to_bits()
    }
}

impl Widening {
    /// With as narrow buckets as have room between the first cut and the last.
    fn over(cuts: &[f64], origin: f64, unit: f64) -> Option<Self> {
        let factor = 1.0 / unit;
        let (&low, &high) = (cuts.first()?, cuts.last()?);
        (factor.is_finite() && factor > 0.0).then_some(())?;
        let [low, high] = [low, high].map(|cut| (cut - origin) * factor);
        (40..=52).find_map(|shift| {
            let scale = Self { origin, factor, low, high, shift, first: 0 };
            let first = scale.place(low);
            (scale.place(high) - first < BUCKETS as i64).then_some(Self { first, ..scale })
        })
    }

    fn place(self, x: f64) -> i64 {
        let size =
            ((1.0 + x.abs()).to_bits() >> self.shift) as i64 - (1.0_f64.to_bits() >> self.shift) as i64;
        // All bits where x is below zero, which negates; there is no instruction for it on several at once.
        let sign = -i64::from(x < 0.0);
        (size ^ sign) - sign
    }

    /// The bucket, in the lowest bits.
    fn bucket(self, value: f64) -> u64 {
        let x = (value - self.origin) * self.factor;
        // Here, and not after, where several numbers cannot be compared at once. NaN is taken to the low end.
        let x = if x > self.low { x } else { self.low };
        let x = if x < self.high { x } else { self.high };
        (self.place(x) - self.first) as u64
    }
}

impl Scale {
    fn bucket(self, value: f64) -> u16 {
        let bucket = match self {
            Self::Linear(scale) => scale.bucket(value),
            Self::Widening(scale) => scale.bucket(value),
        };
        bucket as u16
    }

    /// The steps of a search among the cuts of the fullest bucket.
    fn steps(self, cuts: &[f64]) -> u32 {
        let runs = cuts.chunk_by(|&left, &right| self.bucket(left) == self.bucket(right));
        let most = runs.map(<[f64]>::len).max().unwrap_or_default();
        usize::BITS - most.leading_zeros()
    }

    /// The one of a few that needs the fewest steps.
    fn best(cuts: &[f64]) -> Self {
        let last = cuts.len() - 1;
        let mut best = Self::Linear(Linear { origin: 0.0, factor: 0.0 });
        let mut steps = best.steps(cuts);
        let mut offer = |scale: Option<Self>| {
            if let Some(scale) = scale
                && scale.steps(cuts) < steps
            {
                (best, steps) = (scale, scale.steps(cuts));
            }
            steps <= FEW_STEPS
        };
        // A far outlier must not put all the others into one bucket.
        for margin in [0, 2, cuts.len() / 100] {
            if margin < cuts.len() / 2
                && offer(Linear::between(cuts[margin], cuts[last - margin]).map(Self::Linear))
            {
                return best;
            }
        }
        // The shortest stretch with half of the cuts is where most values are.
        let half = cuts.len() / 2;
        let lengths = (0..cuts.len() - half).map(|start| (cuts[start + half] - cuts[start], start));
        let Some((length, start)) = lengths.min_by(|a, b| a.0.total_cmp(&b.0)) else { return best };
        for origin in [cuts[0], cuts[start], cuts[start + half / 2], cuts[start + half]] {
            for part in [1.0, 4.0, 16.0, 64.0] {
                if offer(Widening::over(cuts, origin, length / part).map(Self::Widening)) {
                    return best;
                }
            }
        }
        best
    }
}

impl Lookup {
    /// Over ascending cuts, at most 65,535 and at least one.
    pub(super) fn new(mut cuts: Vec<f64>) -> Self {
        let scale = Scale::best(&cuts);
        let mut starts = Box::new([0_u16; BUCKETS]);
        for &cut in &cuts {
            if let Some(next) = starts.get_mut(usize::from(scale.bucket(cut)) + 1) {
                *next += 1;
            }
        }
        for bucket in 1..BUCKETS {
            starts[bucket] += starts[bucket - 1];
        }
        let (count, steps) = (cuts.len(), scale.steps(&cuts));
        cuts.resize(count + (1 << steps) - 1, f64::NAN);
        Self { cuts, count, scale, starts, steps }
    }

    pub(super) fn cuts(&self) -> &[f64] {
        &self.cuts[..self.count]
    }

    pub(super) fn into_cuts(mut self) -> Vec<f64> {
        self.cuts.truncate(self.count);
        self.cuts
    }

    /// How many cuts are at or below the value; none are below NaN.
    pub(super) fn cell(&self, value: f64) -> usize {
        if value.is_nan() { 0 } else { self.search(self.scale.bucket(value), value, self.steps) }
    }

    /// Calls `each` with the position and the cell of each value, in order; none of them is NaN.
    #[inline]
    pub(super) fn cells(&self, values: &[f64], mut each: impl FnMut(usize, usize)) {
        let mut places = [0_u64; AT_ONCE];
        for (at, values) in values.chunks(AT_ONCE).enumerate() {
            // First the bucket of each: that is plain arithmetic, done on several at once.
            let places = &mut places[..values.len()];
            let pairs = values.iter().zip(&mut *places);
            match self.scale {
                Scale::Linear(scale) => pairs.for_each(|(&value, place)| *place = scale.bucket(value)),
                Scale::Widening(scale) => pairs.for_each(|(&value, place)| *place = scale.bucket(value)),
            }
            let each = |position, cell| each(at * AT_ONCE + position, cell);
            // With a number of steps that the compiler knows there is no loop around them.
            match self.steps {
                1 => self.search_all(values, places, 1, each),
                2 => self.search_all(values, places, 2, each),
                3 => self.search_all(values, places, 3, each),
                steps => self.search_all(values, places, steps, each),
            }
        }
    }

    #[inline(always)]
    fn search_all(&self, values: &[f64], places: &[u64], steps: u32, mut each: impl FnMut(usize, usize)) {
        for (position, (&value, &place)) in values.iter().zip(places).enumerate() {
            each(position, self.search(place as u16, value, steps));
        }
    }

    #[inline(always)]
    fn search(&self, bucket: u16, value: f64, steps: u32) -> usize {
        let mut cell = usize::from(self.starts[usize::from(bucket)]);
        for step in (0..steps).rev() {
            let half = 1 << step;
            // Cuts after the bucket's are above the value too. Not a branch: that takes half the time.
            cell += half * usize::from(self.cuts[cell + half - 1] <= value);
        }
        cell
    }
}

#[cfg(test)]
impl Lookup {
    pub(super) const fn steps(&self) -> u32 {
        self.steps
    }
}
