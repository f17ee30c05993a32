use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// All pairs, ties half.
fn exact_auc(rows: &[(f64, bool)]) -> Option<f64> {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for &(positive, _) in rows.iter().filter(|row| row.1) {
        for &(negative, _) in rows.iter().filter(|row| !row.1) {
            pairs += 1.0;
            sum += if positive > negative {
                1.0
            } else if positive == negative {
                0.5
            } else {
                0.0
            };
        }
    }
    (pairs > 0.0).then(|| sum / pairs)
}

fn any_score() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..=1.0,
        (0.0..40.0).prop_map(|octaves: f64| (-octaves).exp2()),
        (0.0..40.0).prop_map(|octaves: f64| 1.0 - (-octaves).exp2()),
        (0_u32..=2048).prop_map(|cell| f64::from(cell) / 2048.0),
    ]
}

proptest! {
    #[test]
    fn a_greater_score_is_never_in_a_lesser_cell(a in any_score(), b in any_score()) {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        prop_assert!(ScoreGrid::cell(low) <= ScoreGrid::cell(high));
    }

    #[test]
    fn a_score_lies_within_its_cell(score in any_score()) {
        let (start, end) = ScoreGrid::bounds(ScoreGrid::cell(score));
        prop_assert!(start <= score && score <= end, "{score} in {start}..{end}");
    }

    #[test]
    fn the_exact_auc_lies_within_the_bound(rows in vec((any_score(), any::<bool>()), 0..60)) {
        let mut counts = ScoreCounts::default();
        rows.iter().for_each(|&(score, positive)| counts.add(score, positive, 1.0));
        match (counts.roc_auc(), exact_auc(&rows)) {
            (Some(auc), Some(exact)) => {
                prop_assert!((auc.value - exact).abs() <= auc.bound + 1e-12, "{auc:?} {exact}");
            }
            (auc, exact) => prop_assert!(auc.is_none() && exact.is_none()),
        }
    }
}

#[test]
fn cells_meet_without_gap_and_are_as_wide_as_said() {
    let mut last = 0.0;
    for cell in 0..ScoreGrid::CELLS {
        let (start, end) = ScoreGrid::bounds(cell);
        assert_eq!(start, last, "cell {cell}");
        let (least, most) = if cell == 0 || cell == ScoreGrid::CELLS - 1 {
            (2_f64.powi(-20), 2_f64.powi(-20))
        } else if start >= 1.0 / 32.0 && end <= 31.0 / 32.0 {
            (1.0 / 2048.0, 1.0 / 2048.0)
        } else {
            let from_end = start.min(1.0 - end);
            (from_end / 128.0, from_end / 64.0)
        };
        // Next to 1 the bounds themselves are rounded.
        assert!(end - start >= least - 2e-16 && end - start <= most + 2e-16, "cell {cell}: {start}..{end}");
        last = end;
    }
    assert_eq!(last, 1.0);
    assert_eq!([0.0, 1.0].map(ScoreGrid::cell), [0, ScoreGrid::CELLS - 1]);
}

#[test]
fn without_both_kinds_there_is_no_auc() {
    let mut counts = ScoreCounts::default();
    assert_eq!(counts.roc_auc(), None);
    counts.add(0.5, true, 1.0);
    assert_eq!(counts.roc_auc(), None);
    counts.add(0.5, false, 1.0);
    assert_eq!(counts.roc_auc(), Some(Bounded { value: 0.5, bound: 0.5 }));
}

#[test]
fn tenths_end_with_one() {
    let mut counts = ScoreCounts::default();
    for score in [0.0, 0.05, 0.1, 0.95, 1.0] {
        counts.add(score, score > 0.5, 2.0);
    }
    let bins = counts.calibration;
    assert_eq!((bins[0].tally.weight, bins[1].tally.weight, bins[9].tally.weight), (4.0, 2.0, 4.0));
    assert_eq!((bins[9].score_sum, bins[9].positive), (3.9, 4.0));
}
