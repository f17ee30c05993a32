//! What the system tests share.

pub mod api;
pub mod census;
pub mod child;
pub mod compare;
pub mod compose;
pub mod dashboards;
pub mod kafka;
pub mod ledger;
pub mod ports;
pub mod process;
pub mod python;
pub mod receiver;
pub mod reports;
pub mod sending;
pub mod service;
pub mod stack;
pub mod steady;
pub mod traffic;

/// A number from the environment, or what it is without.
///
/// # Panics
/// If it is no number.
#[must_use]
pub fn number_from(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text:?} is no number")),
        Err(_) => otherwise,
    }
}
