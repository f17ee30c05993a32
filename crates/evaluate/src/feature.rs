//! One feature against its reference: the report, but for what depends on the other features.

pub(crate) mod bins;
pub(crate) mod categorical;
pub(crate) mod numeric;
pub(crate) mod quality;
pub(crate) mod shares;
pub(crate) mod verdict;

use crate::drift::chi2::chi2;
use crate::drift::counts::Counts;
use crate::drift::distance::{hellinger, jensen_shannon, linf, total_variation};
use crate::drift::evidence::{Pooling, evidence};
use crate::drift::psi::{noise_floor, psi};
use crate::feature_report::{Chi2Report, PsiReport};
use crate::figure::{Figure, Reason};

/// PSI with its noise floor and evidence; the q-value is left to the family.
fn psi_report(counts: &Result<Counts, Reason>, pooling: Pooling) -> PsiReport {
    let of = |figure: &dyn Fn(&Counts) -> Result<f64, Reason>| -> Figure {
        counts.as_ref().map_err(|reason| *reason).and_then(figure).into()
    };
    let p_value = of(&|counts| evidence(counts, pooling));
    PsiReport {
        value: of(&|counts| Ok(psi(counts))),
        noise_floor: of(&|counts| Ok(noise_floor(counts))),
        excess: of(&|counts| Ok((psi(counts) - noise_floor(counts)).max(0.0))),
        q_value: p_value,
        p_value,
    }
}

/// The distances of the shares, and their test.
struct Distances {
    js: Figure,
    hellinger: Figure,
    total_variation: Figure,
    linf: Figure,
    chi2: Chi2Report,
}

fn distances(counts: &Result<Counts, Reason>) -> Distances {
    let of = |figure: fn(&Counts) -> f64| Figure::from(counts.as_ref().map(figure).map_err(|reason| *reason));
    let test = counts.as_ref().map_err(|reason| *reason).and_then(chi2);
    Distances {
        js: of(jensen_shannon),
        hellinger: of(hellinger),
        total_variation: of(total_variation),
        linf: of(linf),
        chi2: Chi2Report {
            value: test.map(|test| test.value).into(),
            dof: test.map(|test| test.dof).into(),
            p_value: test.map(|test| test.p_value).into(),
        },
    }
}
