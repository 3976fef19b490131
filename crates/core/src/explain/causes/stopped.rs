//! Nodes that refuse connections: they are up as machines, and their processes are not running.

use crate::explain::cause::Hit;
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

/// What a refusal says of a majority that is gone: stopped, not cut off.
pub(super) fn not_cut_off(seen: &Seen, down: &[&Row], hit: Hit) -> Hit {
    let refusals = down.iter().find_map(|row| Some((row.place(), refused(seen, row)?)));
    let Some((place, at)) = refusals else { return hit };
    hit.more_if(8, true)
        .quote(at)
        .fact("stopped", place.clone())
        .note(format!(
            "'Connection refused' from {place} comes from a machine that is reached and on which no \
             process listens: the node was stopped or died, and no network is split there. With half \
             of the primaries or more gone at once nobody may be promoted, by design; one at a time, \
             each with its election in between, would have worked."
        ))
        .check(format!(
            "ps (or the service manager) on the machine of {place}: no server runs at that port. \
             The others that are flagged: refused as well, or no answer at all?"
        ))
        .step("Start the primaries that were stopped, with their own files; one of them may be enough \
               for a majority, and the rest is then elected or comes back.")
        .step(
            "Those that cannot come back: CLUSTER FAILOVER TAKEOVER on the best replica of each, one \
             at a time, after making sure that the old primary is really off and that no supervisor \
             starts it again.",
        )
        .step(
            "For good: stop one node after the other and wait until its replica has taken over; place \
             the primaries so that no machine, rack or site holds half of them or more.",
        )
        .only_these_steps()
}
