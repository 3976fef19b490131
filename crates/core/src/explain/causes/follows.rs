//! Why a client that knows clusters shows MOVED all the same: the command it sent, or the form in
//! which it sent it.
//!
//! A plain client shows every MOVED; these rows need a sign that the client is none. What only a
//! map from before a change explains is `CLIENT_STALE_TOPOLOGY`.

use super::aware::is_aware;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "SCRIPT_ON_REPLICA_REDIRECTED",
        title: "A script was sent to a replica, which redirects it although READONLY was sent",
        side: Side::Application,
        when: script_on_replica,
        cause: "A replica answers only commands that are known to be reads after READONLY. EVAL, \
            EVALSHA and FCALL are not: the server cannot know what the script will do, so the \
            replica answers MOVED to its primary (getNodeByQuery, redis/redis#3513). A plain read \
            of the same key works there. The cluster is healthy, and the replica is in sync as far \
            as this shows.",
        check: "On the same connection: READONLY, then GET of the key (answered), then EVAL \
            (MOVED). INFO server: from 7.0 on EVAL_RO of the same script is answered.",
        fix: &[
            "From 7.0 on: EVAL_RO, EVALSHA_RO or FCALL_RO (or a script that begins with \
             '#!lua flags=no-writes'), which a replica runs after READONLY; the client must know \
             them as reads.",
            "Before 7.0: send scripts to the primary (take them out of the read-from-replicas \
             setting of the client).",
        ],
        never: &["Do not make replicas writable, and do not move slots for it."],
        like: &["NON_CLUSTER_CLIENT", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "TRANSACTION_ON_OLD_MAP",
        title: "Transactions go on to the node that owned the slot before",
        side: Side::Client,
        when: transaction_on_old_map,
        cause: "The slot has another owner since the failover or move, and the node that had it \
            answers MOVED, inside MULTI too (EXEC then says only EXECABORT). Single commands \
            follow MOVED and renew the client's map; a transaction or pipeline is bound to one \
            node when it begins, and many libraries neither repeat it elsewhere nor renew the map \
            by its errors. So a program that sends nothing else fails until something renews the \
            map. The cluster is healthy.",
        check: "A single command for the same key through the same client (GET), then the \
            transaction again: it works. MULTI and the commands with redis-cli -c work as well.",
        fix: &[
            "Now: restart the process, or send one single command for that key through the client; \
             both make it read the map anew.",
            "Then upgrade the library to its newest release, switch a periodic refresh of the map \
             on where it has one, and let the program repeat a transaction that failed with MOVED \
             or EXECABORT after a single command (nothing of it was executed).",
        ],
        never: &[
            "Do not fail back and do not move the slots back for it.",
            "Do not repeat blindly what may have been executed: after MOVED and EXECABORT nothing \
             was, after a timeout it may have been.",
        ],
        like: &["CLIENT_STALE_TOPOLOGY", "TRANSACTION_ABORTED", "NON_CLUSTER_CLIENT"],
    },
    Cause {
        code: "COMMAND_KEY_NOT_FOUND_BY_CLIENT",
        title: "The client sends this command to the wrong node: it takes another word for the key",
        side: Side::Client,
        when: key_in_another_place,
        cause: "The client chooses the node by the command's key, and knows where the key stands \
            from a table of its own. In [[<<command>>]] it is not the first word behind the \
            command, and this release takes the wrong one (or none) for it, so a node is asked \
            that does not own the slot. A pipeline then shows MOVED in place of following it. The \
            cluster is healthy.",
        check: "The same command with redis-cli -c works, and GET or TYPE of the same key works \
            through the client: then it is this command's place of the key.",
        fix: &[
            "Upgrade the library; until then send this command singly (outside of the pipeline), or \
             to the node of the slot by the library's own way to name a node or route.",
        ],
        never: &["Do not move slots because of MOVED."],
        like: &["NON_CLUSTER_CLIENT", "CLIENT_STALE_TOPOLOGY"],
    },
];

/// Options by which a client sends the script itself to a replica. What reads from replicas in
/// general (ioredis scaleReads, go-redis ReadOnly) keeps scripts on primaries, by the commands'
/// flags.
const SENT_TO_REPLICA: [&str; 6] = [
    "demandreplica",
    "preferreplica",
    "demandslave",
    "preferslave",
    "mode.read_only",
    "evalreadonly",
];

/// Lines of a script that is run.
const SCRIPTS: [&str; 6] = ["eval ", "evalsha ", "fcall ", "'evalsha'", "'eval'", "name: 'eval"];

