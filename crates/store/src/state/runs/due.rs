//! Which runs are merged, and when.

use std::ops::Range;

/// So many runs of one size become one of the next. A new id is looked for in the filter of each run: with eight in the
/// place of four there are twice as many, and each entry is written a third less often.
const RUNS: usize = 4;
/// What counts as the smallest size.
const SMALL_BYTES: u64 = 64 << 10;
/// Runs above this stay as they are until they are too old.
const LARGE_BYTES: u64 = 2 << 30;

fn tier(bytes: u64) -> u32 {
    (bytes / SMALL_BYTES).max(1).ilog(RUNS as u64)
}

/// Of runs with these lengths, the oldest first, those that are to be merged: enough of one size, with the smaller ones
/// behind them. So each entry is written once for each size, and there are never many runs.
pub(super) fn due(bytes: &[u64]) -> Option<Range<usize>> {
    let begin = bytes.iter().rposition(|bytes| *bytes > LARGE_BYTES).map_or(0, |large| large + 1);
    (0..=tier(LARGE_BYTES)).find_map(|size| {
        let larger = bytes[begin..].iter().rposition(|bytes| tier(*bytes) > size);
        let from = larger.map_or(begin, |larger| begin + larger + 1);
        let of_size = bytes[from..].iter().filter(|bytes| tier(**bytes) == size).count();
        (of_size >= RUNS).then_some(from..bytes.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_size_become_one_and_each_entry_is_seldom_written() {
        let (mut runs, mut written, mut most) = (Vec::<u64>::new(), 0, 0);
        for _ in 0..4_096 {
            runs.push(1 << 20);
            while let Some(range) = due(&runs) {
                let merged: u64 = runs[range.clone()].iter().sum();
                written += merged;
                runs.splice(range, [merged]);
            }
            most = most.max(runs.len());
        }
        assert_eq!(runs.iter().sum::<u64>(), 4_096 << 20);
        assert!(most <= 6 * (RUNS - 1) + 2, "{most}");
        assert!(written <= 6 * (4_096 << 20), "{written}");
        assert_eq!(due(&[3 << 30; 40]), None);
        assert_eq!(due(&[1, 3 << 30, 9, 9, 9, 9, 9, 9, 9, 9]), Some(2..10));
    }
}
