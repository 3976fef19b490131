//! Bytes to facts, without IO. Parsing never fails: what cannot be read is an oddity, a fact about
//! the node that said it.

pub mod bus;
pub mod cluster_links;
pub mod cluster_nodes;
pub mod cluster_shards;
pub mod cluster_slots;
pub mod info;
pub mod logs;
pub mod nodes_conf;
pub mod redirection;
pub mod resp;

/// The lines of a text, without their ends; a last one that is empty is none.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end)?;
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// A whole number of digits only. `None` when there are none, too many, or others.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    // Nineteen nines fit.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0, |number: u64, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + u64::from(digit))
    })
}
