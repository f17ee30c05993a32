//! A categorical feature against its reference.

use driftline_events::FeatureKind;
use driftline_summary::{CategoricalSummary, Categories};

use super::bins::{self, Bins};
use super::quality::{Faults, quality};
use super::{distances, psi_report};
use crate::drift::counts::Counts;
use crate::drift::evidence::Pooling;
use crate::feature_report::{FeatureReport, UnseenValue, Verdict};
use crate::figure::Reason;

/// Unseen values that are listed.
const TOP_UNSEEN: usize = 16;

/// The report, but for q-values, verdict and what shows the bins.
pub(crate) fn report<'a>(
    name: &str,
    kind: FeatureKind,
    current: &'a CategoricalSummary,
    reference: Option<&'a CategoricalSummary>,
) -> (FeatureReport, Option<Bins<'a>>) {
    let faults = |of: &dyn Fn(&CategoricalSummary) -> Faults| {
        let before = reference.map(of);
        quality(of(current), before, before)
    };
    let mut unseen = faults(&|summary| Faults::of_tally(*summary.unseen, summary.present));
    let top = current.top_unseen(TOP_UNSEEN).into_iter();
    unseen.top = Some(top.map(|(value, weight)| UnseenValue { value: value.to_string(), weight }).collect());

    let bins = comparable(current, reference)
        .map(|(categories, reference)| (bins::categorical(categories, reference, current), reference));
    let (psi_counts, all_counts) = match &bins {
        Err(reason) => (Err(*reason), Err(*reason)),
        Ok((bins, reference)) => {
            let counts = |binned: &bins::Binned| {
                Counts::new(
                    (&binned.reference, reference.present.effective()),
                    (&binned.current, current.present.effective()),
                )
            };
            (counts(&bins.psi), counts(&bins.all))
        }
    };
    let distances = distances(&all_counts);
    let report = FeatureReport {
        name: name.to_owned(),
        kind,
        rows: current.rows().rows,
        missing: faults(&|summary| Faults::of_tally(*summary.missing, summary.rows())),
        invalid: faults(&|summary| Faults::of_tally(*summary.invalid, summary.rows())),
        out_of_range: None,
        unseen: Some(unseen),
        mean: None,
        variance: None,
        min: None,
        max: None,
        quantiles: None,
        psi: psi_report(&psi_counts, Pooling::Rarest),
        changed_bins: Vec::new(),
        bins: Vec::new(),
        ks: None,
        js: distances.js,
        hellinger: distances.hellinger,
        total_variation: distances.total_variation,
        linf: distances.linf,
        wasserstein: None,
        chi2: distances.chi2,
        verdict: Verdict::NoReference,
        drifted: false,
        severity: None,
    };
    (report, bins.ok().map(|(bins, _)| Bins::Categories(bins)))
}

pub(super) fn comparable<'a>(
    current: &'a CategoricalSummary,
    reference: Option<&'a CategoricalSummary>,
) -> Result<(&'a Categories, &'a CategoricalSummary), Reason> {
    let reference = reference.ok_or(Reason::NoReference)?;
    if reference.present.is_empty() {
        return Err(Reason::EmptyReference);
    }
    match (reference.categories(), current.categories()) {
        (Some(theirs), Some(ours)) if theirs.id() == ours.id() => {}
        _ => return Err(Reason::BinsDiffer),
    }
    if current.present.is_empty() {
        return Err(Reason::NoValues);
    }
    Ok((reference.categories().ok_or(Reason::BinsDiffer)?, reference))
}
