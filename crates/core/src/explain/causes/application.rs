//! Commands and keys that a cluster does not allow.

use super::products::{self, Stands};
use super::{adapters, other_db, scripts, wrapped};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::template::list;
use crate::model::Slot;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "CROSSSLOT_NO_HASH_TAG",
        title: "One command or script uses keys of different slots: they need a common hash tag",
        side: Side::Application,
        when: crossslot,
        cause: "All keys of one command, transaction or Lua script must be in the same slot. \
            [[These keys are not: <<keys>>. ]][[<<untagged>> ]]In a cluster keys share a slot only \
            when the part in braces, the hash tag, is the same. Nothing is wrong with the \
            cluster.[[ <<library>>]]",
        check: "CLUSTER KEYSLOT of the keys in the message: different numbers prove it.",
        fix: &[
            "[[<<remedy>> ]]Give keys that belong together a common hash tag, for example {order:42}:items and \
             {order:42}:total; a prefix with braces puts all of them into one slot.",
            "Existing keys under the old names must be drained or copied; do not mix old and new prefix.",
            "Where keys need not be together, split the command by slot (several MGET, pipelines per node).",
        ],
        never: &[
            "Do not run --cluster fix and do not reshard: the slots are right.",
            "Do not switch off full coverage, it has nothing to do with it.",
        ],
        like: &["UNSUPPORTED_IN_CLUSTER"],
    },
    Cause {
        code: "SELECT_NOT_ALLOWED",
        title: "A cluster has database 0 only",
        side: Side::Application,
        when: |seen| {
            seen.says(
                92,
                &[
                    "select is not allowed in cluster mode",
                    "move is not allowed in cluster mode",
                    "swapdb is not allowed",
                    "db index is out of range",
                ],
            )
            .map(|hit| other_db::told(seen, hit))
        },
        cause: "[[<<who>> ]]In cluster mode there is database 0 only (Valkey 9 and later can \
            have more with cluster-databases). The cluster is healthy.",
        check: "The db or database option, or '/1' at the end of the URL.",
        fix: &[
            "Use database 0 and keep the applications apart by a key prefix (or a cluster of their own).",
        ],
        never: &["Do not change the servers for it."],
        like: &["NON_CLUSTER_CLIENT"],
    },
    Cause {
        code: "KEYS_IN_DB_NONZERO",
        title: "The data file has keys in a database other than 0",
        side: Side::Cluster,
        when: |seen| {
            seen.says(92, &["keys in a db different than db 0", "you can't have keys in a db"])
        },
        cause: "The server stops at start: the RDB or AOF comes from a single server that used several databases, and a \
            cluster node may have keys in database 0 only.",
        check: "Load a copy in a server without cluster mode: INFO keyspace.",
        fix: &[
            "On a copy, in a server without cluster mode, move the keys to database 0 (mind equal names), save, and use \
            that file.",
        ],
        never: &["Do not delete the data file to make it start."],
        like: &["SELECT_NOT_ALLOWED"],
    },
    Cause {
        code: "UNSUPPORTED_IN_CLUSTER",
        title: "The library refuses this command or transaction in cluster mode",
        side: Side::Application,
        when: |seen| {
            seen.says(
                78,
                &[
                    "is not supported in cluster mode",
                    "not supported in cluster",
                    "not supported for jedisclusterconnection",
                    "not supported for lettuceclusterconnection",
                    "is blocked in redis cluster",
                    "is blocked when running redis in cluster mode",
                    "with redis-cluster",
                    "watch requires all keys to be in the same slot",
                    "pipeline keys must",
                    "cannot use multi",
                    "multi is not supported",
                    "transactions are not supported",
                    "option of sort denied in cluster mode",
                    "denied in cluster mode",
                    "not allowed in cluster mode",
                    "is not allowed in redis cluster",
                    "all keys in the pipeline should belong",
                    "cannot get connection for command with multiple hash slots",
                    "no way to dispatch this command to redis cluster",
                    "cluster mode only supports",
                ],
            )
            .map(|hit| products::owned(seen, hit))
        },
        cause: "Transactions, pipelines, scripts and multi-key commands work on one node and one \
            slot at a time. The library refuses what it would have to spread over several nodes, \
            and a script may touch only keys that it was given in KEYS and that are in one slot. \
            The cluster is healthy.",
        check: "CLUSTER KEYSLOT of all keys concerned.",
        fix: &[
            "Use a hash tag so that the keys share a slot, pass every key in KEYS, or split the operation.",
        ],
        never: &["Do not change the cluster for it."],
        like: &["CROSSSLOT_NO_HASH_TAG"],
    },
    Cause {
        code: "SCAN_OR_KEYS_ONE_NODE",
        title: "KEYS, SCAN, DBSIZE and FLUSH act on one node only",
        side: Side::Application,
        when: |seen| {
            let told = seen.says_all(
                62,
                &[
                    &["keys *", "scan", "dbsize"],
                    &[
                        "missing",
                        "only some",
                        "not all keys",
                        "different",
                        "incomplete",
                        "some keys",
                        "only returns",
                        "empty",
                    ],
                ],
            )?;
            (!seen.has(&["[err]", "cluster_state:fail"])).then_some(told)
        },
        cause: "These commands look at the one node that is asked. In a cluster each primary has a part of the keys, so \
            the answer is a part. Nothing is missing.",
        check: "DBSIZE on each primary: the sum is the whole.",
        fix: &[
            "Run it on every primary (redis-cli --cluster call, ioredis nodes('master'), redis-py target_nodes, \
            go-redis ForEachMaster).",
        ],
        never: &["Do not use KEYS on busy servers; use SCAN."],
        like: &["NON_CLUSTER_CLIENT"],
    },
    Cause {
        code: "KEYS_FLUSHED",
        title: "Somebody emptied the node: FLUSHALL or FLUSHDB was called",
        side: Side::Application,
        when: flushed,
        cause: "The server counts calls of a command that deletes every key of a node: <<calls>>. \
            FLUSHALL and FLUSHDB act on the one node they are sent to (and its replicas), so a \
            part of the keys vanishes, while slots, links and state stay well. It comes from a \
            job, a test, a cache-clear of a framework, or an attacker where the port is open.",
        check: "INFO commandstats on each primary, twice around the time of the loss; ACL LOG, CLIENT \
            LIST and the jobs of that hour; MONITOR for a moment at that time.",
        fix: &[
            "Take the right away from everybody but the administrator, on all nodes: ACL SETUSER \
             <user> -@dangerous, and mend the job.",
            "Bring the keys back from an RDB or AOF of before that time: copy those files away now, \
             the next save overwrites them.",
        ],
        never: &["Do not repair slots for it, and do not restart the node before its files are \
             copied."],
        like: &["KEYS_EVICTED", "SERVER_ATTACKED"],
    },
    Cause {
        code: "PUBSUB_IN_CLUSTER",
        title: "Publish/subscribe behaves otherwise in a cluster[[: <<what>>]]",
        side: Side::Application,
        when: super::keyspace_events::published,
        cause: "PUBLISH goes to all nodes; keyspace notifications are NOT passed on: they appear \
            only on the node that owns the key; sharded channels (SSUBSCRIBE) belong to one slot. \
            A client subscribed to one node misses what happens on the others.",
        check: "Subscribe on each primary: does the message appear on the owner of the key?",
        fix: &[
            "Subscribe to notifications on every primary (and after a failover again); use SSUBSCRIBE with channels of \
            one slot where it fits.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "SCRIPTS_NOSCRIPT",
        title: "The script is not cached on this node",
        side: Side::Application,
        when: |seen| seen.says(88, &["noscript no matching script", "noscript"]),
        cause: "EVALSHA works only on nodes where the script was loaded. Each node has its own cache; it is empty after a \
            restart, on a new node, and on a promoted replica.",
        check: "SCRIPT EXISTS <sha> on every primary.",
        fix: &[
            "Fall back to EVAL on NOSCRIPT (most libraries do it by themselves), or SCRIPT LOAD on all primaries; in a \
            pipeline use EVAL.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["FUNCTIONS_MISSING"],
    },
    Cause {
        code: "FUNCTIONS_MISSING",
        title: "Functions are not on all primaries",
        side: Side::Application,
        when: |seen| seen.says(86, &["function not found", "library not found"]),
        cause: "FUNCTION LOAD is replicated within a shard only; other primaries, and those that were added later, do not \
            have the library.",
        check: "FUNCTION LIST on every primary.",
        fix: &[
            "FUNCTION DUMP on one that has it, FUNCTION RESTORE on the other primaries; load on all in deployments.",
        ],
        never: &["Do not repair slots for it."],
        like: &["SCRIPTS_NOSCRIPT"],
    },
    Cause {
        code: "TRANSACTION_ABORTED",
        title: "The transaction was discarded because of an earlier error",
        side: Side::Application,
        when: |seen| seen.says(58, &["execabort transaction discarded"]),
        cause: "EXECABORT is only the consequence: one of the queued commands was refused before (MOVED, CROSSSLOT, a wrong \
            argument).",
        check: "The error of the first queued command that failed.",
        fix: &["Mend that; in a cluster send the whole transaction to the owner of its one slot."],
        never: &["Do not repair the cluster for it."],
        like: &["CROSSSLOT_NO_HASH_TAG", "NON_CLUSTER_CLIENT"],
    },
];

/// `cmdstat_flushall:calls=3`, in a text that misses keys.
fn flushed(seen: &Seen) -> Option<Hit> {
    let missed =
        ["vanish", "disappear", "are gone", "missing", "dbsize 0", "(integer) 0", "lost", "empty"];
    let called = |lower: &str| {
        let (_, rest) = lower.split_once("cmdstat_flush")?;
        let (name, rest) = rest.split_once(":calls=")?;
        let calls: u64 = rest.split(',').next()?.parse().ok()?;
        (calls > 0).then(|| format!("flush{name} {calls} times"))
    };
    let mut found =
        seen.lines.iter().enumerate().filter_map(|(at, line)| Some((at, called(&line.lower)?)));
    let (at, calls) = found.next()?;
    seen.has(&missed).then(|| Hit::of(78).quote(at).fact("calls", calls))
}

fn crossslot(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(
        94,
        &[
            "crossslot",
            "don't hash to the same slot",
            "multi-key operations must involve a single slot",
            "keys must map to the same",
            "all keys must map to the same key slot",
            "because keys have different slots",
            "keys in request don't hash",
            "do not map to the same slot",
            "must belong to same hashslot",
            "received crossed slots",
            "mapped to different slots",
            "transactionconsistencyerror",
            "access a non local key",
            "access keys that do not hash to the same slot",
            "keys belong to different slots",
            "keys must be in the same slot",
            "keys must in same slot",
            "keys must be in same slot",
            "must be in the same slot",
            "keys have to be in the same slot",
            "keys hash to multiple slots",
        ],
    )?;
    let keys: Vec<String> = seen
        .lines
        .iter()
        .flat_map(|line| line.text.split(['\'', '"']).filter(|word| looks_like_key(word)))
        .map(str::to_owned)
        .chain(params(seen))
        .take(12)
        .collect();
    let told: Vec<String> =
        keys.iter().map(|key| format!("{key} (slot {})", Slot::of_key(key.as_bytes()))).collect();
    let untagged = !keys.is_empty() && keys.iter().all(|key| !key.contains('{'));
    let product = products::named(seen).filter(|product| product.stands != Stands::Watches);
    let lines = keys.first().map(|key| key.to_lowercase());
    let lines = lines.map(|key| seen.lines_with(&[key.as_str()])).unwrap_or_default();
    let hit = scripts::undeclared(seen, renamed(seen, hit));
    let hit = match product {
        None => wrapped::one_transaction(seen, adapters::second_key(seen, hit)),
        Some(_) => hit,
    };
    Some(
        hit.quotes(lines.into_iter().take(2))
            .fact_if("keys", (told.len() > 1).then(|| list(&told, 3)))
            .fact_if("remedy", product.map(|product| product.setting))
            .fact_if("library", product.map(|product| product.why))
            .fact_if(
                "untagged",
                untagged.then_some("The names carry no {hash tag}, so each whole name is hashed."),
            ),
    )
}

/// The keys of a command as Redisson prints it: `command: (RENAME), params: [one, other]`.
fn params(seen: &Seen) -> Vec<String> {
    let lists = seen.lines.iter().filter_map(|line| {
        let command = line.text.split_once("command: (")?.1;
        let (_, rest) = command.split_once("params: [")?;
        Some(rest.split(']').next()?.split(", "))
    });
    lists.flatten().filter(|word| looks_like_key(word)).map(str::to_owned).collect()
}

/// RENAME has two keys, and few see it in the calls of their framework.
fn renamed(seen: &Seen, hit: Hit) -> Hit {
    let word = |text: &str| {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| matches!(word, "RENAME" | "RENAMENX" | "rename" | "renamenx"))
    };
    let Some(at) = seen.lines.iter().position(|line| word(&line.text)) else { return hit };
    let hit = hit.quote(at).note(
        "The command is RENAME: it takes two keys, the old name and the new one, and in a cluster \
         these are in different slots unless a hash tag binds them.",
    );
    if !seen.has(&["session"]) {
        return hit.step(
            "In place of RENAME: DUMP the old key, RESTORE it with its time to live under the new \
             name, then delete the old one (Spring Data Redis does it so in a cluster); or a tag \
             in both names.",
        );
    }
    let library = match seen.client() {
        Some("Redisson") => {
            "Redisson to its newest release (this was mended more than once, for sessions of Spring \
             and of Tomcat)"
        }
        _ => "the session library (Spring Session with Spring Data Redis, Redisson)",
    };
    hit.note(
        "The names are those of a web session: at login the framework changes the session id \
         against fixation (changeSessionId of the servlet container, also called rotate), and the \
         library renames the session's keys to the new id. Each login fails by it, whatever the \
         servers do.",
    )
    .step(format!(
        "Upgrade {library}; until then let Spring Security make a new session at login and copy \
         the attributes (sessionFixation().migrateSession()) in place of changing the id."
    ))
}

fn looks_like_key(word: &str) -> bool {
    word.len() > 3
        && word.len() < 120
        && word.contains(':')
        && !word.contains(' ')
        && !word.contains('/')
        && !word.starts_with(':')
        && !word.ends_with(':')
        && !is_time(word)
        && !is_place(word)
}

/// `cache.prod.svc:6379`, which is no key.
fn is_place(word: &str) -> bool {
    let place = word.rsplit_once(':').filter(|(host, _)| host.contains('.') && !host.contains(':'));
    place.is_some_and(|(_, port)| port.len() >= 4 && port.parse::<u16>().is_ok())
}

/// `2019-01-31T20:49:46.279+00:00`, which is no key.
fn is_time(word: &str) -> bool {
    let mut parts = word.split(['-', 'T', ' ', ':']);
    let numbers = parts.by_ref().take(4).filter(|part| part.parse::<u16>().is_ok()).count();
    numbers == 4 && word.contains('-')
}
