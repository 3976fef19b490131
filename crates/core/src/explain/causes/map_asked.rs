//! Clients that ask for the map so often that the servers are busy with it.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "MAP_ASKED_TOO_OFTEN",
    title: "Clients ask for the map (CLUSTER SLOTS, NODES, SHARDS) again and again, which keeps \
        nodes busy",
    side: Side::Client,
    when: asked,
    cause: "A cluster client asks one of its start nodes for the map when it is made, and again on \
        errors. Made anew for each request (PHP without a kept map, functions, workers that end), \
        or after errors by all clients at once, that becomes the most expensive command of the \
        node: its answer grows with nodes and with ranges of slots, so it takes hundreds of \
        microseconds where GET takes a few.[[ Here it is called <<calls>> times at <<each>> \
        microseconds and takes <<share>> % of the time of all commands that are shown.]] Libraries \
        ask the start nodes in the order of the list, so it is the first node that suffers; slots \
        and keys are spread well.",
    check: "INFO commandstats on the busy node (cmdstat_cluster, cmdstat_cluster|slots: calls and \
        usec_per_call) against the others; total_connections_received growing there by hundreds \
        per second; CLIENT LIST by age.",
    fix: &[
        "Keep the client object (and its connections) for the life of the process in place of one \
         for each request. PHP: persistent connections (the fifth argument of RedisCluster) and \
         redis.clusters.cache_slots = 1, so that the map is kept between requests.",
        "Spread the question: give the start nodes in another order to each process (shuffle the \
         list), replicas among them, and no more than a few.",
        "After failovers: a pause with a random part before the map is read anew; a longer period \
         for periodic refreshes; fewer fragmented ranges of slots. Redis 7 and Valkey 8 answer it \
         much faster than 6 and older.",
    ],
    never: &["Do not reshard or fail over for it: the load follows the list of start nodes."],
    like: &["NODE_HUNG", "CLIENT_TIMEOUT"],
}];

/// Of the time of all commands shown, so much of it is the map: then it is the map.
const SHARE_MIN: u64 = 25;

/// `cmdstat_cluster|slots:calls=17,usec=34,usec_per_call=2.00`: the command, calls and time.
fn command(line: &str) -> Option<(&str, u64, u64)> {
    let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(':')?;
    let number = |mark: &str| {
        let digits = rest.split(',').find_map(|part| part.strip_prefix(mark))?;
        digits.parse().ok()
    };
    Some((name, number("calls=")?, number("usec=")?))
}

/// How people tell it.
const TOLD: [&str; 7] = [
    "connect to first node",
    "connect to the first node",
    "connections on the first node",
    "slow cluster slots",
    "of cluster slots",
    "cluster slots command is slow",
    "cluster slots commands per second",
];

/// Words of a load that is felt.
const FELT: [&str; 9] =
    ["100%", "cpu", "slow", "latency", "latencies", "overload", "high load", "spike", "timeouts"];

fn asked(seen: &Seen) -> Option<Hit> {
    by_figures(seen).or_else(|| {
        let told = *seen.lines_with(&TOLD).first()?;
        let felt = *seen.lines_with(&FELT).first()?;
        (!seen.says_fail()).then(|| Hit::of(74).quote(told).quote(felt))
    })
}

fn by_figures(seen: &Seen) -> Option<Hit> {
    let mut all: u64 = 0;
    let mut map: Option<(usize, u64, u64)> = None;
    for (at, line) in seen.lines.iter().enumerate() {
        let Some((name, calls, usec)) = command(&line.lower) else { continue };
        all = all.saturating_add(usec);
        let question = name == "cluster"
            || ["cluster|slots", "cluster|nodes", "cluster|shards"].contains(&name);
        if question && map.is_none_or(|(_, _, most)| usec > most) {
            map = Some((at, calls, usec));
        }
    }
    let (at, calls, usec) = map?;
    let share = usec / (all / 100).max(1);
    (share >= SHARE_MIN && calls > 1_000).then(|| {
        Hit::of(88)
            .quote(at)
            .fact("calls", calls.to_string())
            .fact("each", (usec / calls).to_string())
            .fact("share", share.min(100).to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_a_command() {
        let row = "cmdstat_cluster|slots:calls=4,usec=900,usec_per_call=225.00";
        assert_eq!(command(row), Some(("cluster|slots", 4, 900)));
        assert_eq!(command("cmdstat_get:calls=x,usec=1"), None);
    }
}
