//! One file for each verb.

pub mod check;
mod codes;
pub mod explain;
pub mod failure;
pub mod journal;
pub mod lab;
pub mod papers;
pub mod plan;
pub mod recover;
mod rehearse;
pub mod target;
pub mod verify;

use std::io::Read as _;
use std::path::Path;

use failure::Failure;
use slotwright_core::limits::PASTE_BYTES_MAX;

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What help looks like: how it is called and examples first, every flag after them.
pub const EXAMPLES_FIRST: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}";

/// A file as text; `-` is standard input. Bytes that are no UTF-8 are replaced: evidence is read
/// as far as it goes. No more is read than [`PASTE_BYTES_MAX`] and a little.
fn input(file: &Path) -> Result<String, Failure> {
    let wrong = |error: std::io::Error| {
        // A URI given in place of a file may hold a password.
        let name = target::without_login(&file.display().to_string());
        Failure::Environment(format!("cannot read {name}: {error}"))
    };
    let limit = PASTE_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    } else {
        let file = std::fs::File::open(file).map_err(wrong)?;
        file.take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
