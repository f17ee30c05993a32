//! Any bytes as an Arrow IPC stream.
#![no_main]

use driftline_events::Carrier;
use driftline_fuzz::decode;

libfuzzer_sys::fuzz_target!(
    // The decoder catches the panics of the Arrow reader. The fuzzer's hook would end the run at the first one;
    // without it a panic that nobody catches still does.
    init: drop(std::panic::take_hook()),
    |payload: &[u8]| decode(payload, Carrier::ArrowStream)
);
