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
    let empty = is_empty(text, seen);
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
    if step.is_empty() {
        return hit;
    }
    let hit = hit.step(format!("{}.", step.trim_end_matches('.')));
    // A directive that the server knows is not to be looked up for another version.
    let known = since(&name.to_lowercase()).is_some_and(|since| is_known(since, seen));
    let failed = seen.lines_with(&LOOKED_UP).into_iter().filter(|_| empty).take(1);
    let hit = hit.quotes(failed);
    if empty || known { hit.check(WORDS_CHECK).only_these_steps() } else { hit }
}

/// The check of a line whose words are wrong.
const WORDS_CHECK: &str = "The very line of the file that the server read (cat it in the container), \
    beside the script or template that wrote it.";

/// What a start script says when it did not find the address that it was to write.
const LOOKED_UP: [&str; 7] = [
    "address not available",
    "hostname: ",
    "pod_ip",
    "podip",
    "name or service not known",
    "unbound variable",
    "command not found",
];

/// Whether a line names a directive and no value.
fn is_empty(text: &str, seen: &Seen) -> bool {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default().to_lowercase();
    let bare = words.all(|word| word == "\"\"" || word == "''");
    let known = since(&name);
    let told = seen.lines.iter().any(|line| line.lower.trim() == "wrong number of arguments");
    bare && (known.is_some_and(|since| told || is_known(since, seen)) || (told && name.len() > 2))
}

/// The first release that knows a directive.
fn since(name: &str) -> Option<&'static str> {
    const PARTS: [&str; 4] =
        ["hash-max-listpack", "zset-max-listpack", "list-max-listpack", "set-max-listpack"];
    let begins =
        |known: &str| (known.ends_with('-') || PARTS.contains(&known)) && name.starts_with(known);
    SINCE.iter().find(|(known, _)| name == *known || begins(known)).map(|(_, since)| *since)
}

/// The version of the server that refused the file, or that the text names.
fn version(seen: &Seen) -> Option<(u32, u32)> {
    let refuses = seen.lines.iter().find_map(|line| {
        let rest = ["error (redis ", "error (valkey "]
            .iter()
            .find_map(|mark| line.lower.split_once(mark))?
            .1;
        let mut parts = rest.split(['.', ')']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    refuses.or_else(|| seen.version())
}

/// Whether the server is not older than the release that knows a directive.
fn is_known(since: &str, seen: &Seen) -> bool {
    let wanted = since
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    wanted.zip(version(seen)).is_some_and(|(wanted, here)| here >= wanted)
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
    of_version(name, text, seen)
}

/// What a line is whose form is right: a directive without its value, or one of another release.
fn of_version(name: &str, text: &str, seen: &Seen) -> Option<String> {
    if is_empty(text, seen) {
        return Some(format!(
            "{name} stands there without a value, so the number of words is wrong, not the name: \
             the start script wrote an empty variable ('hostname -i' failed, as it does in a \
             network of IPv6 only, or POD_IP is not set). Give the script an address that is there \
             (status.podIP of the downward API as POD_IP, or getent hosts for the own name), let \
             it end when the variable is empty, and start again; data and nodes.conf are as they were"
        ));
    }
    let since = since(name)?;
    let here = version(seen).map_or_else(String::new, |(major, minor)| {
        format!(" (the text speaks of {major}.{minor})")
    });
    if is_known(since, seen) {
        let old = if name.starts_with("cluster-replica-") && version(seen) == Some((5, 0)) {
            "; 5.0.0 and 5.0.1 refuse it all the same, a later 5.0 does not"
        } else {
            ""
        };
        return Some(format!(
            "{name} exists since {since}, and this server is not older{here}: the name is known, \
             so its value is wrong: too many words, none, a comment behind it{old}. Correct the \
             value, or take the line out (the default holds then), and start again"
        ));
    }
    let image = if seen.has(&["clusterversion"]) {
        " (clusterVersion in the manifest must fit the version of the image)"
    } else {
        ""
    };
    Some(format!(
        "{name} exists since {since}{here}: an older server does not know it, and a newer one \
         refuses a wrong number of words. Look at redis-server --version on that very machine; \
         run {since} or later, or take the line out{image}"
    ))
}
