//! Window reports as a flat Arrow table.

use std::sync::Arc;

use arrow::error::ArrowError;
use driftline_evaluate::WindowReport;

pub(crate) fn stream(reports: &[Arc<WindowReport>], next: Option<&str>) -> Result<Vec<u8>, ArrowError> {
    let _ = (reports, next);
    Ok(Vec::new())
}
