//! A figure held against what a rule says.

use super::metric::Metric;
use super::normal::Normal;
use super::options::Side;
use super::reading::{Reading, Unknown, figure};
use super::rule::{Base, Change, Criterion};
use super::series::Vote;

/// A spread from n windows is known to within a factor of `1 + 1.645 / sqrt(0.74 n)` with 95 % confidence: the median
/// absolute deviation has 37 % of the efficiency of the standard deviation (Rousseeuw & Croux 1993, "Alternatives to
/// the median absolute deviation", JASA 88).
fn known_to_within(windows: usize) -> f64 {
    1.0 + 1.645 / (0.74 * windows.max(1) as f64).sqrt()
}

/// A 99.9 % interval is so many times as wide as a 95 % one. A threshold that is worked out, not given, is crossed for
/// sure where the wider one is beyond it; where only the narrower one is, it must be so once more.
const SURE: f64 = 3.290_526_731_491_926 / crate::Z_95;

/// A reference is known well enough when its interval reaches at most so many times as far as the change that matters.
const PRECISE: f64 = 2.0;

/// Share of the way from the threshold back to the base at which recovery begins.
const BACK: f64 = 0.2;

/// What a rule says of a figure.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) vote: Vote,
    pub(crate) threshold: Option<f64>,
    /// Where the threshold comes from, in words.
    pub(crate) source: String,
    /// What it was before, where that is known.
    pub(crate) base: Option<f64>,
    /// How far beyond the threshold: 1 at it. For the order of several.
    pub(crate) strength: f64,
}

/// What a figure's distance is taken from.
struct From {
    middle: f64,
    /// Half-widths of its own interval, downwards and upwards.
    half: (f64, f64),
    spread: f64,
    /// How many windows say so.
    windows: usize,
    source: String,
}

/// Judges a reading. Confidence counts: beyond is the whole 95 % interval, not the figure alone; where the base has
/// an interval too, it is that of their difference.
pub(crate) fn judge(
    metric: &Metric,
    criterion: &Criterion,
    reading: &Reading,
    normal: impl FnOnce() -> Option<Normal>,
) -> Result<Judged, Unknown> {
    let judged = match criterion {
        Criterion::Verdict => {
            let vote = reading.verdict.ok_or(Unknown::NoReference)?;
            let source = match metric {
                Metric::FeatureGone => "at most 5 % of rows have a value, more than 50 % had one",
                _ => "verdict of the window report: effect and q-value",
            };
            Judged { vote, threshold: None, source: source.to_owned(), base: None, strength: reading.value }
        }
        Criterion::Static { above, below, recover } => {
            // As in the report's verdict: the effect itself, and the evidence that it is one.
            let interval = reading.interval.filter(|_| !metric.has_verdict());
            levels(&Reading { interval, ..reading.clone() }, (*above, *below), 1.0, |threshold| {
                recover.unwrap_or(threshold)
            })
        }
        Criterion::Change(change) => {
            let from = base(metric, change, reading, normal)?;
            changed(reading, change, &from)
        }
    };
    // An effect is beyond the threshold as far as it is beyond chance.
    let vote = if judged.vote >= Vote::Likely { judged.vote.min(reading.evident) } else { judged.vote };
    Ok(Judged { vote, ..judged })
}

