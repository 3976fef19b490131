//! Names that stayed in a client's map after their nodes went, or that went on to another node.

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, Source};
use crate::explain::template::list;

/// How a name that nobody has any more fails.
const UNKNOWN: [&str; 7] = [
    "no such host",
    "name or service not known",
    "enotfound",
    "unknownhostexception",
    "getaddrinfo",
    "nodename nor servname",
    "failed to resolve",
];

/// How people tell that nodes were taken away.
const REMOVED: [&str; 9] = [
    "scaled up",
    "scaled down",
    "scaled in",
    "scaled back",
    "back down",
    "was removed",
    "were removed",
    "removed a shard",
    "shrunk",
];

/// `cache-0012-001.cache.abc.use1.cache.amazonaws.com`: a node of a managed service, and no
/// endpoint that stays.
fn node_names(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)));
    words.filter(|word| word.contains('.')).filter_map(|word| {
        let first = word.split('.').next()?;
        let mut parts = first.rsplit('-');
        let digits = |part: Option<&str>, len: usize| {
            part.is_some_and(|p| p.len() == len && p.chars().all(|c| c.is_ascii_digit()))
        };
        (digits(parts.next(), 3) && digits(parts.next(), 4)).then(|| word.to_owned())
    })
}

/// A client looks for the names of nodes that a service took away.
pub(super) fn names_of_removed_nodes(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let mut names: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for (at, line) in seen.lines.iter().enumerate() {
        let near = seen.lines.get(at.saturating_sub(1)..(at + 3).min(seen.lines.len()));
        let fails = near
            .unwrap_or_default()
            .iter()
            .any(|line| UNKNOWN.iter().any(|word| line.lower.contains(word)));
        for name in node_names(&line.text).filter(|_| fails) {
            if !names.contains(&name) {
                names.push(name);
                lines.push(at);
            }
        }
    }
    let told = *seen.lines_with(&REMOVED).first()?;
    let first = *lines.first()?;
    let short: Vec<String> =
        names.iter().filter_map(|name| name.split('.').next().map(str::to_owned)).collect();
    let names = if short.len() == 1 { "the name of one node" } else { "names of single nodes" };
    let all = list(&short, 4);
    Some(Hit::of(82).quote(told).quote(first).note(format!(
        "{all}: no start node, but {names} of the service, and the record of such a name goes \
         away with its node when shards are taken out. That it does not resolve is right; that the \
         client still dials it is not: its map is from before. Check with CLUSTER SLOTS at the \
         configuration endpoint: if these names are still in it, the service has not finished (or \
         keeps dead nodes in its map), and that is for its support; if not, only the client is \
         behind."
    )).step(format!(
        "Restart the client, or make a new client object: it reads the map anew and has {all} no \
         more. For good: a current release of the library, the configuration endpoint as the only \
         start name, and a refresh of the map by time and on connection errors."
    )))
}

/// Two nodes stand under one host name, and MOVED names it: the connection that is kept for the
/// name ends at the old node.
pub(super) fn one_name_two_nodes(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let name = |at: usize| {
        let line = seen.lines.get(at)?;
        let (_, rest) = line.text.split_once('@')?;
        let word = rest.split_whitespace().next()?;
        word.split(',').nth(1).filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let (a, b, host) = table.rows.iter().enumerate().find_map(|(index, a)| {
        let host = name(a.line)?;
        let b = table.rows.iter().skip(index + 1).find(|b| {
            b.id != a.id && b.address.ip != a.address.ip && name(b.line).as_ref() == Some(&host)
        })?;
        Some((a, b, host))
    })?;
    let at = seen.lines.iter().position(|line| {
        line.lower.contains("moved ") && line.text.contains(&host) && !line.text.contains('@')
    })?;
    Some(Hit::of(82).quote(at).quote(a.line).quote(b.line).note(format!(
        "Two nodes, {} and {}, stand under one name, {host}: the service put a new node under the \
         old one's name. MOVED names that name; the client has a connection for it already, to the \
         old node, uses that one without asking DNS again, and is told MOVED once more. Reading \
         the map anew does not help, since the name in it is the same. The servers are well.",
        a.place(),
        b.place()
    )).step(
        "Close the connections for that name (restart the processes, or make a new client object): \
         a new one resolves the name and reaches the new node.",
    ).step(
        "For good: a release of the library that closes the connections of a node id that left the \
         map, a limit to the age of connections, and a short life of DNS answers (JVM: \
         networkaddress.cache.ttl 5 to 10). Restart the clients between two such changes.",
    ))
}
