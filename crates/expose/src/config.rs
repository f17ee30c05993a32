//! How much is shown.

use serde::{Deserialize, Serialize};

/// The `[expose]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExposeOptions {
    /// Series of window statistics that `/metrics` has at most (default 20,000: some 500 features in one window,
    /// and an easy scrape for a small Prometheus).
    pub max_series: usize,
}

impl Default for ExposeOptions {
    fn default() -> Self {
        Self { max_series: 20_000 }
    }
}

/// Checked [`ExposeOptions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposeSpec {
    pub(crate) max_series: usize,
}

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExposeSpecError {
    /// More series than one scrape can be expected to carry.
    #[error("max_series is {max_series}, it must be 1000000 at most")]
    TooManySeries {
        /// Its value.
        max_series: usize,
    },
}

impl TryFrom<ExposeOptions> for ExposeSpec {
    type Error = ExposeSpecError;

    fn try_from(options: ExposeOptions) -> Result<Self, Self::Error> {
        let ExposeOptions { max_series } = options;
        if max_series > 1_000_000 {
            return Err(ExposeSpecError::TooManySeries { max_series });
        }
        Ok(Self { max_series })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_bounds() {
        let options: ExposeOptions = toml::from_str("").unwrap();
        assert_eq!(ExposeSpec::try_from(options).unwrap().max_series, 20_000);
        let options: ExposeOptions = toml::from_str("max_series = 1000001").unwrap();
        assert_eq!(
            ExposeSpec::try_from(options),
            Err(ExposeSpecError::TooManySeries { max_series: 1_000_001 })
        );
    }
}
