//! A feature's distribution, the reference beside the window, in few enough bins to be shown.

use driftline_summary::Grid;

use super::bins::{Bins, CategoryBins, NumberBins, OTHER_VALUES, RARE_AND_NEW};
use crate::feature_report::BinShare;

/// Bins at most. They become labels of metrics.
const BINS: usize = 11;
/// Characters of a category's name that are shown.
const NAME_CHARS: usize = 48;

/// The bins of the PSI in their order, with both sides' shares. Numbers come in ascending order, categories in
/// descending order of their share of the reference; what has no bin of its own comes last.
pub(crate) fn shares(bins: Bins<'_>) -> Vec<BinShare> {
    match bins {
        Bins::Numbers(grid, bins) => numbers(grid, bins),
        Bins::Categories(bins) => categories(&bins),
    }
}

fn numbers(grid: &Grid, bins: NumberBins) -> Vec<BinShare> {
    let bins = bins.at_most(BINS);
    let sides = bins.binned.reference.iter().zip(&bins.binned.current);
    let labelled = sides.enumerate().map(|(bin, (r, c))| (bins.bin(grid, bin).label(OTHER_VALUES), *r, *c));
    numbered(labelled.collect())
}

fn categories(bins: &CategoryBins) -> Vec<BinShare> {
    let sides: Vec<(f64, f64)> =
        bins.psi.reference.iter().copied().zip(bins.psi.current.iter().copied()).collect();
    // The first bin of the PSI is the pooled one.
    let Some((pooled, named)) = sides.split_first() else { return Vec::new() };
    let mut named: Vec<(&str, f64, f64)> =
        bins.named.iter().zip(named).map(|(name, (r, c))| (&**name, *r, *c)).collect();
    named.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let rest = named.split_off(named.len().min(BINS - 1));
    let label = if rest.is_empty() { RARE_AND_NEW } else { "all others" };
    let rest = rest.iter().fold(*pooled, |sum, (_, r, c)| (sum.0 + r, sum.1 + c));
    let mut labelled: Vec<_> = named.into_iter().map(|(name, r, c)| (short(name), r, c)).collect();
    labelled.push((label.to_owned(), rest.0, rest.1));
    numbered(labelled)
}

/// A name that fits beside a bar.
fn short(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Weights as shares, with labels that sort as the bins stand; a bin that both sides left empty is left out, and keeps
/// its number for when it is not.
fn numbered(bins: Vec<(String, f64, f64)>) -> Vec<BinShare> {
    let all = bins.iter().fold((0.0, 0.0), |all, (_, r, c)| (all.0 + r, all.1 + c));
    if !(all.0 > 0.0 && all.1 > 0.0) {
        return Vec::new();
    }
    let shares = bins.into_iter().enumerate().map(|(position, (label, r, c))| BinShare {
        label: format!("{:02}: {label}", position + 1),
        reference: r / all.0,
        current: c / all.1,
    });
    shares.filter(|bin| bin.reference > 0.0 || bin.current > 0.0).collect()
}

#[cfg(test)]
mod tests;
