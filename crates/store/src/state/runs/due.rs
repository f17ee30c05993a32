//! Which runs are merged, and when.

use std::ops::Range;

/// So many runs of one size become one of the next. A new id is looked for in the filter of each run: with eight in the
/// place of four there are twice as many, and each entry is written a third less often.
const RUNS: usize = 4;
/// What counts as the smallest size. Runs below four times of it are cheaper to write again than to look into each.
const SMALL_BYTES: u64 = 1 << 20;
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

    /// Runs that came one by one and were merged: those that are left, the most that there were, and what was written.
    fn merged(number: usize, bytes: u64) -> (Vec<u64>, usize, u64) {
        let (mut runs, mut written, mut most) = (Vec::<u64>::new(), 0, 0);
        for _ in 0..number {
            runs.push(bytes);
            while let Some(range) = due(&runs) {
                let merged: u64 = runs[range.clone()].iter().sum();
                written += merged;
                runs.splice(range, [merged]);
            }
            most = most.max(runs.len());
        }
        (runs, most, written)
    }

    #[test]
    fn runs_of_one_size_become_one_and_each_entry_is_seldom_written() {
        let (runs, most, written) = merged(4_096, 1 << 20);
        assert_eq!(runs.iter().sum::<u64>(), 4_096 << 20);
        assert!(most <= 6 * (RUNS - 1) + 2, "{most}");
        assert!(written <= 6 * (4_096 << 20), "{written}");
        assert_eq!(due(&[3 << 30; 40]), None);
        assert_eq!(due(&[1, 3 << 30, 9, 9, 9, 9, 9, 9, 9, 9]), Some(2..10));
    }

    #[test]
    fn small_runs_are_few_and_what_is_written_for_one_is_bounded() {
        let number = 1_024;
        let (runs, most, written) = merged(number, 16 << 10);
        assert_eq!(runs.iter().sum::<u64>(), 16 << 20);
        assert!(most <= 2 * (RUNS - 1) + 1, "{most}");
        assert!(written <= number as u64 * SMALL_BYTES, "{written}");
    }
}
