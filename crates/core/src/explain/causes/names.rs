//! Names where numbers are wanted: what is announced, and what is handed to MEET.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "HOSTNAME_AS_ANNOUNCE_IP",
    title: "CLUSTER MEET and bus addresses need an IP, not a name",
    side: Side::Command,
    when: name_for_address,
    cause: "[[The server refused <<refused>>. ]]MEET (and so create and add-node of older \
            redis-cli) takes numbers only: an IP, a port from 1 to 65535, a bus port. Names are \
            not resolved. A name in cluster-announce-ip is stored as text and cut at 46 bytes.",
    check: "Is the address that was given to MEET, create or cluster-announce-ip a host name?",
    fix: &[
        "Resolve the name first and pass the IP (redis-cli 7.0.5 and later, and valkey-cli, \
             resolve names in create).",
        "To give clients names: cluster-announce-hostname together with \
             cluster-preferred-endpoint-type hostname (7.0 and later), with the IP left in place.",
    ],
    never: &["Do not put a name into cluster-announce-ip."],
    like: &["BUS_PORT_WRONG"],
}];

/// What a name does that is another machine for each who reads it.
const LOCALHOST_ANNOUNCED: &str = "Here it is localhost: for every peer and client that is the \
    machine it runs on itself. Set it to an IP that peers and clients reach.";

/// What newer servers do with a name in that place.
const CHECKED_AT_START: &str = "This server refuses to start with it: some releases (8.6.3 \
    and 7.4.9 were the first) check that cluster-announce-ip is an IPv4 or IPv6 address, where \
    older ones took any text. Put the node's IP there (or leave it out), and the name into \
    cluster-announce-hostname. Data and nodes.conf are not concerned.";

/// What a variable does that nobody replaced by its value.
const NOT_EXPANDED: &str = "Here the value is the variable itself: nobody replaced it. redis.conf \
    knows no variables, so write it at start (sed or envsubst on a copy, or \
    --cluster-announce-ip on the command line); in a pod $(POD_IP) works in args only, with an env \
    entry from status.podIP above it.";

fn name_for_address(seen: &Seen) -> Option<Hit> {
    let refused = seen.says(
        88,
        &[
            "invalid node address specified",
            "invalid base port specified",
            "invalid bus port specified",
        ],
    );
    let by_server = seen.says(96, &["cluster announce ip must be a valid"]);
    let by_server = by_server.map(|hit| {
        let set = seen.setting("cluster-announce-ip");
        hit.quotes(set.map(|set| set.line))
            .note(CHECKED_AT_START)
            .step(
                "Give cluster-announce-ip the node's IP at every start ($(hostname -i) in a \
                 container, status.podIP in a pod) or leave it out, and the name to \
                 cluster-announce-hostname, with cluster-preferred-endpoint-type hostname where \
                 clients are to be told names (7.0 and later).",
            )
            .step(
                "Or go on with the patch release that ran before until that is done; nothing else \
                 about the node has to change.",
            )
            .only_these_steps()
    });
    by_server.or_else(|| refused.map(|hit| in_a_create(seen, hit))).or_else(|| {
        let setting = seen.setting("cluster-announce-ip")?;
        let hit = Hit::of(68).quote(setting.line);
        let broken = [
            "waiting for the cluster to join",
            "handshake",
            "fail?",
            "cluster_state:fail",
            "disconnected",
        ];
        let raw = seen.lines.get(setting.line).map_or("", |line| line.text.as_str());
        let by_shell = raw.contains("sh -c") || raw.contains("/bin/sh");
        let variable = ["${", "$(", "{{"].iter().any(|mark| setting.value.contains(mark));
        if variable && !by_shell {
            return seen.has(&broken).then(|| Hit { score: 92, ..hit }.note(NOT_EXPANDED));
        }
        if setting.value == "localhost" {
            return Some(Hit { score: 86, ..hit }.note(LOCALHOST_ANNOUNCED));
        }
        let name = setting.value.chars().any(|c| c.is_ascii_alphabetic())
            && setting.value.contains(['.', '-'])
            && !setting.value.contains(['$', ':', '<', '{', ' ']);
        name.then(|| hit.and(seen, 20, &broken))
    })
}

/// `create` stops at a name when it has given slots away already.
fn in_a_create(seen: &Seen, hit: Hit) -> Hit {
    let begun =
        seen.lines_with(&["nodes configuration updated", "assign a different config epoch"]);
    let Some(first) = begun.first() else { return hit };
    let names = seen.lines.iter().find_map(|line| {
        let word = |word: &&str| word.contains(':') && !word.starts_with('-');
        let (_, rest) = line.text.split_once(" create ")?;
        let places: Vec<&str> = rest.split_whitespace().filter(word).collect();
        let named = |place: &&str| place.chars().any(|c| c.is_ascii_alphabetic());
        (!places.is_empty() && places.iter().all(named)).then(|| places.join(" "))
    });
    let given = names.map_or(String::new(), |names| format!(" (given were {names})"));
    hit.quote(*first)
        .note(
            "The tool itself had reached the nodes by their names; it is MEET that does not \
             resolve them. By then create had given slots and epochs to the nodes, so the next \
             attempt would find them not empty.",
        )
        .step(
            "DBSIZE on each node. Where all say 0, blank each of them (stop it, move its nodes.conf \
             aside, start it): that takes back what the attempt left. A node that has keys is not \
             new: leave it alone and find out whose they are.",
        )
        .step(format!(
            "Then create again with the IP of each node in place of its name{given}: getent hosts \
             <name> tells it. redis-cli 7.0.5 and later, and valkey-cli, resolve names by \
             themselves."
        ))
        .step("For clients that are to see names: cluster-announce-hostname (7.0 and later), afterwards.")
        .only_these_steps()
}
