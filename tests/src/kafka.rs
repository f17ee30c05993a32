//! A real Apache Kafka broker for the tests, and what they send to it and read from it.

mod broker;
mod client;
mod load;

pub use broker::Broker;
pub use client::{Client, Message, Record};
pub use load::{Load, Sending, Topics};
