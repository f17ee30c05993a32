//! Every feature against its reference.

use driftline_events::FeatureKind;
use driftline_summary::{CategoricalSummary, CellSummary, FeatureSummary, NumericSummary, Tally, Task};

use crate::config::DriftSpec;
use crate::drift::fdr::q_values;
use crate::evaluation::Evaluation;
use crate::feature::bins::Bins;
use crate::feature::quality::changed;
use crate::feature::shares::shares;
use crate::feature::verdict::{Values, verdict};
use crate::feature::{categorical, numeric};
use crate::feature_report::{FeatureReport, QualityReport};
use crate::figure::Figure;

/// Features whose bins are part of the report.
const SHOWN: usize = 10;

/// The features, and what is summarised like one.
pub(crate) struct Judged {
    pub(crate) features: Vec<FeatureReport>,
    pub(crate) prediction: Option<FeatureReport>,
    pub(crate) score: Option<FeatureReport>,
    pub(crate) value: Option<FeatureReport>,
    pub(crate) label: Option<FeatureReport>,
}

/// All rows of a feature.
pub(crate) fn rows(feature: &FeatureSummary) -> Tally {
    match feature {
        FeatureSummary::Numeric(summary) => summary.rows(),
        FeatureSummary::Categorical(summary) => summary.rows(),
    }
}

/// A report that waits for the other features' p-values.
struct Draft<'a> {
    report: FeatureReport,
    /// What the drift was judged by, as long as it is not known whether it will be shown.
    bins: Option<Bins<'a>>,
    values: Values,
    /// Effective rows of reference and current side.
    effective: (f64, f64),
}

impl<'a> Draft<'a> {
    fn numeric(name: &str, current: &'a NumericSummary, reference: Option<&'a NumericSummary>) -> Self {
        let sides = (reference.map(NumericSummary::present), current.present());
        Self::new(numeric::report(name, current, reference), sides)
    }

    fn categorical(
        name: &str,
        kind: FeatureKind,
        current: &'a CategoricalSummary,
        reference: Option<&'a CategoricalSummary>,
    ) -> Self {
        let sides = (reference.map(|reference| reference.present), current.present);
        Self::new(categorical::report(name, kind, current, reference), sides)
    }

