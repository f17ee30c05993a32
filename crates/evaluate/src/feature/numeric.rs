//! A numeric feature against its reference.

use driftline_events::FeatureKind;
use driftline_summary::{Grid, NumericSummary};

use super::bins;
use super::quality::{Faults, quality};
use super::{distances, psi_report};
use crate::drift::counts::Counts;
use crate::drift::evidence::Pooling;
use crate::drift::ks::{ks_distance, ks_p_value};
use crate::drift::wasserstein::{Side, wasserstein};
use crate::feature_report::{FeatureReport, KsReport, Verdict, WassersteinReport};
use crate::figure::Reason;
use crate::traffic::{quantiles, some_or};

/// The reference's minimum and maximum are rows of it: as two rows out of range they make the test of the
/// range fair. Without them, values of the same distribution as the reference would be called too often, since a
/// window's rows do fall outside another sample's range.
const RANGE_ROWS: f64 = 2.0;

/// The report, but for q-values and verdict.
pub(crate) fn report(
    name: &str,
    current: &NumericSummary,
    reference: Option<&NumericSummary>,
) -> FeatureReport {
    let rows = current.rows();
    let faults = |of: &dyn Fn(&NumericSummary) -> Faults| {
        let before = reference.map(of);
        quality(of(current), before, before)
    };
    let range = |summary: &NumericSummary| Faults::of_weight(summary.out_of_range(), summary.present());
    let range_before = reference.filter(|_| current.grid().is_some()).map(range);
    let compared = comparable(current, reference);
    let counts = compared.and_then(|(grid, reference)| {
        let binned = bins::numeric(grid, reference, current);
        Counts::new(
            (&binned.reference, reference.present().effective()),
            (&binned.current, current.present().effective()),
        )
    });
    let distances = distances(&counts);
    FeatureReport {
        name: name.to_owned(),
        kind: FeatureKind::Numeric,
        rows: rows.rows,
        missing: faults(&|summary| Faults::of_tally(summary.missing, summary.rows())),
        invalid: faults(&|summary| Faults::of_tally(summary.invalid, summary.rows())),
        out_of_range: Some(quality(
            range(current),
            range_before,
            range_before.map(|faults| faults.plus_rows(RANGE_ROWS)),
        )),
        unseen: None,
        mean: Some(some_or(current.moments.mean(), Reason::NoValues)),
        variance: Some(some_or(current.moments.sample_variance(), Reason::TooFewRows)),
        min: Some(some_or(current.extremes.min(), Reason::NoValues)),
        max: Some(some_or(current.extremes.max(), Reason::NoValues)),
        quantiles: Some(quantiles(
            &[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99],
            |q| current.quantile(q),
            if current.grid().is_none() { Reason::NoReference } else { Reason::NoValues },
        )),
        psi: psi_report(&counts, Pooling::Neighbours),
        ks: Some(ks(compared, current)),
        js: distances.js,
        hellinger: distances.hellinger,
        total_variation: distances.total_variation,
        linf: distances.linf,
        wasserstein: Some(wasserstein_report(compared, current)),
        chi2: distances.chi2,
        verdict: Verdict::NoReference,
        drifted: false,
        severity: None,
    }
}

/// The grid and the reference, if both sides were counted by that grid and have values.
fn comparable<'a>(
    current: &'a NumericSummary,
    reference: Option<&'a NumericSummary>,
) -> Result<(&'a Grid, &'a NumericSummary), Reason> {
    let reference = reference.ok_or(Reason::NoReference)?;
    if reference.present().is_empty() {
        return Err(Reason::EmptyReference);
    }
    match (reference.grid(), current.grid()) {
        (Some(theirs), Some(ours)) if theirs.id() == ours.id() => {}
        _ => return Err(Reason::BinsDiffer),
    }
    if current.present().is_empty() {
        return Err(Reason::NoValues);
    }
    Ok((reference.grid().ok_or(Reason::BinsDiffer)?, reference))
}

fn ks(compared: Result<(&Grid, &NumericSummary), Reason>, current: &NumericSummary) -> KsReport {
    let distance = compared.and_then(|(grid, reference)| {
        let is_single = |cell| grid.is_single_value(cell);
        ks_distance(&reference.cells().to_dense(), &current.cells().to_dense(), is_single)
    });
    let p_value = compared.and_then(|(_, reference)| {
        ks_p_value(distance?.d, reference.present().effective(), current.present().effective())
    });
    KsReport {
        value: distance.map(|ks| ks.d).into(),
        upper: distance.map(|ks| ks.upper).into(),
        p_value: p_value.into(),
    }
}

fn wasserstein_report(
    compared: Result<(&Grid, &NumericSummary), Reason>,
    current: &NumericSummary,
) -> WassersteinReport {
    let distance = compared.and_then(|(grid, reference)| {
        let (r, c) = (reference.cells().to_dense(), current.cells().to_dense());
        wasserstein(grid.cuts(), side(&r, reference)?, side(&c, current)?)
    });
    let normalised = compared.and_then(|(_, reference)| {
        let variance = reference.moments.sample_variance().ok_or(Reason::TooFewRows)?;
        if variance > 0.0 { Ok(distance?.value / variance.sqrt()) } else { Err(Reason::ConstantReference) }
    });
    WassersteinReport {
        value: distance.map(|w| w.value).into(),
        normalised: normalised.into(),
        bound: distance.map(|w| w.bound).into(),
    }
}

fn side<'a>(cells: &'a [f64], summary: &NumericSummary) -> Result<Side<'a>, Reason> {
    let (Some(min), Some(max)) = (summary.extremes.min(), summary.extremes.max()) else {
        return Err(Reason::NoValues);
    };
    Ok(Side { cells, mean: summary.moments.mean().ok_or(Reason::NotFinite)?, min, max })
}
