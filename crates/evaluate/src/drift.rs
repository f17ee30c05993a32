//! Drift statistics: functions of counts, each with its formula and source.

pub(crate) mod chi2;
pub(crate) mod counts;
pub(crate) mod distance;
pub(crate) mod evidence;
pub(crate) mod fdr;
mod kolmogorov;
pub(crate) mod ks;
mod matrix;
pub(crate) mod proportions;
pub(crate) mod psi;
pub(crate) mod wasserstein;