    fn new(
        (report, bins): (FeatureReport, Option<Bins<'a>>),
        (reference, current): (Option<Tally>, Tally),
    ) -> Self {
        let reference = reference.unwrap_or_default();
        let values = Values { current: current.rows, reference: reference.rows };
        Self { report, bins, values, effective: (reference.effective(), current.effective()) }
    }
}

/// Drafts every report, then gives each family of tests its q-values and each feature its verdict.
pub(crate) fn judge(input: &Evaluation<'_>) -> Judged {
    let current = input.current;
    let reference = input.reference.as_ref().map(|reference| reference.summary);
    let mut features = drafts(current, reference);
    let task = current.spec().task();
    let classes = |name: &str, of: fn(&CellSummary) -> &CategoricalSummary| {
        (task != Task::Regression)
            .then(|| Draft::categorical(name, FeatureKind::Categorical, of(current), reference.map(of)))
    };
    let numbers = |name: &str, wanted: bool, of: fn(&CellSummary) -> &NumericSummary| {
        wanted.then(|| Draft::numeric(name, of(current), reference.map(of)))
    };
    let regression = task == Task::Regression;
    let mut prediction = classes("prediction", |summary| &summary.prediction);
    let mut score = numbers("score", !regression, |summary| &summary.score);
    let mut value = numbers("value", regression, |summary| &summary.value);
    let mut label = classes("label", |summary| &summary.outcomes.label)
        .or_else(|| numbers("label", true, |summary| &summary.outcomes.label_value));

    let mut targets: Vec<&mut Draft<'_>> =
        [&mut prediction, &mut score, &mut value, &mut label].into_iter().flatten().collect();
    drift_family(&mut features.iter_mut().collect::<Vec<_>>(), input.drift);
    drift_family(&mut targets, input.drift);
    targets.extend(&mut features);
    quality_family(&mut targets, input.drift);

    // A segment's would be as many again for each of its values.
    if input.segment.is_empty() {
        show_bins(&mut features);
    }
    let done = |draft: Draft<'_>| draft.report;
    Judged {
        features: features.into_iter().map(done).collect(),
        prediction: prediction.map(done),
        score: score.map(done),
        value: value.map(done),
        label: label.map(done),
    }
}

fn drafts<'a>(current: &'a CellSummary, reference: Option<&'a CellSummary>) -> Vec<Draft<'a>> {
    let specs = current.spec().features();
    let pairs = specs.iter().zip(&current.features).enumerate();
    pairs
        .map(|(position, (spec, feature))| {
            let reference = reference.and_then(|reference| of_name(reference, position, &spec.name));
            match feature {
                FeatureSummary::Numeric(feature) => {
                    let reference = reference.and_then(|reference| match reference {
                        FeatureSummary::Numeric(reference) => Some(reference),
                        FeatureSummary::Categorical(_) => None,
                    });
                    Draft::numeric(&spec.name, feature, reference)
                }
                FeatureSummary::Categorical(feature) => {
                    let reference = reference.and_then(|reference| match reference {
                        FeatureSummary::Categorical(reference) => Some(reference),
                        FeatureSummary::Numeric(_) => None,
                    });
                    Draft::categorical(&spec.name, spec.kind, feature, reference)
                }
            }
        })
        .collect()
}

/// Gives the features that drifted most their bins. Where nothing drifted it is some all the same, so that there is
/// a distribution to look at.
fn show_bins(drafts: &mut [Draft<'_>]) {
    let excess = |draft: &Draft<'_>| draft.report.psi.excess.value();
    let mut ranked: Vec<&mut Draft<'_>> = drafts.iter_mut().filter(|draft| excess(draft).is_some()).collect();
    ranked.sort_by(|a, b| {
        let by_excess = excess(b).unwrap_or(0.0).total_cmp(&excess(a).unwrap_or(0.0));
        by_excess.then_with(|| a.report.name.cmp(&b.report.name))
    });
    for draft in ranked.into_iter().take(SHOWN) {
        draft.report.bins = draft.bins.take().map(shares).unwrap_or_default();
    }
}

/// The feature of this name, which is nearly always at the same position.
fn of_name<'a>(summary: &'a CellSummary, position: usize, name: &str) -> Option<&'a FeatureSummary> {
    let specs = summary.spec().features();
    let is_it = |at: &usize| specs.get(*at).is_some_and(|spec| &*spec.name == name);
    let at = Some(position).filter(is_it).or_else(|| specs.iter().position(|spec| &*spec.name == name))?;
    summary.features.get(at)
}

/// Features that are not watched are no part of the family: they would cost the others power.
fn drift_family(drafts: &mut [&mut Draft<'_>], spec: &DriftSpec) {
    let watched = |draft: &Draft<'_>| spec.feature(&draft.report.name).watch();
    let p_values: Vec<Option<f64>> =
        drafts.iter().map(|draft| draft.report.psi.p_value.value().filter(|_| watched(draft))).collect();
    for (draft, q) in drafts.iter_mut().zip(q_values(&p_values)) {
        if let Some(q) = q {
            draft.report.psi.q_value = Figure::new(q);
        } else if !watched(draft) {
            draft.report.psi.q_value = Figure::absent(crate::Reason::NotWatched);
        }
        let (verdict, severity) =
            verdict(&draft.report, draft.values, spec.feature(&draft.report.name), spec.significance());
        draft.report.verdict = verdict;
        draft.report.drifted = severity.is_some();
        draft.report.severity = severity;
        if severity.is_some() {
            let changes = draft.bins.as_ref().map(|bins| bins.changes(draft.effective));
            draft.report.changed_bins = changes.unwrap_or_default();
        }
    }
}

fn quality_family(drafts: &mut [&mut Draft<'_>], spec: &DriftSpec) {
    let mut tests: Vec<(f64, &mut QualityReport)> = Vec::with_capacity(4 * drafts.len());
    for draft in drafts {
        let FeatureReport { name, missing, invalid, out_of_range, unseen, .. } = &mut draft.report;
        let difference = spec.feature(name).quality_difference();
        let some = [Some(missing), Some(invalid), out_of_range.as_mut(), unseen.as_mut()];
        tests.extend(some.into_iter().flatten().map(|test| (difference, test)));
    }
    let p_values: Vec<Option<f64>> = tests.iter().map(|(_, test)| test.p_value.value()).collect();
    for ((difference, test), q) in tests.into_iter().zip(q_values(&p_values)) {
        if let Some(q) = q {
            test.q_value = Figure::new(q);
            test.finding = q <= spec.significance() && changed(test, difference);
        }
    }
}