fn base(
    metric: &Metric,
    change: &Change,
    reading: &Reading,
    normal: impl FnOnce() -> Option<Normal>,
) -> Result<From, Unknown> {
    let reference = reading.reference.filter(|_| change.base != Base::Normal).map(|reference| {
        let half = |end: Option<f64>| end.map_or(0.0, |end| (end - reference.value).abs());
        From {
            middle: reference.value,
            half: (half(reference.low), half(reference.high)),
            spread: 0.0,
            windows: 0,
            source: format!("reference {}", figure(metric, reference.value)),
        }
    });
    let learned = || {
        let normal = normal()?;
        let half = crate::Z_95 * normal.error;
        let range = (normal.middle - 2.0 * normal.spread, normal.middle + 2.0 * normal.spread);
        let source = format!(
            "normal {} to {} {}",
            figure(metric, if normal.middle >= 0.0 { range.0.max(0.0) } else { range.0 }),
            figure(metric, range.1),
            normal.source
        );
        Some(From {
            middle: normal.middle,
            half: (half, half),
            spread: normal.spread,
            windows: normal.windows,
            source,
        })
    };
    let fixed = || {
        let middle = change.otherwise?;
        Some(From { middle, half: (0.0, 0.0), spread: 0.0, windows: 0, source: "static".to_owned() })
    };
    match change.base {
        Base::Reference => reference.or_else(fixed).ok_or(Unknown::NoReference),
        Base::Normal => learned().ok_or(Unknown::Learning),
        Base::Either => {
            // A reference of few labels says less than former windows do.
            let precise = |of: &From| {
                let margin = change.by.max(of.middle.abs() * (change.times - 1.0));
                of.half.0.max(of.half.1) <= PRECISE * margin
            };
            match reference {
                Some(reference) if precise(&reference) => Ok(reference),
                reference => learned().or(reference).or_else(fixed).ok_or(Unknown::Learning),
            }
        }
    }
}

fn changed(reading: &Reading, change: &Change, from: &From) -> Judged {
    // What chance makes of this many rows is in the figure's own interval already: only what former windows
    // certainly spread beyond it counts here.
    let own = reading.interval.map_or(0.0, |(low, high)| (high - low) / (2.0 * crate::Z_95));
    let own = own * known_to_within(from.windows);
    let spread = (from.spread * from.spread - own * own).max(0.0).sqrt();
    let middle = from.middle;
    let margin =
        |factor: f64| change.by.max(change.deviations * spread).max((middle * factor - middle).abs());
    let above = matches!(change.side, Side::Above | Side::Both).then(|| middle + margin(change.times));
    let below = matches!(change.side, Side::Below | Side::Both).then(|| middle - margin(1.0 / change.times));
    // The interval of a difference from those of its parts (Zou & Donner 2008, "Construction of confidence limits
    // about effect measures", Statistics in Medicine 27).
    let interval = reading.interval.map(|(low, high)| {
        let root = |own: f64, other: f64| (own * own + other * other).sqrt();
        (
            reading.value - root(reading.value - low, from.half.1),
            reading.value + root(high - reading.value, from.half.0),
        )
    });
    let reading = Reading { interval, ..reading.clone() };
    let back = |threshold: f64| change.recover.unwrap_or(threshold + BACK * (middle - threshold));
    let judged = levels(&reading, (above, below), SURE, back);
    let source = from.source.clone();
    let strength = judged.threshold.map_or(0.0, |threshold| {
        let room = (threshold - middle).abs();
        if room > 0.0 {
            (reading.value - middle).abs() / room
        } else {
            f64::from(judged.vote >= Vote::Likely)
        }
    });
    Judged { source, base: Some(middle), strength, ..judged }
}

