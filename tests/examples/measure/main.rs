//! Measures the service on this machine: `scripts/reliability` and `scripts/soak` run it.
//!
//! ```text
//! measure http [always|interval]     events a second over HTTP, by when the journal is durable
//! measure kafka                      events a second from Kafka
//! measure recovery [EVENTS]          time to start after a crash, with and without a recent checkpoint
//! measure soak [SECONDS]             memory at 80 % of the capacity that it measures first; fails if it grows
//! ```

mod load;
mod runs;
mod soak;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |otherwise: u64| match arguments.get(1) {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{text:?} is no number")),
        None => otherwise,
    };
    match arguments.first().map(String::as_str) {
        Some("http") => runs::http(arguments.get(1).map_or("always", String::as_str)).await,
        Some("kafka") => runs::kafka(number(2_000_000)).await,
        Some("recovery") => runs::recovery(number(10_000_000)).await,
        Some("soak") => soak::soak(number(600)).await,
        other => panic!("{other:?}: write http, kafka, recovery or soak"),
    }
}
