//! What came after a node was replaced: the silence before it, and whether the new primary is gone
//! as well at the end of the log.

use super::silence;
use crate::explain::cause::Hit;
use crate::explain::clock;
use crate::explain::figures::short;
use crate::explain::seen::Seen;
use crate::wire::logs;

/// Adds both.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    let gaps = hit.quotes.iter().filter_map(|at| Some((*at, silence::before(seen, *at)?)));
    let longest = gaps.max_by_key(|(at, gap)| clock::between(seen, gap.before, *at));
    let gap = longest.map(|(_, gap)| gap);
    let hit = match gap {
        Some(gap) => hit.quote(gap.before).note(format!(
            "Its log is silent from {} to {}: for that long the main thread did nothing, not even \
             answer its peers.",
            gap.from, gap.to
        )),
        None => hit,
    };
    gone_again(seen, hit)
}

/// The node follows a new primary, and that one is marked failed before the copy was whole.
fn gone_again(seen: &Seen, hit: Hit) -> Hit {
    let Some((demoted, heir)) = heir(seen) else { return hit };
    let after = || seen.lines.iter().enumerate().skip(demoted + 1);
    let failed = after().find(|(_, line)| {
        let marked =
            line.lower.contains("fail message received") || line.lower.contains("as failing");
        marked && line.lower.contains(&heir)
    });
    let Some((failed, _)) = failed else { return hit };
    let back = after().filter(|(at, _)| *at > failed).any(|(_, line)| {
        let well = ["cluster state changed: ok", "clear fail state", "finished with success"];
        well.iter().any(|word| line.lower.contains(word))
    });
    let synced =
        after().any(|(at, line)| at < failed && line.lower.contains("sync: finished with success"));
    if back || synced {
        return hit;
    }
    let place = after().find_map(|(_, line)| {
        let (_, rest) = line.text.split_once("onnecting to MASTER ")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    let place = place.unwrap_or_else(|| short(&heir));
    let time = seen.lines.get(failed).and_then(|line| clock::time(logs::parse(&line.text)?.time));
    let when = time.map(|(text, _)| format!("at {text} ")).unwrap_or_default();
    let late = seen.lines_with(&["disconnected from master for longer", "unable to failover"]);
    hit.quote(failed)
        .quotes(late.into_iter().take(1))
        .note(format!(
            "The present outage is a second one: {when}the new primary {place} was marked failed \
             itself, while it made the copy for this node (a fork again), before that was whole. \
             This node has no complete data then, and rightly may not take over ('Disconnected \
             from master for longer than allowed'); a validity factor of 0 or a TAKEOVER on it \
             would make its half copy the data."
        ))
        .step(format!(
            "Now, first: bring {place} back (look whether its process lives; start it with its own \
             files, or wait until it answers again), and let this node finish its full sync from \
             it: master_link_status:up."
        ))
}

/// `Reconfiguring myself as a replica of <id>`: the line and the id.
fn heir(seen: &Seen) -> Option<(usize, String)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once("reconfiguring myself as a replica of ")?;
        let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        (id.len() >= 8).then_some((at, id))
    })
}