/// Holds a reading against one or two levels: its interval, and that widened by `sure`. `back` says from where on it
/// has recovered from which.
fn levels(
    reading: &Reading,
    (above, below): (Option<f64>, Option<f64>),
    sure: f64,
    back: impl Fn(f64) -> f64,
) -> Judged {
    let (low, high) = reading.interval.unwrap_or((reading.value, reading.value));
    let value = reading.value;
    let vote_above = above.map(|level| match () {
        () if value - sure * (value - low) > level => Vote::Over,
        () if low > level => Vote::Likely,
        () if value <= back(level) => Vote::Clear,
        () => Vote::Between,
    });
    let vote_below = below.map(|level| match () {
        () if value + sure * (high - value) < level => Vote::Over,
        () if high < level => Vote::Likely,
        () if value >= back(level) => Vote::Clear,
        () => Vote::Between,
    });
    let vote = vote_above.max(vote_below).unwrap_or(Vote::Clear);
    // The level that it is beyond, or nearer to.
    let threshold = match (above, below) {
        (Some(above), Some(below)) if (value - below).abs() < (above - value).abs() => Some(below),
        (above, below) => above.or(below),
    };
    let strength = threshold.map_or(0.0, |level| {
        let ratio = if Some(level) == below { level / value } else { value / level };
        if ratio.is_finite() { ratio } else { f64::MAX }
    });
    Judged { vote, threshold, source: "static".to_owned(), base: None, strength }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interval;
    use crate::alert::options::Season;
    use crate::performance_report::Basis;

    fn accuracy() -> Metric {
        Metric::Performance { name: "accuracy".to_owned(), class: None, basis: Basis::LabelTime }
    }

    fn change(base: Base) -> Criterion {
        let (by, times, deviations) = (0.015, 1.0, 4.0);
        let (season, recover, otherwise) = (Season::None, None, None);
        Criterion::Change(Change {
            base,
            side: Side::Below,
            by,
            times,
            deviations,
            season,
            recover,
            otherwise,
        })
    }

    fn reading(value: f64, half: f64, reference: Option<Interval>) -> Reading {
        let interval = Some((value - half, value + half));
        Reading { interval, reference, ..Reading::state(&accuracy(), value) }
    }

    fn vote(reading: &Reading, normal: Option<Normal>) -> Judged {
        judge(&accuracy(), &change(Base::Either), reading, || normal).unwrap()
    }

    #[test]
    fn both_intervals_count() {
        let reference = |half: f64| Some(Interval::new(0.9, 0.9 - half, 0.9 + half));
        // The threshold is 0.885: 0.86 + 0.02 is below it, but not where the reference may be 0.02 lower.
        assert_eq!(vote(&reading(0.86, 0.02, reference(0.0)), None).vote, Vote::Likely);
        assert_eq!(vote(&reading(0.86, 0.02, reference(0.02)), None).vote, Vote::Between);
        // 0.84 + 1.68 * sqrt(0.02^2 + 0.01^2) is below it too.
        assert_eq!(vote(&reading(0.84, 0.02, reference(0.01)), None).vote, Vote::Over);
        // A fifth of the way back from the threshold.
        assert_eq!(vote(&reading(0.888, 0.001, reference(0.0)), None).vote, Vote::Clear);
        assert_eq!(vote(&reading(0.887, 0.001, reference(0.0)), None).vote, Vote::Between);
    }

    #[test]
    fn a_reference_of_few_labels_gives_way() {
        let normal = || {
            let source = "over 40 windows".to_owned();
            Some(Normal { middle: 0.9, spread: 0.001, windows: 40, error: 0.0, source })
        };
        let vague = Some(Interval::new(0.8, 0.7, 0.88));
        assert!(vote(&reading(0.9, 0.01, vague), normal()).source.starts_with("normal"));
        assert_eq!(vote(&reading(0.9, 0.01, vague), None).source, "reference 0.8");
        let exact = Some(Interval::new(0.8, 0.79, 0.81));
        assert_eq!(vote(&reading(0.9, 0.01, exact), normal()).source, "reference 0.8");
        let none = judge(&accuracy(), &change(Base::Either), &reading(0.9, 0.01, None), || None);
        assert_eq!(none.unwrap_err(), Unknown::Learning);
    }

    #[test]
    fn only_spread_beyond_chance_widens_what_is_normal() {
        let normal = |spread: f64| {
            let source = "over 40 windows".to_owned();
            Some(Normal { middle: 0.9, spread, windows: 40, error: 0.0, source })
        };
        // An interval of 0.0196 is a standard error of 0.01, which windows spread by in any case.
        let threshold = |spread| vote(&reading(0.9, 0.0196, None), normal(spread)).threshold.unwrap();
        assert!((threshold(0.01) - 0.885).abs() < 1e-12);
        // sqrt(0.03^2 - (0.01 * (1 + 1.645 / sqrt(0.74 * 40)))^2) is 0.02703, four of which are 0.1081.
        assert!((threshold(0.03) - (0.9 - 0.1081)).abs() < 1e-5, "{}", threshold(0.03));
    }
}
