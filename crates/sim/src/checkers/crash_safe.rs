//! Written down first, and readable whatever was torn.
//!
//! That a run which was killed at any record is followed by one that ends as it must is tried by
//! [`crate::prefixes`], with all other checkers on.

use slotwright_core::journal::{Entry, encode, read};

/// A step is sent, and the last thing written down is not that it begins.
pub fn not_written_first(journal: &[Entry], step: usize) -> Option<String> {
    let written = matches!(journal.last(), Some(Entry::StepBegun { step: at }) if *at == step);
    (!written).then(|| format!("crash safe: step {step} is sent and not written down"))
}

/// How much was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tears {
    /// Prefixes that end with a whole record.
    pub boundaries: u64,
    /// Records that were cut off at some byte.
    pub torn: u64,
}

/// Reads every prefix of a journal that ends with a whole record, and every byte-truncation of each
/// record.
///
/// A torn record is read behind the first one: what a line is does not depend on those between.
///
/// # Errors
/// What is read otherwise than it was written, in words.
pub fn read_every_prefix(journal: &[Entry]) -> Result<Tears, String> {
    let lines: Vec<Vec<u8>> =
        journal.iter().map(encode).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let mut tears = Tears::default();
    let mut whole = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for cut in 1..line.len() {
            let first = if at == 0 { &[][..] } else { &lines[0][..] };
            let found = read(&[first, &line[..cut]].concat());
            tears.torn += 1;
            let expected = &journal[..usize::from(at > 0)];
            if found.entries != expected || found.sound_bytes != first.len() {
                return Err(format!("record {at} cut off at byte {cut} is read as whole"));
            }
            if found.damage.is_none() {
                return Err(format!("record {at} cut off at byte {cut} is no damage"));
            }
        }
        whole.extend_from_slice(line);
        let found = read(&whole);
        tears.boundaries += 1;
        if let Some(damage) = found.damage {
            return Err(format!("the first {} records: {damage}", at + 1));
        }
        if found.entries != journal[..=at] {
            return Err(format!("the first {} records are read otherwise", at + 1));
        }
    }
    Ok(tears)
}
