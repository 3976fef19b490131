//! Directives that a server refuses at its start, and where they belong.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Directives and the first release that knows them.
const SINCE: &[(&str, &str)] = &[
    ("protected-mode", "3.2"),
    ("supervised", "3.2"),
    ("list-max-ziplist-size", "3.2"),
    ("cluster-announce-ip", "4.0"),
    ("cluster-announce-port", "4.0"),
    ("cluster-announce-bus-port", "4.0"),
    ("lazyfree-lazy-eviction", "4.0"),
    ("lazyfree-lazy-expire", "4.0"),
    ("lazyfree-lazy-server-del", "4.0"),
    ("activedefrag", "4.0"),
    ("aof-use-rdb-preamble", "4.0"),
    ("loadmodule", "4.0"),
    ("replicaof", "5.0"),
    ("replica-", "5.0"),
    ("repl-diskless-load", "6.0"),
    ("cluster-replica-", "5.0"),
    ("min-replicas-", "5.0"),
    ("dynamic-hz", "5.0"),
    ("io-threads", "6.0"),
    ("tls-", "6.0"),
    ("aclfile", "6.0"),
    ("acllog-max-len", "6.0"),
    ("user", "6.0"),
    ("masteruser", "6.0"),
    ("jemalloc-bg-thread", "6.0"),
    ("cluster-allow-reads-when-down", "6.0"),
    ("oom-score-adj", "6.2"),
    ("acl-pubsub-default", "6.2"),
    ("cluster-port", "7.0"),
    ("cluster-announce-hostname", "7.0"),
    ("cluster-announce-tls-port", "7.0"),
    ("cluster-preferred-endpoint-type", "7.0"),
    ("cluster-allow-replica-migration", "7.0"),
    ("cluster-allow-pubsubshard-when-down", "7.0"),
    ("cluster-link-sendbuf-limit", "7.0"),
    ("appenddirname", "7.0"),
    ("aof-timestamp-enabled", "7.0"),
    ("bind-source-addr", "7.0"),
    ("shutdown-timeout", "7.0"),
    ("shutdown-on-sig", "7.0"),
    ("latency-tracking", "7.0"),
    ("enable-protected-configs", "7.0"),
    ("enable-debug-command", "7.0"),
    ("enable-module-command", "7.0"),
    ("hash-max-listpack", "7.0"),
    ("zset-max-listpack", "7.0"),
    ("list-max-listpack", "7.0"),
    ("maxmemory-clients", "7.0"),
    ("busy-reply-threshold", "7.0"),
    ("set-max-listpack", "7.2"),
    ("locale-collate", "7.2"),
    ("cluster-slot-stats-enabled", "Valkey 8.0"),
    ("import-mode", "Valkey 8.1"),
    ("cluster-databases", "Valkey 9.0"),
];

/// A family of settings that are none of a server of this kind.
struct Family {
    /// How their names begin.
    begins: &'static [&'static str],
    /// What they are, and where they belong.
    is: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        begins: &["redis.clusters.", "redis.session.", "redis.arrays.", "redis.pconnect."],
        is: "a setting of the PHP extension phpredis, for php.ini (or a file in its conf.d): the \
            client reads it, no server knows it. Move the lines of that family there (the seeds \
            name host:port of the nodes), take them out of redis.conf, and start the server",
    },
    Family {
        begins: &["session.", "extension="],
        is: "a setting of PHP, for php.ini. Take it out of redis.conf",
    },
    Family {
        begins: &["sentinel"],
        is: "a directive of Sentinel: only redis-sentinel (redis-server --sentinel) takes it. A \
            cluster does its failover by itself and needs none: take the lines out of the \
            server's file",
    },
    Family {
        begins: &["spring.", "jedis.", "lettuce.", "redisson", "management."],
        is: "a property of an application's framework. It belongs into that application's \
            settings; take it out of redis.conf",
    },
    Family {
        begins: &["server-threads", "active-replica", "multi-master", "storage-provider"],
        is: "a directive of KeyDB, which Redis and Valkey do not have. Take it out",
    },
    Family {
        begins: &["vm-enabled", "vm-", "hash-max-zipmap", "gopher-enabled", "glueoutputbuf"],
        is: "a directive of old releases that was removed. Take it out",
    },
    Family {
        begins: &["list-max-ziplist-entries", "list-max-ziplist-value"],
        is: "a directive that 3.2 removed (list-max-listpack-size took its place). Take it out",
    },
    Family {
        begins: &["cluster-announce-human-nodename", "cluster-compatibility-sample-ratio"],
        is: "a directive that only some newer releases have (Redis 7.2 and later, not every \
            Valkey). Take it out, or run a release that knows it",
    },
];

