//! Driftline: the command line, the configuration, and the wiring of all stages.
//!
//! ```text
//! source -> events -> window -> summary -> evaluate -> expose        (store beside)
//! ```

mod admin;
mod alert_routes;
mod backup;
pub mod config;
pub mod documents;
mod durability;
pub mod engine;
mod pipeline;
mod read_model;
pub mod reference_files;
mod registry;
pub mod replay;
pub mod schemas;
mod service;
pub mod state_folder;
mod status;

pub use admin::openapi_document;
pub use alert_routes::ModelAlerts;
pub use backup::{Backup, BackupError, backup};
pub use durability::{DurabilitySnapshot, EntryError, Health, JournalTaskError, Recovery};
pub use pipeline::{AlertChange, MailboxError, OutboxError, PipelineHandle, Stopped};
pub use service::{Service, ServiceError, Surroundings, now, system_clock};
pub use status::Published;
