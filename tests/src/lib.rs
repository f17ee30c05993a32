//! What the system tests share.

pub mod census;
pub mod child;
pub mod compare;
pub mod kafka;
pub mod ports;
pub mod service;