/// The directive that was refused, and what it is.
pub(super) fn refused(seen: &Seen, hit: Hit) -> Hit {
    let marks = [">>> '", ">>> \""];
    let at = seen.lines.iter().position(|line| marks.iter().any(|mark| line.text.contains(mark)));
    let Some((at, text)) = at.and_then(|at| {
        let text = &seen.lines.get(at)?.text;
        let rest = marks.iter().find_map(|mark| text.split_once(mark))?.1;
        let rest = rest.trim();
        Some((at, rest.strip_suffix(['\'', '"']).unwrap_or(rest)))
    }) else {
        return hit;
    };
    let mut hit = Hit { quotes: Vec::new(), ..hit.clone() }.quote(at).quotes(hit.quotes);
    let Some(is) = meaning(text, seen) else { return hit };
    let name: String =
        text.split_whitespace().next().unwrap_or_default().chars().take(60).collect();
    hit = hit.fact("directive", name.trim_end_matches([':', '=']));
    let (what, step) = is.rsplit_once(". ").map_or((is.as_str(), ""), |(what, step)| (what, step));
    hit = hit.note(format!(
        "The refused line is '{}': {what}.",
        text.chars().take(100).collect::<String>()
    ));
    if step.is_empty() { hit } else { hit.step(format!("{}.", step.trim_end_matches('.'))) }
}

/// What a refused line is, and behind the last full stop what to do.
fn meaning(text: &str, seen: &Seen) -> Option<String> {
    let lower = text.to_lowercase();
    let name = lower.split_whitespace().next()?;
    if let Some(family) =
        FAMILIES.iter().find(|f| f.begins.iter().any(|begin| lower.starts_with(begin)))
    {
        return Some(format!("{name} is {}", family.is));
    }
    if name.ends_with(':') {
        return Some(format!(
            "'{name}' is written as in YAML. redis.conf has 'name value', without a colon: render \
             the file so, and start again"
        ));
    }
    let second = lower.split_whitespace().nth(1).unwrap_or_default();
    if name.contains('=') || second == "=" {
        return Some(format!(
            "'{name}' is written as in an ini file. redis.conf has 'name value', without an equals \
             sign: correct the line, and start again"
        ));
    }
    if text.contains("${") || text.contains("{{") || text.contains("$(") {
        return Some(
            "a variable or template in it was not replaced. Let the start script write the value \
             into the file (the server expands nothing)"
                .to_owned(),
        );
    }
    if text.contains(" #") {
        return Some(
            "a comment stands behind the value, which counts as further words. Put the comment \
             on a line of its own"
                .to_owned(),
        );
    }
    let (_, since) = SINCE.iter().find(|(known, _)| {
        name == *known || (known.ends_with('-') && name.starts_with(known)) || {
            ["hash-max-listpack", "zset-max-listpack", "list-max-listpack", "set-max-listpack"]
                .contains(known)
                && name.starts_with(known)
        }
    })?;
    let here = seen.version().map_or_else(String::new, |(major, minor)| {
        format!(" (the text speaks of {major}.{minor})")
    });
    Some(format!(
        "{name} exists since {since}{here}: an older server does not know it, and a newer one \
         refuses a wrong number of words. Look at redis-server --version on that very machine; \
         run {since} or later, or take the line out"
    ))
}
