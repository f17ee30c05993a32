//! Counting the rows of a long column.

/// Counters of each cell, which values take by turns: one that was just written cannot be read again at once, and in many
/// columns most values are in one cell.
const TURNS: usize = 4;

/// Rows per cell, counted apart from the weights until there are many.
#[derive(Debug)]
pub(crate) struct Counts {
    cells: Vec<[u16; TURNS]>,
    rows: usize,
}

impl Counts {
    /// Rows that may be counted between two times that the counts are taken out.
    pub(crate) const MOST: usize = u16::MAX as usize;

    /// No rows, of this many cells.
    pub(crate) fn new(cells: usize) -> Self {
        Self { cells: vec![[0; TURNS]; cells], rows: 0 }
    }

    /// Whether any rows are counted.
    pub(crate) const fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Whether so many more can be counted.
    pub(crate) const fn has_room(&self, rows: usize) -> bool {
        self.rows + rows <= Self::MOST
    }

    /// What counts the next so many rows: it is called with a row's position and its cell.
    pub(crate) fn counter(&mut self, rows: usize) -> impl FnMut(usize, usize) {
        self.rows += rows;
        |position, cell| self.cells[cell][position % TURNS] += 1
    }

    /// Adds the rows to the weights of the cells, and forgets them.
    pub(crate) fn take_into(&mut self, weights: &mut [f64]) {
        for (weight, turns) in weights.iter_mut().zip(&mut self.cells) {
            let rows: u32 = turns.iter().map(|&rows| u32::from(rows)).sum();
            *turns = [0; TURNS];
            *weight = plus(*weight, rows);
        }
        self.rows = 0;
    }
}

/// What adding one so many times gives, to the last bit.
fn plus(weight: f64, ones: u32) -> f64 {
    /// From here on there are no halves.
    const EXACT: f64 = (1_u64 << 52) as f64;
    if weight < EXACT && (weight as u64) as f64 == weight {
        return weight + f64::from(ones);
    }
    (0..ones).fold(weight, |weight, _| weight + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_adding_one_by_one() {
        let cells = [0, 3, 3, 3, 1, 3, 0, 3, 3, 2, 3];
        let start = [0.0, 0.1, 2.0, 1e16, 0.7];
        let mut expected = start;
        cells.iter().for_each(|&cell| expected[cell] += 1.0);
        let (mut got, mut counts) = (start, Counts::new(start.len()));
        let mut count = counts.counter(cells.len());
        cells.iter().enumerate().for_each(|(position, &cell)| count(position, cell));
        drop(count);
        counts.take_into(&mut got);
        assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits));
        counts.take_into(&mut got);
        assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits));
    }

    #[test]
    fn weights_that_are_not_whole_are_rounded_each_time() {
        for weight in [0.1, 0.92, 7.3, 1e15 + 0.125, (1_u64 << 53) as f64, f64::MAX] {
            let expected = (0..1000).fold(weight, |weight, _| weight + 1.0);
            assert_eq!(plus(weight, 1000).to_bits(), expected.to_bits(), "{weight}");
        }
        assert_ne!(plus(0.92, 1000), 0.92 + 1000.0);
    }

    #[test]
    fn there_is_room_for_as_many_as_a_counter_holds() {
        let mut counts = Counts::new(1);
        assert!(counts.has_room(Counts::MOST) && !counts.has_room(Counts::MOST + 1));
        let mut count = counts.counter(Counts::MOST);
        // All in one turn, which is the worst there is.
        (0..Counts::MOST).for_each(|_| count(0, 0));
        drop(count);
        assert!(!counts.has_room(1));
        let mut weights = [1.0];
        counts.take_into(&mut weights);
        assert_eq!(weights, [65_536.0]);
        assert!(counts.has_room(Counts::MOST));
    }
}
