//! Any bytes as gzip.
#![no_main]

use driftline_events::{Carrier, Encoding, Limits, decompress};
use driftline_fuzz::decode;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let limits = Limits { decompressed_bytes: 1 << 20, ..Limits::default() };
    if let Ok(plain) = decompress(payload, Encoding::Gzip, &limits) {
        assert!(plain.len() <= limits.decompressed_bytes);
        decode(&plain, Carrier::Json);
    }
});
