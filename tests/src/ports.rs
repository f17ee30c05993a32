//! Loopback ports for servers that cannot bind port 0, or that come back on the port they had.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that the system hands out. A client that tries again and again to reach a server that is down
/// could be given the server's own port to connect from, and then be connected to itself.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port that nothing listens on, not given out before by this process. Another process may take it before it is
/// used: whoever starts a server on it tries again with another.
///
/// # Panics
/// If there is no free port.
#[must_use]
pub fn free() -> u16 {
    // Test programs that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("the last port is below 65,536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT);
}
