//! A start script that corrects the node's own row of nodes.conf, and no other.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

const OWN_ROW_ONLY: &str = "The start script puts the new IP into the node's own row ('myself') of \
    nodes.conf and leaves those of its peers: a single pod that restarts is found again, as the \
    others hear its new address from itself; when all of them restart at once, each dials the old \
    addresses of all others, and nobody can tell anybody.";

/// The line of the script: `sed -i -e "/myself/ s/.../${POD_IP}/" nodes.conf`.
fn script(seen: &Seen) -> Option<usize> {
    let own = |text: &str| {
        text.contains("sed ")
            && text.contains("myself")
            && (text.contains("ip") || text.contains('$'))
    };
    seen.lines.iter().position(|line| own(&line.lower))
}

/// It is there, and the cluster is down.
pub(super) fn mended(seen: &Seen) -> Option<Hit> {
    let at = script(seen)?;
    let down = seen.says_fail() || seen.failing().len() >= 2 || seen.has(&["clusterdown"]);
    down.then(|| Hit::of(84).quotes(seen.field_line("cluster_slots_pfail")))
        .map(|hit| hit.quote(at).note(OWN_ROW_ONLY))
}

/// The same beside addresses that are shown to be old: why they are, and what to do about it.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    let Some(at) = script(seen).filter(|at| !hit.quotes.contains(at)) else { return hit };
    hit.quote(at).note(OWN_ROW_ONLY)
}
