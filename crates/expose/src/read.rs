//! The read API: models, windows, comparisons.

mod error;
mod model;
mod query;
mod routes;
mod table;

pub use error::{Failure, ReadError};
pub use model::{BoxFuture, ModelDetail, ModelOrigin, ModelOverview, Page, ReadModel};
pub use query::{CompareQuery, Period, ReferencePeriod, SegmentFilter, WindowsQuery};
pub use routes::{read_openapi, read_router};
