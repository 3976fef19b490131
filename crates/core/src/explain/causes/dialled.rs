//! What a client dials in vain, where it begins, and which addresses the nodes have now.
//!
//! An address that is dialled and that no node has any more speaks for an old map; one that is
//! dialled from another network than its own speaks for announced addresses.

use super::announced::{UNREACHABLE, dedup, ipv4s, is_inner, only, seed_ips};
use super::sources;
use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, Source};
use crate::explain::template::list;
use crate::model::SLOT_COUNT;
use crate::wire::logs;

/// Further words of a client that cannot reach an address.
const IN_VAIN: [&str; 4] =
    ["name resolution", "name or service not known", "cannot reconnect to", "dial tcp "];

/// Lines that are read for dialled addresses.
const LINES_MAX: usize = 64;

/// Answers of a name from which on they stand for the nodes and not for one front.
const NODES_MIN: usize = 3;

/// The inner addresses at which a client fails, each once, with its first line. Those at which it
/// was told to begin are none of a map.
fn failed(seen: &Seen) -> Vec<(usize, String)> {
    let seeds = seed_ips(seen);
    let marks = |lower: &str| UNREACHABLE.iter().chain(&IN_VAIN).any(|mark| lower.contains(mark));
    let lines = seen.lines.iter().enumerate().filter(|(_, line)| marks(&line.lower));
    let lines = lines.filter(|(_, line)| logs::parse(&line.text).is_none()).take(LINES_MAX);
    let mut found: Vec<(usize, String)> = Vec::new();
    for (at, line) in lines {
        // Netty names its own end of the connection first.
        let text = line.text.split_once(" - R:").map_or(line.text.as_str(), |(_, far)| far);
        for ip in ipv4s(text).filter(|ip| is_inner(ip) && !ip.starts_with("127.")) {
            let known = found.iter().any(|(_, other)| other == ip);
            if !known && !seeds.iter().any(|seed| seed == ip) {
                found.push((at, ip.to_owned()));
            }
        }
    }
    found
}

/// Addresses that the nodes have now, by what was pasted.
struct Now {
    /// The addresses.
    ips: Vec<String>,
    /// Lines that show them.
    lines: Vec<usize>,
    /// How well an address that is not among them is proven to be old.
    score: u8,
    /// Where an old one does not stand: `in no current row of the table`.
    none: &'static str,
}

/// What the nodes have now: by a table in which all is well, by the pods, or by a name.
fn now(seen: &Seen) -> Option<Now> {
    by_table(seen).or_else(|| by_pods(seen)).or_else(|| by_name(seen))
}

fn by_table(seen: &Seen) -> Option<Now> {
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let well = table.rows.iter().all(|row| !row.is_failing() && row.linked != Some(false));
    let whole = table.assigned().len() == SLOT_COUNT && table.rows.len() >= NODES_MIN && well;
    let ips = seen.server_rows().map(|row| row.address.ip.clone());
    whole.then(|| Now {
        ips: dedup(&ips.chain(seen.pod_ips.iter().cloned()).collect::<Vec<_>>()),
        lines: table.rows.iter().map(|row| row.line).take(1).collect(),
        score: 80,
        none: "in no current row of the table, in which every slot has a linked owner",
    })
}

fn by_pods(seen: &Seen) -> Option<Now> {
    let lines: Vec<usize> =
        seen.pods.iter().filter(|pod| pod.ip.is_some()).map(|pod| pod.line).collect();
    let rows = seen.server_rows().map(|row| row.address.ip.clone());
    (lines.len() >= NODES_MIN).then(|| Now {
        ips: dedup(&rows.chain(seen.pod_ips.iter().cloned()).collect::<Vec<_>>()),
        lines: lines.into_iter().take(3).collect(),
        score: 82,
        none: "no address of any pod that was pasted",
    })
}

/// Programs that look a name up.
const LOOK_UP: [&str; 5] = ["dig ", "nslookup ", "getent hosts ", "getent ahosts", "host "];

/// The PONG that a name gave which somebody looked up, too.
pub(super) fn name_answers(seen: &Seen) -> Option<usize> {
    let looked_up = seen.lines.iter().filter_map(|line| {
        let lower = line.lower.trim_start().trim_start_matches(['$', '#', '>', ' ']);
        let name = LOOK_UP.iter().find_map(|tool| lower.strip_prefix(tool))?;
        name.split_whitespace().find(|word| word.contains('.') && !word.starts_with('+'))
    });
    let names: Vec<&str> = looked_up.collect();
    let ask = seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let named = names.iter().any(|name| ask.lower.contains(name));
            named && ask.lower.contains(" ping") && answer.text.trim().ends_with("PONG")
        }
        _ => false,
    })?;
    Some(ask + 1)
}

/// What `dig` or `nslookup` says of the name of the cluster. A name with one or two answers may be
/// that of a front; a configuration endpoint stands for the nodes.
fn by_name(seen: &Seen) -> Option<Now> {
    let mut asked: Option<(usize, usize)> = None;
    let mut found: Vec<(usize, String)> = Vec::new();
    for (at, line) in seen.lines.iter().enumerate() {
        let lower = line.lower.trim_start().trim_start_matches(['$', '#', '>', ' ']);
        let prompt = line.text.trim_start().starts_with(['$', '#', '>']);
        let asks = LOOK_UP.iter().any(|tool| lower.starts_with(tool));
        if asks {
            asked = Some((at, line.paste));
        } else if prompt || asked.is_some_and(|(_, paste)| paste != line.paste) {
            asked = None;
        } else if asked.is_some() && !lower.starts_with("server") && !line.text.contains('#') {
            let marks = UNREACHABLE.iter().chain(&IN_VAIN);
            let fails = marks.into_iter().any(|mark| line.lower.contains(mark));
            found.extend(ipv4s(&line.text).filter(|_| !fails).map(|ip| (at, ip.to_owned())));
        }
    }
    let ips = dedup(&found.iter().map(|(_, ip)| ip.clone()).collect::<Vec<_>>());
    let anew = name_answers(seen).is_some() && sources::made_anew(seen).is_some();
    let stands = seen.has(&["clustercfg."]) || anew;
    let nodes = ips.len() >= NODES_MIN || (!ips.is_empty() && stands);
    nodes.then(|| Now {
        ips,
        lines: found.into_iter().map(|(at, _)| at).take(3).collect(),
        score: 82,
        none: "not among the addresses that the cluster's name has now",
    })
}

