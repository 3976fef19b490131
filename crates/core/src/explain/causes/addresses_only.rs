//! A client or proxy that takes addresses only, and is given names by the map.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::lines::Line;
use crate::explain::seen::{Seen, is_ipv4};

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLIENT_WANTS_ADDRESSES",
    title: "The map hands out host names, and the client or proxy takes only IP addresses",
    side: Side::Client,
    when: name_not_taken,
    cause: "The answer to CLUSTER SLOTS has arrived, so the start node, its DNS name and the network \
        are in order. In it stands <<name>>, a host name, where this release of <<who>> \
        expects an IP: it drops the answer and knows no node. Managed services hand out names (AWS \
        with encryption in transit), and so do servers of 7.0 and later with \
        cluster-preferred-endpoint-type hostname. The cluster is healthy.",
    check: "CLUSTER SLOTS at the start node: the first element of each node is a name; and the \
        notes of the releases of the client or proxy: since when does it resolve names there?",
    fix: &[
        "Upgrade the client or proxy to a release that resolves names in CLUSTER SLOTS[[ \
         (<<since>>)]], with TLS to the nodes set up where the service wants it.",
        "Or have the servers hand out addresses: cluster-preferred-endpoint-type ip on your own \
         (7.0 and later); with a managed service that is a matter of its encryption mode, which \
         is rarely worth giving up.",
        "Or let the application's own cluster client talk to the nodes, without the proxy.",
    ],
    never: &[
        "Do not repair the cluster for it: its answer is right.",
        "Do not change DNS or the family of addresses: the name was not looked up at all.",
    ],
    like: &["CLIENT_TOO_OLD_FOR_REDIS7_SLOTS", "ANNOUNCED_NAME_UNRESOLVED"],
}];

/// How programs say that a text is no address.
const NO_ADDRESS: [&str; 12] = [
    "invalid ip",
    "malformed ip",
    "not an ip",
    "not a valid ip",
    "bad ip",
    "illegal ip",
    "failed to parse ip",
    "does not appear to be an ipv4",
    "invalid ipv4",
    "addrparseerror",
    "invalid socket address",
    "inet_pton",
];

/// What says that it is about the map.
const MAP: [&str; 6] =
    ["cluster slots", "cluster nodes", "cluster shards", "slotmap", "slot map", "redis_cluster"];

/// A full name among the words of a line: labels with dots, the last one of letters.
fn host_name(line: &Line) -> Option<String> {
    let words = line.text.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
    let is_name = |word: &&str| {
        let labels: Vec<&str> = word.split('.').collect();
        let whole = labels.len() >= 3 && labels.iter().all(|label| !label.is_empty());
        let letters = |label: &&str| label.chars().all(|c| c.is_ascii_alphabetic());
        whole && labels.last().is_some_and(letters) && !is_ipv4(word)
    };
    let file =
        |word: &&str| [".cc", ".java", ".py", ".js", ".rs"].iter().any(|e| word.ends_with(e));
    words.filter(is_name).find(|word| !file(word)).map(str::to_owned)
}

fn name_not_taken(seen: &Seen) -> Option<Hit> {
    let by_server = ["cluster announce ip", "invalid node address"];
    let (at, name) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let refused = NO_ADDRESS.iter().any(|word| line.lower.contains(word));
        let ours = !by_server.iter().any(|word| line.lower.contains(word));
        (refused && ours).then(|| host_name(line)).flatten().map(|name| (at, name))
    })?;
    let line = seen.lines.get(at)?;
    let told = MAP.iter().any(|word| line.lower.contains(word));
    let envoy = seen.has(&["envoy"]);
    let who = if envoy { Some("Envoy") } else { seen.client() };
    (told || seen.has(&MAP)).then(|| {
        Hit::of(76)
            .more_if(14, told)
            .quote(at)
            .fact("name", name)
            .fact("who", who.unwrap_or("the program"))
            .fact_if("since", envoy.then_some("Envoy does so since 2022"))
    })
}
