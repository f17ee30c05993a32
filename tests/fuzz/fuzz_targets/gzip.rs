//! Any bytes as gzip.
#![no_main]

use driftline_events::{Carrier, Encoding, Limits, decompress};
use driftline_fuzz::decode;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let mut limits = Limits::default();
    limits.decompressed_bytes = 1 << 20;
    if let Ok(plain) = decompress(payload, Encoding::Gzip, &limits) {
        assert!(plain.len() <= limits.decompressed_bytes);
        decode(&plain, Carrier::Json);
    }
});
