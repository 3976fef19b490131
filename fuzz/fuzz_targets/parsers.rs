//! All parsers under coverage guidance: the first byte chooses which.
//!
//! `cargo +nightly fuzz run parsers`. The same targets run as a plain loop by `cargo xtask fuzz`.
#![no_main]

#[path = "../../xtask/src/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((choice, input)) = bytes.split_first() {
        (targets::ALL[usize::from(*choice) % targets::ALL.len()].run)(input);
    }
});
