//! References that are stored in the state folder, and tables they are built from.

use std::path::Path;
use std::sync::Arc;

use driftline_evaluate::ReferenceSpec;
use driftline_events::{EventTime, ModelId};
use driftline_store::{ReferenceFolder, StoreError};
use driftline_summary::Reference;
use driftline_tables::{Progress, ReferenceError, Table, TableError, build_reference};

use crate::config::ModelConfig;

/// How the source of a reference starts that `driftline reference` built.
const BY_COMMAND: &str = "driftline reference --from ";
/// How the source of a reference starts that was put.
const BY_REQUEST: &str = "PUT /v1/models/";

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
    /// The settings changed since the stored one was made, and the table at `reference.path` cannot replace it.
    #[error(
        "the stored reference of model {model} does not fit the settings any more: {why}; build it again with \
         `driftline reference --model {model} --from TABLE`"
    )]
    Outdated {
        /// The model.
        model: ModelId,
        /// What does not fit.
        why: String,
        /// Why the table at `reference.path` is no help.
        #[source]
        source: Box<ReferenceFileError>,
    },
    /// A table is no reference for this model.
    #[error(
        "model {model} is compared with its own windows (reference kind {kind:?}), not with a table; \
         for a table, set its reference to kind \"file\" or \"learned\""
    )]
    OwnWindows {
        /// The model.
        model: ModelId,
        /// The kind of its reference.
        kind: &'static str,
    },
}

/// What a reference says of where it came from, if `driftline reference` built it from `tables`.
#[must_use]
pub fn source_by_command<P: AsRef<Path>>(tables: &[P]) -> String {
    format!("{BY_COMMAND}{}", listed(tables))
}

/// What a reference says of where it came from, if it was put for `model`.
#[must_use]
pub fn source_by_request(model: &ModelId) -> String {
    format!("{BY_REQUEST}{model}/reference")
}

/// Checks that a model can be compared with a table at all.
///
/// # Errors
/// [`ReferenceFileError::OwnWindows`] if its reference is taken from its own windows.
pub fn check_takes_table(model: &ModelConfig) -> Result<(), ReferenceFileError> {
    let kind = match &model.reference {
        ReferenceSpec::Trailing { .. } => "trailing",
        ReferenceSpec::Seasonal { .. } => "seasonal",
        ReferenceSpec::Version { .. } => "version",
        _ => return Ok(()),
    };
    Err(ReferenceFileError::OwnWindows { model: model.schema.model().clone(), kind })
}

/// The reference a model starts with.
///
/// Of kind `file`: the stored one, or one built from the table at `reference.path`, which is stored then. One that
/// was built from that table is built again when the path differs or the table is newer; one that
/// `driftline reference` built or that was put wins over the path. Whichever it is, it must fit the model's features,
/// task and positive class; a segment that it does not have is not compared. Of kind `learned`: a stored one that was put or built by command, if it fits;
/// else `None`, and it is learned. `None` for other kinds.
///
/// # Errors
/// [`ReferenceFileError`] that names the file.
pub fn load_or_build(
    model: &ModelConfig,
    references: &ReferenceFolder,
    now: EventTime,
) -> Result<Option<Arc<Reference>>, ReferenceFileError> {
    match &model.reference {
        ReferenceSpec::File { path } => of_file(model, path, references, now).map(Some),
        ReferenceSpec::Learned { .. } => instead_of_learned(model, references),
        _ => Ok(None),
    }
}

fn of_file(
    model: &ModelConfig,
    path: &Path,
    references: &ReferenceFolder,
    now: EventTime,
) -> Result<Arc<Reference>, ReferenceFileError> {
    let id = model.schema.model();
    let Some(stored) = references.load(id)? else {
        tracing::info!(model = %id, path = %path.display(), "Building the reference.");
        return build_and_store(model, path, references, now);
    };
    let is_explicit = is_explicit(&stored);
    let renewed = || outdated(&stored, path).or_else(|| new_segments(model, &stored, path));
    let why = misfit(model, &stored).or_else(|| if is_explicit { None } else { renewed() });
    let Some(why) = why else { return Ok(loaded(model, stored)) };
    tracing::warn!(
        model = %id, path = %path.display(), source = stored.source, why,
        "Building the reference anew, the stored one cannot be used any more."
    );
    build_and_store(model, path, references, now).map_err(|error| match error {
        table @ ReferenceFileError::Table { .. } if is_explicit => {
            ReferenceFileError::Outdated { model: id.clone(), why, source: Box::new(table) }
        }
        other => other,
    })
}

