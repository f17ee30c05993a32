//! What the system tests share.

pub mod census;
pub mod compare;
pub mod service;
