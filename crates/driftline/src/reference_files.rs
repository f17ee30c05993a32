//! References that are stored in the state folder, and tables they are built from.

use std::path::Path;
use std::sync::Arc;

use driftline_evaluate::ReferenceSpec;
use driftline_events::EventTime;
use driftline_store::{ReferenceFolder, StoreError};
use driftline_summary::Reference;
use driftline_tables::{Progress, ReferenceError, Table, TableError, build_reference};

use crate::config::ModelConfig;

/// Why a reference cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceFileError {
    /// The stored one cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table cannot be opened.
    #[error("cannot read the table {path}")]
    Table {
        /// The table.
        path: String,
        /// Why not.
        #[source]
        source: TableError,
    },
    /// The table makes no reference.
    #[error("the table {path} makes no reference")]
    Build {
        /// The table.
        path: String,
        /// Why not.
        #[source]
        source: ReferenceError,
    },
}

/// The reference of a model whose kind is `file`: the stored one, or one built from the table, which is stored then.
/// A table that is newer than what is stored is read again. `None` for other kinds.
///
/// # Errors
/// [`ReferenceFileError`] that names the file.
pub fn load_or_build(
    model: &ModelConfig,
    references: &ReferenceFolder,
    now: EventTime,
) -> Result<Option<Arc<Reference>>, ReferenceFileError> {
    let ReferenceSpec::File { path } = &model.reference else { return Ok(None) };
    let id = model.schema.model();
    if let Some(stored) = references.load(id)?
        && modified(path).is_none_or(|modified| modified <= stored.created)
        && fits(model, &stored)
    {
        tracing::info!(model = %id, rows = stored.rows, source = stored.source, created = %stored.created, "Loaded the reference.");
        return Ok(Some(Arc::new(stored)));
    }
    tracing::info!(model = %id, path = %path.display(), "Building the reference.");
    let reference = build(model, std::slice::from_ref(path), now, &mut |_| {})?;
    references.save(id, &reference)?;
    tracing::info!(model = %id, rows = reference.rows, "Built and stored the reference.");
    Ok(Some(Arc::new(reference)))
}

/// Builds a model's reference from tables.
///
/// # Errors
/// [`ReferenceFileError`] that names the tables.
pub fn build<P: AsRef<Path>>(
    model: &ModelConfig,
    tables: &[P],
    now: EventTime,
    progress: &mut dyn FnMut(Progress),
) -> Result<Reference, ReferenceFileError> {
    let path = tables.iter().map(|path| path.as_ref().display().to_string()).collect::<Vec<_>>().join(", ");
    let table =
        Table::open(tables).map_err(|source| ReferenceFileError::Table { path: path.clone(), source })?;
    for warning in table.warnings(&model.schema, &model.columns) {
        tracing::warn!(model = %model.schema.model(), "{warning}");
    }
    let segment_values = model.options.max_segment_values;
    build_reference(&table, &model.schema, &model.columns, segment_values, now, path.clone(), progress)
        .map_err(|source| ReferenceFileError::Build { path, source })
}

/// Whether a stored reference has the model's features: the configuration may have changed since.
fn fits(model: &ModelConfig, reference: &Reference) -> bool {
    let known = reference.spec.features().iter().map(|feature| (&feature.name, feature.kind));
    known.eq(model.schema.features().iter().map(|feature| (&feature.name, feature.kind)))
        && reference.spec.task() == model.schema.task()
        && reference.spec.positive() == model.schema.positive()
}

/// When a file was last changed; `None` if it is not there.
fn modified(path: &Path) -> Option<EventTime> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since_epoch = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(EventTime::from_millis(i64::try_from(since_epoch.as_millis()).ok()?))
}
