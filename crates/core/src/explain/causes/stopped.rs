//! Nodes that refuse connections: they are up as machines, and their processes are not running.

use crate::explain::seen::Seen;
use crate::explain::table::Row;

/// A line that tells that the place was dialled and refused, at most two lines below the dialling.
fn refused(seen: &Seen, row: &Row) -> Option<usize> {
    let place = row.place();
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        line.text.contains(&place).then_some(())?;
        let near = seen.lines.get(at..(at + 3).min(seen.lines.len()))?;
        let refused = near.iter().position(|line| line.lower.contains("connection refused"))?;
        Some(at + refused)
    })
}

/// Whether a node that a table flags as failing refuses connections.
pub(in crate::explain) fn somebody(seen: &Seen) -> bool {
    seen.failing().into_iter().any(|row| refused(seen, row).is_some())
}

/// The first of these nodes that refuses connections, and the line that says so.
pub(super) fn first(seen: &Seen, down: &[&Row]) -> Option<(String, usize)> {
    down.iter().find_map(|row| Some((row.place(), refused(seen, row)?)))
}
