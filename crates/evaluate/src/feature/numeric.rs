//! A numeric feature against its reference.

use std::borrow::Cow;

use driftline_events::FeatureKind;
use driftline_summary::{Grid, NumericSummary};

use super::bins::{self, Bins};
use super::quality::{Faults, quality};
use super::{distances, psi_report};
use crate::drift::counts::Counts;
use crate::drift::evidence::Pooling;
use crate::drift::ks::{ks_distance, ks_p_value};
use crate::drift::wasserstein::{Side, wasserstein};
use crate::feature_report::{FeatureReport, KsReport, Verdict, WassersteinReport};
use crate::figure::Reason;
use crate::quantiles::Quantiles;
use crate::traffic::some_or;

/// The reference's minimum and maximum are rows of it: as two rows out of range they make the test of the
/// range fair. Without them, values of the same distribution as the reference would be called too often, since a
/// window's rows do fall outside another sample's range.
const RANGE_ROWS: f64 = 2.0;

/// The quantiles that are told, ascending.
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// The report, but for q-values, verdict and what shows the bins.
pub(crate) fn report<'a>(
    name: &str,
    current: &'a NumericSummary,
    reference: Option<&'a NumericSummary>,
) -> (FeatureReport, Option<Bins<'a>>) {
    let rows = current.rows();
    let faults = |of: &dyn Fn(&NumericSummary) -> Faults| {
        let before = reference.map(of);
        quality(of(current), before, before)
    };
    let range = |summary: &NumericSummary| Faults::of_weight(summary.out_of_range(), summary.present());
    let range_before = reference.filter(|_| current.grid().is_some()).map(range);
    let compared = comparable(current, reference);
    let mut shown = None;
    let counts = compared.and_then(|(grid, reference)| {
        let bins = bins::numeric(grid, reference, current);
        let n = (reference.present().effective(), current.present().effective());
        let counts = Counts::new((&bins.binned.reference, n.0), (&bins.binned.current, n.1));
        shown = Some(Bins::Numbers(grid, bins));
        counts
    });
    let distances = distances(&counts);
    let cells = compared.map(|(grid, reference)| Dense {
        grid,
        reference: (reference, reference.cells().dense()),
        current: (current, current.cells().dense()),
    });
    let cells = cells.as_ref().map_err(|reason| *reason);
    let report = FeatureReport {
        name: name.to_owned(),
        kind: FeatureKind::Numeric,
        rows: rows.rows,
        missing: faults(&|summary| Faults::of_tally(*summary.missing, summary.rows())),
        invalid: faults(&|summary| Faults::of_tally(*summary.invalid, summary.rows())),
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
        quantiles: Some(quantiles(current)),
        psi: psi_report(&counts, Pooling::Neighbours),
        changed_bins: Vec::new(),
        bins: Vec::new(),
        ks: Some(ks(cells)),
        js: distances.js,
        hellinger: distances.hellinger,
        total_variation: distances.total_variation,
        linf: distances.linf,
        wasserstein: Some(wasserstein_report(cells)),
        chi2: distances.chi2,
        verdict: Verdict::NoReference,
        drifted: false,
        severity: None,
    };
    (report, shown)
}

fn quantiles(current: &NumericSummary) -> Quantiles {
    let reason = if current.grid().is_none() { Reason::NoReference } else { Reason::NoValues };
    let known = current.quantiles(QUANTILES);
    QUANTILES.iter().zip(known).map(|(q, value)| (q.to_string(), some_or(value, reason))).collect()
}

/// The grid and the reference, if both sides were counted by that grid and have values.
pub(super) fn comparable<'a>(
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

/// Both sides and their weights cell by cell.
struct Dense<'a> {
    grid: &'a Grid,
    reference: (&'a NumericSummary, Cow<'a, [f64]>),
    current: (&'a NumericSummary, Cow<'a, [f64]>),
}

fn ks(cells: Result<&Dense<'_>, Reason>) -> KsReport {
    let distance = cells.and_then(|cells| {
        ks_distance(&cells.reference.1, &cells.current.1, |cell| cells.grid.is_single_value(cell))
    });
    let p_value = cells.and_then(|cells| {
        let rows = |summary: &NumericSummary| summary.present().effective();
        ks_p_value(distance?.d, rows(cells.reference.0), rows(cells.current.0))
    });
    KsReport {
        value: distance.map(|ks| ks.d).into(),
        upper: distance.map(|ks| ks.upper).into(),
        p_value: p_value.into(),
    }
}

fn wasserstein_report(cells: Result<&Dense<'_>, Reason>) -> WassersteinReport {
    let distance = cells
        .and_then(|cells| wasserstein(cells.grid.cuts(), side(&cells.reference)?, side(&cells.current)?));
    let normalised = cells.and_then(|cells| {
        let variance = cells.reference.0.moments.sample_variance().ok_or(Reason::TooFewRows)?;
        if variance > 0.0 { Ok(distance?.value / variance.sqrt()) } else { Err(Reason::ConstantReference) }
    });
    WassersteinReport {
        value: distance.map(|w| w.value).into(),
        normalised: normalised.into(),
        bound: distance.map(|w| w.bound).into(),
    }
}

fn side<'a>((summary, cells): &'a (&NumericSummary, Cow<'_, [f64]>)) -> Result<Side<'a>, Reason> {
    let (Some(min), Some(max)) = (summary.extremes.min(), summary.extremes.max()) else {
        return Err(Reason::NoValues);
    };
    Ok(Side { cells, mean: summary.moments.mean().ok_or(Reason::NotFinite)?, min, max })
}
