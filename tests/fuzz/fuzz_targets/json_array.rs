//! Any bytes inside a JSON array.
#![no_main]

use driftline_events::Carrier;
use driftline_fuzz::decode;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| decode(&[&b"["[..], payload, b"]"].concat(), Carrier::Json));
