//! Two histograms over the same bins.

use crate::figure::Reason;

/// Effective rows per bin of reference and current; no bin is empty on both sides.
///
/// Weights are scaled so that each side sums to its effective sample size, `weight^2 / weight_sq`. Unweighted rows
/// are their own effective rows, so everything that reads this need not know about weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts {
    pub(crate) reference: Vec<f64>,
    pub(crate) current: Vec<f64>,
    /// Effective rows of the reference.
    pub(crate) n_reference: f64,
    /// Effective rows of the current side.
    pub(crate) n_current: f64,
}

impl Counts {
    /// Pairs the weights per bin of both sides, each with its effective sample size.
    ///
    /// # Errors
    /// [`Reason::EmptyReference`] or [`Reason::NoValues`] if a side has no weight, [`Reason::BinsDiffer`] if the
    /// bins do not pair up.
    pub(crate) fn new(
        (reference, n_reference): (&[f64], f64),
        (current, n_current): (&[f64], f64),
    ) -> Result<Self, Reason> {
        if reference.len() != current.len() {
            return Err(Reason::BinsDiffer);
        }
        let scale = |weights: &[f64], n: f64| {
            let scale = n / weights.iter().sum::<f64>();
            (scale.is_finite() && scale > 0.0).then_some(scale)
        };
        let scale_reference = scale(reference, n_reference).ok_or(Reason::EmptyReference)?;
        let scale_current = scale(current, n_current).ok_or(Reason::NoValues)?;
        let (reference, current) = reference
            .iter()
            .zip(current)
            .filter(|&(&r, &c)| r > 0.0 || c > 0.0)
            .map(|(r, c)| (r * scale_reference, c * scale_current))
            .unzip();
        Ok(Self { reference, current, n_reference, n_current })
    }

    /// Bins that are not empty on both sides.
    pub(crate) fn bins(&self) -> usize {
        self.reference.len()
    }

    /// The shares `(r, c)` of each bin.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (f64, f64)> {
        self.reference.iter().zip(&self.current).map(|(r, c)| (r / self.n_reference, c / self.n_current))
    }

    /// Effective rows of each bin on both sides.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.reference.iter().copied().zip(self.current.iter().copied())
    }

    /// The same sides over other bins.
    pub(crate) fn rebinned(&self, bins: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (reference, current) = bins.into_iter().unzip();
        Self { reference, current, ..*self }
    }
}

#[cfg(test)]
impl Counts {
    /// Unweighted counts.
    pub(crate) fn of(reference: &[f64], current: &[f64]) -> Self {
        let sides = (reference, reference.iter().sum::<f64>());
        Self::new(sides, (current, current.iter().sum::<f64>())).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_effective_rows() {
        // Four rows of weight 10: weight 40, effective 4.
        let counts = Counts::new((&[1.0, 3.0, 0.0], 4.0), (&[30.0, 10.0, 0.0], 4.0)).unwrap();
        assert_eq!(counts, Counts::of(&[1.0, 3.0], &[3.0, 1.0]));
    }

    #[test]
    fn an_empty_side_has_a_reason() {
        assert_eq!(Counts::new((&[0.0], 0.0), (&[1.0], 1.0)), Err(Reason::EmptyReference));
        assert_eq!(Counts::new((&[1.0], 1.0), (&[0.0], 0.0)), Err(Reason::NoValues));
        assert_eq!(Counts::new((&[1.0], 1.0), (&[1.0, 1.0], 2.0)), Err(Reason::BinsDiffer));
    }
}
