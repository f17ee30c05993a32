//! Mergeable summaries of the events of one model.
//!
//! Rows are folded into a [`CellSummary`] once; every figure of every window, segment and reference is a function
//! of merged summaries. Summaries hold counts and sums only: merging is commutative and associative, an empty
//! summary changes nothing, and what labels need can be taken back.
//!
//! A [`SummarySpec`] says what the cells of a summary are: grids and categories that come from a reference. Only
//! summaries of the same spec merge.
//!
//! Pure: no clock, file, socket, environment or log.

#[cfg(test)]
mod alike;
mod categorical;
mod categories;
mod cell;
mod cells;
mod classification;
mod codec;
mod columns;
mod counts;
mod grid;
mod measure;
mod moments;
mod numeric;
mod outcome;
mod outcomes;
mod packed;
mod rare;
mod reference;
mod regression;
mod score_counts;
mod shared;
mod sketch;
mod spec;
mod tally;
mod traffic;

pub use categorical::CategoricalSummary;
pub use categories::{Categories, Category, MAX_CATEGORIES};
pub use cell::{CellSummary, FeatureSummary, MergeError};
pub use cells::Cells;
pub use classification::{Classification, MAX_CLASSES, OTHER_CLASS};
pub use codec::DecodeError;
pub use columns::FoldError;
pub use driftline_events::Task;
pub use grid::{GRID_QUANTILES, Grid, GridError};
pub use measure::Measure;
pub use moments::{Extremes, Moments};
pub use numeric::{GridsDiffer, NumericSummary};
pub use outcome::{Actual, ClassScores, Outcome, Predicted};
pub use outcomes::{Outcomes, Performance};
pub use rare::RareTally;
pub use reference::{Reference, SegmentKey};
pub use regression::Regression;
pub use score_counts::{Bounded, CALIBRATION_BINS, CalibrationBin, ScoreCounts, ScoreGrid};
pub use shared::Shared;
pub use sketch::DdSketch;
pub use spec::{FeatureSpec, Reducer, SpecParts, SummarySpec};
pub use tally::Tally;
pub use traffic::{Load, Status, Traffic};
