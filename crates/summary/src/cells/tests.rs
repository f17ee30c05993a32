#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn cells_of(adds: &[(usize, u32)]) -> Cells {
    let mut cells = Cells::new(80);
    adds.iter().for_each(|&(cell, quarters)| cells.add(cell, f64::from(quarters) / 4.0));
    cells
}

/// Quarters, or whole weights, which alone can be packed.
fn adds() -> impl Strategy<Value = Vec<(usize, u32)>> {
    // Up to 25 cells of 80: both sides of the change of form.
    let quarters = vec((0_usize..80, 0_u32..12), 0..25);
    let whole = vec((0_usize..80, (0_u32..5).prop_map(|weight| 4 * weight)), 0..25);
    prop_oneof![quarters, whole]
}

proptest! {
    #[test]
    fn form_makes_no_difference(a in adds(), b in adds()) {
        let (left, right) = (cells_of(&a), cells_of(&b));
        let both = cells_of(&[&a[..], &b].concat());
        let mut dense = [left.clone(), right.clone()];
        dense.iter_mut().for_each(|cells| { cells.dense_mut(); });
        let mut packed = [left.clone(), dense[1].clone()];
        packed.iter_mut().for_each(Cells::pack);
        prop_assert_eq!((&packed[0], &packed[1]), (&left, &right));
        for mine in [&left, &dense[0], &packed[0]] {
            for theirs in [&right, &dense[1], &packed[1]] {
                let mut sum = mine.clone();
                sum.merge(theirs);
                prop_assert_eq!(&sum, &both);
                prop_assert_eq!(sum.to_dense(), both.to_dense());
                sum.subtract(theirs);
                prop_assert_eq!(&sum, &left);
            }
        }
        let mut packed = both.clone();
        packed.pack();
        prop_assert_eq!(packed.to_dense(), both.to_dense());
        for cell in 0..81 {
            prop_assert_eq!(both.get(cell), both.to_dense().get(cell).copied().unwrap_or(0.0));
            prop_assert_eq!(packed.get(cell), both.get(cell));
        }
    }

    #[test]
    fn storing_keeps_the_weights(a in adds()) {
        let cells = cells_of(&a);
        let stored = postcard::to_stdvec(&cells).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Cells>(&stored).unwrap(), cells);
    }
}

#[test]
fn the_dense_form_is_taken_above_one_in_eight() {
    let of = |occupied: usize| cells_of(&(0..occupied).map(|cell| (cell, 4)).collect::<Vec<_>>());
    assert!(!of(10).is_dense());
    assert!(of(11).is_dense());
}

#[test]
fn a_stored_cell_beyond_the_last_or_without_weight_is_refused() {
    for (gap, weight) in [(2_u32, 1.0), (0, 0.0), (0, f64::NAN), (0, -1.0)] {
        let stored = postcard::to_stdvec(&(2_u32, vec![(gap, pack(weight))])).unwrap();
        assert!(postcard::from_bytes::<Cells>(&stored).is_err(), "{gap} {weight}");
    }
}

#[test]
fn what_rounding_leaves_is_nothing() {
    let mut cells = Cells::new(1);
    (0..10).for_each(|_| cells.add(0, 0.1));
    (0..10).for_each(|_| cells.retract(0, 0.1));
    assert!(cells.is_empty(), "{cells:?}");
}

#[test]
fn whole_weights_are_packed_until_they_are_changed() {
    let mut cells = cells_of(&[(3, 4), (70, 8)]);
    cells.pack();
    assert!(matches!(&cells.store, Store::Packed(entries) if **entries == [(3, 1), (70, 2)]), "{cells:?}");
    cells.add(4, 0.5);
    cells.pack();
    assert!(matches!(&cells.store, Store::Sparse(_)), "{cells:?}");
    cells.retract(4, 0.5);
    cells.add(70, 65_534.0);
    cells.pack();
    assert!(matches!(&cells.store, Store::Sparse(_)), "65,536 does not fit: {cells:?}");
    cells.retract(70, 1.0);
    cells.pack();
    assert!(matches!(&cells.store, Store::Packed(entries) if entries[1] == (70, u16::MAX)), "{cells:?}");
}
