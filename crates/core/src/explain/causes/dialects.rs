//! Clients and servers of different ages, and rights inside scripts.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "CLIENT_NEWER_THAN_SERVER",
        title: "The client asks for something that this server's version does not have",
        side: Side::Client,
        when: |seen| migrate_with_keys(seen).or_else(|| newer_client(seen)),
        cause: "[[<<migrate>> ]]The server answers 'unknown subcommand' (or command) to what the \
            client library sends by itself: CLUSTER SHARDS and CLUSTER LINKS exist since 7.0, \
            CLIENT SETINFO and NO-TOUCH since 7.2, FUNCTION since 7.0[[ (here <<version>>)]]. \
            [[<<harmless>> ]]Slots and data have no part in it.",
        check: "redis_version (or valkey_version) of INFO server on every node, beside the release \
            notes of the client library.",
        fix: &[
            "Upgrade the servers, or use a release of the client for this version; most clients \
             have a switch (go-redis DisableIdentity, redis-py lib_name=None, node-redis \
             disableClientInfo, Lettuce and Jedis go on by themselves).",
            "A dashboard or operator that needs CLUSTER SHARDS: take one that uses CLUSTER SLOTS \
             or NODES.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["COMMAND_RENAMED_OR_DISABLED", "HELLO_OR_RESP3_REFUSED"],
    },
    Cause {
        code: "MISSING_KEY_TAKEN_FOR_ERROR",
        title: "The key is not there, and the program takes the answer for an error",
        side: Side::Application,
        when: |seen| {
            seen.says(64, &["redis: nil", "err=redis: nil", "redigo: nil returned"])
                .map(|hit| hit.less_if(24, seen.says_fail() || !seen.failing().is_empty()))
        },
        cause: "go-redis gives redis.Nil (redigo ErrNil) when a key does not exist or has expired: \
            that is the answer to the question and no fault of the cluster.",
        check: "EXISTS <key> with redis-cli -c, and whether another program, a TTL or an eviction \
            policy removes it.",
        fix: &["Compare the error with redis.Nil (errors.Is(err, redis.Nil)) and treat it as \
             'not found'."],
        never: &["Do not repair the cluster for it."],
        like: &["KEYS_EVICTED"],
    },
    Cause {
        code: "DNS_TOO_SLOW",
        title: "The name server does not answer in time",
        side: Side::Platform,
        when: |seen| {
            let asked = seen.line_says(80, &["lookup ", ":53", "timeout"]);
            asked
                .or_else(|| seen.line_says(80, &["lookup ", ":53", "server misbehaving"]))
                .or_else(|| seen.line_says(72, &["dnsnameresolvertimeoutexception"]))
        },
        cause: "The client never came to the point of connecting: the question for a node's name \
            got no answer from the name server (UDP port 53). On Kubernetes that is mostly CoreDNS \
            under load, a lost UDP packet (conntrack), or a NetworkPolicy that forgets port 53; \
            ndots:5 makes five questions of one. The cluster has no part in it.",
        check: "From the client's pod: time getent hosts <name>, several times; CoreDNS logs and its \
            CPU limit.",
        fix: &[
            "Allow UDP and TCP 53 to the name server, give CoreDNS more replicas or a node-local \
             cache, and end the names with a dot (or ndots:1) so that one question is enough.",
            "Let the client keep its connections (a pool, no reconnect for each command).",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["CLIENT_SEED_DNS_FAILED", "CONNTRACK_TABLE_FULL"],
    },
];

/// `MIGRATE ... KEYS ...` that is answered with a syntax error.
fn migrate_with_keys(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let moves = ask.lower.contains("migrate ") && ask.lower.contains(" keys ");
            moves && answer.lower.contains("syntax error")
        }
        _ => false,
    })?;
    Some(Hit::of(90).quote(at).quote(at + 1).fact(
        "migrate",
        "MIGRATE with KEYS (several keys at once, with \"\" in place of the key) exists since \
         server 3.0.6, AUTH since 4.0.7 and AUTH2 since 6.0; a server before that answers 'syntax \
         error', whatever version redis-cli has. Nothing was moved by the refused command; the \
         slot is open on both sides until it is finished (SETSLOT NODE on the target first) or, \
         while the target has none of its keys, closed with SETSLOT STABLE on both.",
    ).step(
        "Move the keys one by one: MIGRATE <host> <port> <key> 0 <timeout> for each key of CLUSTER \
         GETKEYSINSLOT; or upgrade the servers first (this one too).",
    ))
}

fn newer_client(seen: &Seen) -> Option<Hit> {
    let asked = ["shards", "setinfo", "no-touch", "no-evict", "links", "myshardid", "slot-stats"];
    let at = seen.lines.iter().position(|line| {
        let unknown = line.lower.contains("unknown subcommand")
            || line.lower.contains("unknown command")
            || line.lower.contains("syntax error, try client");
        let quoted = |word: &&&str| {
            [format!("'{word}'"), format!("`{word}`"), format!("|{word}"), format!(" {word}")]
                .iter()
                .any(|form| line.lower.contains(form))
        };
        unknown && asked.iter().find(quoted).is_some()
    })?;
    let setinfo = seen.has(&["setinfo"]);
    Some(Hit::of(84).quote(at).fact_if(
        "harmless",
        setinfo.then_some(
            "CLIENT SETINFO only tells the library's name; its refusal is harmless noise, so if \
             something else fails, look for another cause.",
        ),
    ))
}
