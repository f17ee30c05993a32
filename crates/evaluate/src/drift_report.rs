//! Drift over all features.

use crate::feature_report::{FeatureReport, Verdict};
use crate::figure::{Figure, Reason};
use crate::report::DriftReport;

pub(crate) fn drift(features: &[FeatureReport]) -> DriftReport {
    let count = |is: &dyn Fn(&FeatureReport) -> bool| features.iter().filter(|f| is(f)).count() as u64;
    let drifted = count(&|feature| feature.drifted);
    let watched = count(&|feature| matches!(feature.verdict, Verdict::Drifted | Verdict::Stable));
    DriftReport {
        drifted_features: drifted,
        share: if watched > 0 {
            Figure::new(drifted as f64 / watched as f64)
        } else {
            Figure::absent(Reason::NotWatched)
        },
        watched,
        quality_findings: count(&|feature| {
            let optional = [&feature.out_of_range, &feature.unseen];
            let tests =
                [&feature.missing, &feature.invalid].into_iter().chain(optional.into_iter().flatten());
            tests.into_iter().any(|test| test.finding)
        }),
    }
}
