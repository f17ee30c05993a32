//! Event time: panes, named windows, the watermark, and the label join.
//!
//! Batches of one model go in ([`Windower::push_predictions`], [`Windower::push_labels`]); they are cut by pane,
//! version and segment and folded into summaries. Out come the windows that are due ([`Windower::due`]), merged
//! from panes ([`Windower::summarise`]).
//!
//! What holds:
//! - Order does not matter within the retention: the same events in any order give the same panes.
//! - An id is folded once, and the latest word on its label by event time holds.
//! - A window is evaluated when the watermark passes its end, and again after any change.
//!
//! Pure: no clock. Where idleness matters the caller says what time it is.

mod closing;
mod config;
mod error;
mod join;
mod key;
mod labels;
mod learning;
mod panes;
mod schedule;
mod slice;
mod state;
mod watermark;
mod windower;

pub use config::{TimeOptions, TimeSpec, WindowConfigError, WindowOptions, WindowSpec};
pub use error::WindowError;
pub use join::{Expired, IdKey, MemoryPending, Pending, PendingError, PendingStore, Word};
pub use key::{CellKey, CellSet, OTHER};
pub use labels::Labelled;
pub use panes::PaneKey;
pub use schedule::Due;
pub use slice::{earliest, slice_by_pane};
pub use state::RestoreError;
pub use windower::{Grids, Pushed, Refused, Sizes, WindowSummary, Windower};