/// The words that servers run on replicas.
const READ_SCRIPTS: [&str; 5] = ["eval_ro", "evalsha_ro", "fcall_ro", "no-writes", "evalro"];

fn script_on_replica(seen: &Seen) -> Option<Hit> {
    if seen.has(&READ_SCRIPTS) {
        return None;
    }
    // The answer stands on the script's own line, or at most two below it.
    let redirect = seen.redirects.iter().find(|one| {
        let from = one.line.saturating_sub(2);
        let near = seen.lines.get(from..=one.line).unwrap_or_default();
        near.iter().any(|line| SCRIPTS.iter().any(|word| line.lower.contains(word)))
    })?;
    let sent = seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let asks =
                ask.lower.trim_end().ends_with("> readonly") || ask.lower.trim() == "readonly";
            asks && answer.text.trim() == "OK"
        }
        _ => false,
    });
    let option = seen.lines_with(&SENT_TO_REPLICA);
    let by = sent.or(option.first().copied())?;
    let me = seen.tables.iter().find_map(|table| {
        let me = table.myself().filter(|me| !me.is_primary())?;
        let primary = me.primary.as_deref()?;
        table.rows.iter().find(|row| row.id == primary)
    });
    let elsewhere = me.is_some_and(|row| row.address.ip != redirect.host);
    let score = if sent.is_some() { 92 } else { 78 };
    (!elsewhere).then(|| Hit::of(score).quote(by).quote(redirect.line))
}

/// Words for a transaction or pipeline, as clients and code write them.
const TRANSACTIONS: [&str; 14] = [
    "multi()",
    ".multi(",
    "createtransaction",
    "txpipeline",
    "transaction",
    "execabort",
    "multi/exec",
    "multi and exec",
    "_executemulti",
    "exec()",
    "sessioncallback",
    "watch(",
    "tx failed",
    "pipeline(",
];

/// Words for a change of owners.
const CHANGES: [&str; 18] = [
    "failover",
    "failed over",
    "promoted",
    "reshard",
    "rebalance",
    "slot migration",
    "slots were moved",
    "moved slots",
    "new shard",
    "third shard",
    "another shard",
    "added a shard",
    "added a node",
    "scaled",
    "scale out",
    "scaling",
    "switched roles",
    "new primary",
];

fn transaction_on_old_map(seen: &Seen) -> Option<Hit> {
    let change = *seen.lines_with(&CHANGES).first()?;
    let transaction = *seen.lines_with(&TRANSACTIONS).first()?;
    let aborted = seen.lines_with(&["execabort"]);
    let moved = seen.redirects.first().map(|one| one.line);
    let failed = moved.or(aborted.first().copied())?;
    let aware =
        is_aware(seen) || seen.client().is_some_and(|client| client == "StackExchange.Redis");
    let keys = seen.has(&["crossslot", "same slot", "wrong number of arguments", "wrongtype"]);
    if !aware || keys {
        return None;
    }
    let restart = seen.has(&["restart"]);
    Some(
        Hit::of(if moved.is_some() { 84 } else { 76 })
            .more_if(6, restart)
            .quote(failed)
            .quote(change)
            .quote(transaction),
    )
}

/// Commands whose key is not the first word behind the command's name.
const LATER_KEYS: [&str; 19] = [
    "memory usage",
    "object encoding",
    "object freq",
    "object idletime",
    "object refcount",
    "debug object",
    "xinfo stream",
    "xinfo groups",
    "xinfo consumers",
    "xgroup create",
    "xreadgroup",
    "xread",
    "bitop",
    "sintercard",
    "zintercard",
    "zmpop",
    "lmpop",
    "zunion",
    "zinter",
];

fn key_in_another_place(seen: &Seen) -> Option<Hit> {
    let redirect = seen.redirects.first()?;
    let aware =
        is_aware(seen) || seen.has(&["clusterpipeline", "cluster_pipeline", "clusterclient"]);
    if !aware {
        return None;
    }
    let (at, command) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let plain: String =
            line.lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
        let plain = plain.split_whitespace().filter(|word| *word != "arg").collect::<Vec<_>>();
        let plain = plain.join(" ");
        let found = LATER_KEYS.iter().find(|command| plain.contains(**command))?;
        Some((at, *found))
    })?;
    let works = seen.has(&["redis-cli -c", "valkey-cli -c"]);
    Some(
        Hit::of(80)
            .more_if(8, works)
            .quote(redirect.line)
            .quote(at)
            .fact("command", command.to_uppercase()),
    )
}
