//! False discovery rate.

/// Benjamini–Hochberg q-values of a family of p-values: the smallest rate at which each would be called.
/// `q_(i) = min over j >= i of p_(j) m / j`, at most 1. Tests that do not exist (`None`) are no part of the family.
///
/// # References
/// Benjamini & Hochberg (1995), "Controlling the False Discovery Rate", J. R. Stat. Soc. B 57.
pub(crate) fn q_values(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p_values.iter().enumerate().filter_map(|(index, p)| p.map(|p| (index, p))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let family = order.len() as f64;
    let mut result = vec![None; p_values.len()];
    let mut least: f64 = 1.0;
    for (above, &(index, p)) in order.iter().enumerate() {
        least = least.min(p * family / (family - above as f64));
        result[index] = Some(least);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_scipys() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.55, 0.04].map(Some);
        // scipy 1.13.1: false_discovery_control([.01, .04, .03, .005, .55, .04])
        let expected = [0.03, 0.048, 0.048, 0.03, 0.55, 0.048];
        for (got, expected) in q_values(&p).into_iter().zip(expected) {
            assert!((got.unwrap() - expected).abs() < 1e-15, "{got:?} {expected}");
        }
    }

    #[test]
    fn absent_tests_are_not_counted() {
        assert_eq!(q_values(&[None, Some(0.02), None]), [None, Some(0.02), None]);
        assert_eq!(q_values(&[]), []);
    }
}
