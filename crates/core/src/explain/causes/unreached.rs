//! Nodes that `redis-cli --cluster check` could not reach, and whose slots it calls uncovered.

use std::collections::BTreeSet;

use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source, is_ipv4};
use crate::explain::table::Row;
use crate::explain::template::list;

/// A node of the table that the check tried and did not reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unreached {
    /// The line.
    line: usize,
    /// `host:port`.
    place: String,
    /// `Connection refused`.
    why: String,
}

/// What the check prints when slots are not served by those that it reached.
const UNCOVERED: &[&str] = &["not all 16384 slots are covered"];

/// The first node that a check did not reach.
pub(super) fn node(seen: &Seen) -> Option<Unreached> {
    nodes(seen).into_iter().next()
}

/// Whether a table that was pasted beside it flags an owner of slots as down.
pub(super) fn is_listed_down(seen: &Seen) -> bool {
    seen.owners().iter().any(|row| row.is_failing())
}

/// The nodes that a check was told of by the table, and did not reach. An address that the
/// command itself names is none: it may be mistyped, and then nothing else was asked.
fn nodes(seen: &Seen) -> Vec<Unreached> {
    if !seen.has(UNCOVERED) || !seen.has(&["nodes don't agree", "agree about", " keys in ", "m: "])
    {
        return Vec::new();
    }
    let typed = |place: &str| {
        let command = |text: &str| text.contains("--cluster ") || text.contains("redis-trib");
        seen.lines.iter().any(|line| command(&line.lower) && line.text.contains(place))
    };
    let marks = ["could not connect to redis at ", "could not connect to valkey at "];
    let read = |(at, line): (usize, &crate::explain::lines::Line)| {
        let rest = marks.iter().find_map(|mark| {
            let from = line.lower.find(mark)? + mark.len();
            line.text.get(from..)
        })?;
        let (place, why) = rest.split_once(": ").unwrap_or((rest, ""));
        let (place, why) = (place.trim().trim_end_matches(':'), why.trim());
        let whole = place.contains(':') && !place.contains(' ');
        (whole && !typed(place)).then(|| (at, place.to_owned(), why.to_owned()))
    };
    let mut found: Vec<Unreached> = Vec::new();
    for (line, place, why) in seen.lines.iter().enumerate().filter_map(read) {
        let answered = seen.tables.iter().any(|table| {
            table.source == Source::Check && table.rows.iter().any(|row| row.place() == place)
        });
        // Where the pods' addresses are known, one that no pod has is stale and nobody's.
        let host = place.rsplit_once(':').map_or("", |(host, _)| host);
        let gone = seen.pod_ips.len() >= 2 && is_ipv4(host) && !seen.pod_ips.contains(host);
        if !answered && !gone && !found.iter().any(|one| one.place == place) {
            found.push(Unreached { line, place, why });
        }
    }
    found
}

/// The shard that a check did not reach: slots without an owner among the nodes that answered, and
/// a node that did not.
pub(super) fn shard(seen: &Seen) -> Option<Hit> {
    let down = nodes(seen);
    let first = down.first()?;
    let places: Vec<String> = down.iter().map(|one| one.place.clone()).collect();
    let why = if first.why.is_empty() { "no answer" } else { &first.why };
    let missing = seen.unowned().filter(|missing| !missing.is_empty());
    let range = missing.map_or("some slots".to_owned(), |missing| {
        format!("{} slots ({})", missing.len(), slots(&missing))
    });
    let verb = if places.len() == 1 { "is" } else { "are" };
    let story = format!(
        "{} {verb} down or not to be reached: the check could not connect ({why}), and {range} have \
         no owner among the nodes that answered it",
        list(&places, 4)
    );
    // Who reaches nobody but the start node has an address or a network in the way.
    let answered =
        seen.tables.iter().filter(|t| t.source == Source::Check).map(|t| t.rows.len()).sum();
    let alone = down.len() >= 2 && (1..down.len()).contains(&answered);
    let mut hit = Hit::of(93)
        .less_if(32, alone)
        .quotes(down.iter().map(|one| one.line).take(3))
        .quotes(seen.lines_with(UNCOVERED).into_iter().take(1))
        .fact("unreached", story)
        .fact_if("replicas", waiting(seen))
        .note(NOT_FORGOTTEN);
    if seen.has(&["nodes don't agree about configuration"]) {
        hit = hit.note(TABLES_DIFFER);
    }
    if seen.has(&["kubectl", "pod", ".svc", "/data #", "10.244.", "bitnami", "statefulset"]) {
        hit = hit.note(PERHAPS_MOVED);
    }
    Some(hit)
}

/// Replicas of the check whose primary is not among the nodes that it reached.
fn waiting(seen: &Seen) -> Option<String> {
    let listed = || seen.tables.iter().filter(|table| table.source == Source::Check);
    let ids: BTreeSet<&str> =
        listed().flat_map(|table| &table.rows).map(|row| row.id.as_str()).collect();
    let mut places: Vec<String> = listed()
        .flat_map(|table| &table.rows)
        .filter(|row| row.primary.as_deref().is_some_and(|id| !ids.contains(id)))
        .map(|row| row.place())
        .collect();
    let told = seen.lines.iter().filter(|line| line.lower.contains("of unknown node id"));
    places.extend(told.filter_map(|line| {
        let place = |word: &&str| word.contains(':') && !word.ends_with(':');
        line.text.split_whitespace().find(place).map(str::to_owned)
    }));
    places.sort();
    places.dedup();
    (!places.is_empty())
        .then(|| format!("{} follows a primary that the check did not reach", list(&places, 3)))
}

const NOT_FORGOTTEN: &str = "The check leaves out whom it cannot reach, and calls that node's slots \
    uncovered. That does not mean that they belong to nobody: CLUSTER NODES on a node that answers \
    tells. If the node is still listed there with its slots (fail, fail? or disconnected), it is \
    down and nothing may be assigned; only if no row has the slots was it forgotten. If its row \
    is fine there, the node lives and only the machine of redis-cli does not reach it.";

const TABLES_DIFFER: &str = "'Nodes don't agree about configuration' goes with it: the check \
    compares the tables of those that it reached, and these differ while a node dies or is \
    replaced. Look again two node timeouts after it is back; only what differs then is a dispute.";

const PERHAPS_MOVED: &str = "In Kubernetes look first whether that address still is a pod's (kubectl \
    get pods -o wide): if the pod runs under another IP, the node lives and only its address is \
    stale in the tables; CLUSTER MEET <new IP> <port> from a member mends that, once.";

/// The redirect of a client to a node that is down: its line, and what follows from it.
pub(super) fn led_to(seen: &Seen, down: &Row) -> Option<(usize, String)> {
    let owns = |slot: u16| down.slots.iter().any(|one| one.get() == slot);
    let led = seen.redirects.iter().find(|one| one.place() == down.place() && owns(one.slot))?;
    let says = format!(
        "A client was redirected there for slot {}: the others still name it the owner, so whoever \
         follows them ends at a node that does not answer, again and again, until the client gives \
         up.",
        led.slot
    );
    Some((led.line, says))
}