/// A client fails at inner addresses that no node has now: its map is old.
pub(super) fn gone(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let now = now(seen)?;
    let failed = failed(seen);
    let old: Vec<(usize, String)> =
        failed.iter().filter(|(_, ip)| !now.ips.contains(ip)).cloned().collect();
    if old.is_empty() {
        return None;
    }
    let ips: Vec<String> = old.iter().map(|(_, ip)| ip.clone()).collect();
    let (all, verb) = (list(&ips, 4), if ips.len() == 1 { "is" } else { "are" });
    let whole = old.len() == failed.len();
    let hit = Hit::of(now.score)
        .more_if(8, whole)
        .quotes(old.iter().map(|(at, _)| *at).take(2))
        .quotes(now.lines)
        .note(format!(
            "The client dials old addresses: {all} {verb} {}. The nodes are at others now ({}): \
                 they were replaced, upgraded or started again, and the client did not hear of it. \
                 The servers are well as far as the paste shows.",
            now.none,
            list(&now.ips, 6)
        ))
        .step(format!(
            "Restart the processes that dial {all}: a new one reads the map anew and works at \
                 once. That they need no restart next time: let the client refresh its map by \
                 itself, and begin at a name that stays (a Service, the configuration endpoint)."
        ));
    Some(if whole { sources::nobody_left_to_ask(seen, hit) } else { hit })
}

/// Words of a change after which a map is old, or of a client that had reached its nodes before.
const CHANGED: [&str; 14] = [
    "restart",
    "failover",
    "failed over",
    "rescheduled",
    "replaced",
    "upgrade",
    "rolled",
    "cannot reconnect",
    "connectionwatchdog",
    "reconnecting, last",
    "old ip",
    "new ip",
    "command timed out",
    " killed ",
];

/// A client whose first connections fail, which had none to lose.
pub(super) fn never_connected(seen: &Seen) -> bool {
    seen.has(&["unable to connect to ["]) && !seen.has(&CHANGED) && !failed(seen).is_empty()
}

/// A client begins at a place that is published, and fails at inner addresses of another network,
/// of which nobody has told it but the nodes.
pub(super) fn inside(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let untold = seen.server_rows().next().is_none() && seen.pod_ips.is_empty();
    let (failed, seeds) = (failed(seen), dedup(&seed_ips(seen)));
    let network = |ip: &str| ip.split('.').next().map(str::to_owned);
    let apart = |seed: &String| {
        let open = seed == "localhost" || seed.starts_with("127.") || !is_inner(seed);
        open || failed.iter().all(|(_, ip)| network(ip) != network(seed))
    };
    let published = !seeds.is_empty() && seeds.iter().all(apart);
    if !untold || !published || failed.is_empty() || now(seen).is_some() || seen.has(&CHANGED) {
        return None;
    }
    let ips: Vec<String> = failed.iter().map(|(_, ip)| ip.clone()).collect();
    let begins = seen.lines.iter().position(|line| {
        let here = seeds.iter().any(|seed| line.text.contains(seed.as_str()));
        here && !failed.iter().any(|(at, _)| seen.lines.get(*at).is_some_and(|l| l == line))
    });
    let places: Vec<String> = seeds.iter().map(|seed| place(seen, seed)).collect();
    let answered = seen.lines_with(&["pong", "works"]);
    let hit = Hit::of(84);
    let hit = if answered.is_empty() { hit } else { hit.note(FIRST_CONTACT) };
    Some(
        hit.more_if(4, !answered.is_empty())
            .quotes(failed.iter().map(|(at, _)| *at).take(2))
            .quotes(begins)
            .quotes(answered.into_iter().take(1))
            .fact("announced", list(&ips, 4))
            .fact("seed", list(&places, 3))
            .fact_if("seed_ip", only(&seeds)),
    )
}

const FIRST_CONTACT: &str = "The first contact works, so servers and password are well: what cannot \
    be reached is what they announce.";

/// Ports of a host that a client's own log calls connected.
fn connected(seen: &Seen, host: &str) -> Vec<String> {
    let fails = ["fail", "refused", "timeout", "timed out", "unable", "cannot", "could not", "err"];
    let mut ports: Vec<String> = Vec::new();
    for line in &seen.lines {
        let well = ["cluster connect", "connected to", "connect!"];
        let well = well.iter().any(|word| line.lower.contains(word));
        if !well || fails.iter().any(|word| line.lower.contains(word)) {
            continue;
        }
        let port = line.text.split_once(&format!("{host}:")).and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
        });
        if let Some(port) = port.map(|port| port.to_string()).filter(|port| !ports.contains(port)) {
            ports.push(port);
        }
    }
    ports
}

/// An address with the port that stands behind it in the text.
fn place(seen: &Seen, host: &str) -> String {
    let ports = connected(seen, host);
    if ports.len() > 1 {
        return format!("{host}, ports {}", list(&ports, 6));
    }
    let port = seen.lines.iter().find_map(|line| {
        let (_, rest) = line.text.split_once(&format!("{host}:"))?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
    });
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
