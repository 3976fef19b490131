//! A lost majority: whether the processes are down or cut off, who still has the data, and how few
//! are needed.

use super::stopped;
use crate::explain::cause::Hit;
use crate::explain::figures::places;
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::explain::template::list;

/// Signs that processes were ended.
const STOPPED: &[&str] = &[
    "systemctl stop",
    "docker stop",
    "compose stop",
    "stopped at the same time",
    "were stopped",
    "powered off",
    "shut down",
];

/// Adds what the table says of the dead primaries and their replicas.
pub(super) fn fitted(seen: &Seen, owners: &[&Row], down: &[&Row], hit: Hit) -> Hit {
    let heirs: Vec<&Row> = down.iter().filter_map(|dead| heir(seen, dead)).collect();
    let hit = if heirs.is_empty() {
        hit
    } else {
        hit.quotes(heirs.iter().map(|row| row.line).take(2)).note(format!(
            "Replicas of them live and have the data ({}), but none can be elected without the \
             majority's votes: the cluster stays down by design, and waiting changes nothing.",
            list(&places(heirs.iter().copied()), 4)
        ))
    };
    let left = owners.len() - down.len();
    let need = (owners.len() / 2 + 1).saturating_sub(left);
    let names = list(&places(down.iter().copied()), 6);
    let more = heirs.len() == down.len() && need < down.len();
    let rest = if more {
        "; the replicas of those that are still away are then elected by themselves"
    } else {
        ""
    };
    let hit = hit.step(format!(
        "Start the dead primaries ({names}) with their own files. {need} of them {} enough for a \
         majority{rest}.",
        if need == 1 { "is" } else { "are" }
    ));
    let told = || Some((seen.lines_with(STOPPED).first().copied()?, TOLD.to_owned()));
    let refused = stopped::first(seen, down).map(|(place, at)| {
        let says = format!(
            "'Connection refused' from {place} comes from a machine that is reached and on which \
             no process listens: it was stopped or died, and no network is split there."
        );
        (at, says)
    });
    let Some((at, says)) = refused.or_else(told) else { return hit.fact("either", EITHER) };
    hit.more_if(8, true)
        .quote(at)
        .note(says)
        .step(COME_BACK)
        .step(
            "For good: no machine, rack or site with half of the primaries or more; and primaries \
             are stopped one at a time, each after its replica took over and is ok.",
        )
        .only_these_steps()
}

/// What a lost majority may be where nothing tells.
const EITHER: &str = "That is either a real loss of those nodes or a partition in which this side is \
    the smaller part.";

const TOLD: &str = "It is no partition: it is told that they were stopped, so the machines answer and \
    the processes do not run.";

const COME_BACK: &str = "Those that cannot come back: CLUSTER FAILOVER TAKEOVER on the best \
    replica of each, one at a time, after making sure that the old primary is really off and that \
    no supervisor starts it again.";

/// A living replica of a dead primary.
fn heir<'a>(seen: &'a Seen, dead: &Row) -> Option<&'a Row> {
    let rows = seen.table().map(|table| table.rows.as_slice()).unwrap_or_default();
    rows.iter().find(|row| row.primary.as_ref() == Some(&dead.id) && !row.is_failing())
}
