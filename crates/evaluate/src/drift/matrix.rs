//! Square matrices, multiplied a few columns at a time.

/// Columns whose sums are kept in registers while the rows go by.
const LANES: usize = 8;

/// A square matrix by rows, each filled up with zeros to whole lanes.
pub(super) struct Matrix {
    size: usize,
    /// Lanes of a row.
    width: usize,
    entries: Vec<[f64; LANES]>,
}

impl Matrix {
    pub(super) fn zeros(size: usize) -> Self {
        let width = size.div_ceil(LANES);
        Self { size, width, entries: vec![[0.0; LANES]; size * width] }
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.entries[row * self.width..][..self.width].as_flattened()[..self.size]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.entries[row * self.width..][..self.width].as_flattened_mut()[..self.size]
    }

    pub(super) fn scale(&mut self, factor: f64) {
        self.entries.as_flattened_mut().iter_mut().for_each(|entry| *entry *= factor);
    }

    /// This matrix times itself.
    pub(super) fn squared(&self) -> Self {
        let mut product = Self::zeros(self.size);
        for (row, sums) in product.entries.chunks_exact_mut(self.width).enumerate() {
            self.multiply(self.row(row), sums);
        }
        product
    }

    /// A row times this matrix.
    pub(super) fn times_row(&self, row: &[f64]) -> Vec<f64> {
        let mut product = vec![[0.0; LANES]; self.width];
        self.multiply(row, &mut product);
        product.as_flattened()[..self.size].to_vec()
    }

    fn multiply(&self, row: &[f64], product: &mut [[f64; LANES]]) {
        for (column, sums) in product.iter_mut().enumerate() {
            let mut lanes = [0.0; LANES];
            for (factor, entries) in row.iter().zip(self.entries.chunks_exact(self.width)) {
                let entries = &entries[column];
                for lane in 0..LANES {
                    lanes[lane] += factor * entries[lane];
                }
            }
            *sums = lanes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sums_of_products() {
        let mut matrix = Matrix::zeros(10);
        for row in 0..10 {
            for column in 0..10 {
                matrix.row_mut(row)[column] = ((10 * row + column + 1) % 7) as f64;
            }
        }
        let naive = |row: usize| -> Vec<f64> {
            let entry = |column: usize| (0..10).map(|at| matrix.row(row)[at] * matrix.row(at)[column]).sum();
            (0..10).map(entry).collect()
        };
        for row in 0..10 {
            assert_eq!(matrix.squared().row(row), naive(row));
            assert_eq!(matrix.times_row(matrix.row(row)), naive(row));
        }
        matrix.scale(0.5);
        assert_eq!(matrix.row(0)[..3], [0.5, 1.0, 1.5]);
    }
}