fn instead_of_learned(
    model: &ModelConfig,
    references: &ReferenceFolder,
) -> Result<Option<Arc<Reference>>, ReferenceFileError> {
    let id = model.schema.model();
    let Some(stored) = references.load(id)?.filter(is_explicit) else { return Ok(None) };
    if let Some(why) = misfit(model, &stored) {
        tracing::warn!(
            model = %id, source = stored.source, why,
            "Learning a reference, the stored one cannot be used any more."
        );
        return Ok(None);
    }
    Ok(Some(loaded(model, stored)))
}

fn loaded(model: &ModelConfig, stored: Reference) -> Arc<Reference> {
    let id = model.schema.model();
    tracing::info!(model = %id, rows = stored.rows, source = stored.source, created = %stored.created, "Loaded the reference.");
    Arc::new(stored)
}

fn build_and_store(
    model: &ModelConfig,
    path: &Path,
    references: &ReferenceFolder,
    now: EventTime,
) -> Result<Arc<Reference>, ReferenceFileError> {
    let id = model.schema.model();
    let reference = build(model, &[path], now, &mut |_| {})?;
    references.save(id, &reference)?;
    tracing::info!(model = %id, rows = reference.rows, "Built and stored the reference.");
    Ok(Arc::new(reference))
}

/// Builds a model's reference from tables; its source is their paths.
///
/// # Errors
/// [`ReferenceFileError`] that names the tables.
pub fn build<P: AsRef<Path>>(
    model: &ModelConfig,
    tables: &[P],
    now: EventTime,
    progress: &mut dyn FnMut(Progress),
) -> Result<Reference, ReferenceFileError> {
    let path = listed(tables);
    let table =
        Table::open(tables).map_err(|source| ReferenceFileError::Table { path: path.clone(), source })?;
    for warning in table.warnings(&model.schema, &model.columns) {
        tracing::warn!(model = %model.schema.model(), "{warning}");
    }
    let segment_values = model.options.max_segment_values;
    build_reference(&table, &model.schema, &model.columns, segment_values, now, path.clone(), progress)
        .map_err(|source| ReferenceFileError::Build { path, source })
}

fn listed<P: AsRef<Path>>(tables: &[P]) -> String {
    tables.iter().map(|path| path.as_ref().display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Whether somebody asked for this very reference, rather than for the table at a path.
fn is_explicit(reference: &Reference) -> bool {
    [BY_COMMAND, BY_REQUEST].iter().any(|start| reference.source.starts_with(start))
}

/// Why a reference that was built from a table at a path is not what is at `path` now.
fn outdated(reference: &Reference, path: &Path) -> Option<String> {
    if reference.source != path.display().to_string() {
        return Some("reference.path has changed".to_owned());
    }
    let is_newer = modified(path).is_some_and(|modified| modified > reference.created);
    is_newer.then(|| "the table is newer".to_owned())
}

/// Why a stored reference cannot be used for a model: the configuration may have changed since.
fn misfit(model: &ModelConfig, reference: &Reference) -> Option<String> {
    let (schema, spec) = (&model.schema, &reference.spec);
    let known = spec.features().iter().map(|feature| (&feature.name, feature.kind));
    if !known.eq(schema.features().iter().map(|feature| (&feature.name, feature.kind))) {
        return Some("it has other features".to_owned());
    }
    if spec.task() != schema.task() {
        return Some("it is of another task".to_owned());
    }
    if spec.positive() != schema.positive() {
        return Some("it has another positive class".to_owned());
    }
    None
}

/// Why a reference that was built from a table at a path could have segments that it does not have.
fn new_segments(model: &ModelConfig, reference: &Reference, path: &Path) -> Option<String> {
    let lacks = |tag: &&Arc<str>| !reference.segments.keys().any(|(known, _)| known == *tag);
    let tag = model.schema.segments().iter().find(lacks)?;
    // A table without the tag would only make the same reference again.
    let table = Table::open([path]).ok()?;
    table.has_tag(tag).then(|| format!("it has no segments by {tag}"))
}

/// When a file was last changed; `None` if it is not there.
fn modified(path: &Path) -> Option<EventTime> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since_epoch = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(EventTime::from_millis(i64::try_from(since_epoch.as_millis()).ok()?))
}

#[cfg(test)]
mod tests;
