//! Moves of whole slots that the servers do by themselves: CLUSTER MIGRATESLOTS (Valkey 9.0 and
//! later, sent to the source) and CLUSTER MIGRATION IMPORT (Redis 8.4 and later, sent to the
//! destination): refused, failed, or tried again without end.
//!
//! The refusals and errors are those of `cluster_migrateslots.c` (valkey-io/valkey#1949) and
//! `cluster_asm.c` (redis/redis#14414).

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, reply_value};

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "ASM_STUCK_OR_FAILED",
    title: "A slot migration that the servers do by themselves failed or stands still",
    side: Side::Cluster,
    when: slot_job,
    cause: "A job of CLUSTER MIGRATESLOTS (Valkey 9.0 and later) or CLUSTER MIGRATION (Redis 8.4 \
        and later) moves whole slots between two primaries[[; this one (slots <<slots>>) is \
        <<state>>]][[: <<why>>]]. Until the handover the source owns the slots and serves them, \
        so a failed job loses nothing; what was asked for is not done.[[ <<usual>>]]",
    check: "CLUSTER GETSLOTMIGRATIONS (Valkey) or CLUSTER MIGRATION STATUS ALL (Redis) at both \
        ends, with both logs at that time; and CLUSTER NODES: who owns the slots now?",
    fix: &[
        "Remove the reason that the message names; from the source's host, log in to the target's \
         client port with the replication user.",
        "Cancel what still runs (Valkey: CLUSTER CANCELSLOTMIGRATIONS at the source; Redis: \
         CLUSTER MIGRATION CANCEL at the destination), and start the job again.",
        "If a log says 'Write loss risk' or 'Write pause timeout during slot handoff', compare the \
         keys of both ends before anything is trimmed.",
    ],
    never: &[
        "Do not use SETSLOT on these slots while a job is under way.",
        "Do not run --cluster fix: the slots have an owner.",
    ],
    like: &["SLOT_OPEN", "REPLICA_AUTH_FAILED", "MIGRATE_AUTH_OR_TLS_FAILED"],
}];

/// Said when no line of the paste gives the reason.
const USUAL: &str = "Usual reasons: the target's client port, password (primaryauth, masterauth) \
    or TLS does not let the source in, a failover or restart at one end, an open slot of a move by \
    hand, an output buffer that is too small for the writes of the meantime, more writes than the \
    handover's limit lets pass.";

/// What a server answers in place of starting a job, what it means, and what is to be done.
const REFUSALS: &[(&[&str], &str, &str)] = &[
    (
        &[
            "all slot states must be stable",
            "slots are being manually imported",
            "slots are being manually migrated",
        ],
        "The server refused to begin: a slot is still marked migrating or importing by an earlier \
         move by hand (SETSLOT, a reshard that broke off), on this node. Such a move and a job of \
         the server exclude each other, for all slots.",
        "Finish or take back the old move first: CLUSTER NODES of this node shows the mark \
         ([slot->-id] or [slot-<-id]); count the keys of that slot on both sides (CLUSTER \
         COUNTKEYSINSLOT); slotwright explain SLOT_OPEN. Then start the job again.",
    ),
    (
        &["another asm task is already in progress", "i am already migrating slot"],
        "The server refused to begin: a job is under way already (Redis runs one at a time, Valkey \
         one for each slot).",
        "Wait for it (CLUSTER MIGRATION STATUS ALL, CLUSTER GETSLOTMIGRATIONS), or cancel it if it \
         is stuck; then ask for the next one.",
    ),
    (
        &[
            "unknown subcommand 'migrateslots'",
            "unknown subcommand 'migration'",
            "unknown subcommand 'getslotmigrations'",
        ],
        "The server is older than the command: CLUSTER MIGRATESLOTS is in Valkey 9.0 and later, \
         CLUSTER MIGRATION in Redis 8.4 and later, and neither knows the other's.",
        "Upgrade every node first, or move the slots with the tool as before (redis-cli or \
         valkey-cli --cluster reshard, without its option for atomic migration).",
    ),
    (
        &["this node is already the owner of the slot range"],
        "The command went to the owner. CLUSTER MIGRATION IMPORT is sent to the DESTINATION, which \
         fetches the slots (CLUSTER MIGRATESLOTS of Valkey is sent to the source).",
        "Send IMPORT to the node that is to have the slots, or leave it: they are here already.",
    ),
    (
        &["slots are not served by this node"],
        "The command went to a node that does not own these slots (now). CLUSTER MIGRATESLOTS is \
         sent to the owner, the source; after a failover or an earlier job that is another node.",
        "Look up the owner of now (CLUSTER SLOTS), and send it there.",
    ),
    (
        &["slot migration not allowed on replica", "slot migration can only be used on primary"],
        "The command went to a replica, perhaps since a failover.",
        "Send it to the primary of that shard (CLUSTER NODES).",
    ),
    (
        &["slots belong to different source nodes", "slot has no owner:"],
        "One job fetches from one source, and only slots that have an owner.",
        "One command for each source; give unowned slots an owner first (slotwright explain \
         UNASSIGNED_SLOTS_SHARD_FORGOTTEN).",
    ),
    (
        &["overlapping import exists for slot range", "slot ranges in migrations overlap"],
        "Two jobs name the same slot.",
        "Cancel the one that is not wanted, or name ranges that do not overlap.",
    ),
];

/// What ended a job, by the words of the error that it keeps.
const REASONS: &[(&[&str], &str)] = &[
    (
        &["to auth from", "failed to auth to target", "did not respond to auth"],
        "The other end did not take the login of the replication user: the password differs, or \
         the node answers slowly.",
    ),
    (
        &["failed to connect to source", "unable to connect to t", "connection refused"],
        "The other end's client port is not reachable from this one (address, firewall, TLS for \
         replication).",
    ),
    (
        &["data was flushed"],
        "FLUSHDB or FLUSHALL ran in between; the next try begins from the data of now.",
    ),
    (
        &["a failover occurred", "full resynchronization occurred", "process restarted"],
        "A failover or restart of the importing side ended the job; it is started again by hand, \
         at the primary of now.",
    ),
    (
        &["failed to send slots snapshot", "slot snapshot failed", "failed to start slot snapshot"],
        "The source's snapshot (a fork) did not succeed: its log says why (memory, a signal).",
    ),
    (
        &["timeout", "timed out"],
        "One end did not hear of the other in time: a stalled process, or a network that drops.",
    ),
];

/// A job in a reply of the servers, a message about one in a log, or a refusal to start one.
fn slot_job(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = refused(seen) {
        return Some(hit);
    }
    let asked = seen.lines_with(&["getslotmigrations", "cluster migration status", "migrateslots"]);
    let in_log = seen.says(
        88,
        &[
            "write loss risk! during slot migration",
            "write pause timeout during slot handoff",
            "slot migration failed",
            "slot import failed",
            "slot export failed",
            "asm task failed",
        ],
    );
    let failed_task = task_in_log(seen);
    let called = seen.says_all(80, &[&["migrateslots", "cluster migration import"], &["(error)"]]);
    let value = |name: &str| {
        let at = seen.lines.iter().position(|line| reply_value(&line.text) == name)?;
        let value = seen.lines.get(at + 1).map(|line| reply_value(&line.text))?;
        Some((at + 1, value)).filter(|(_, value)| !value.is_empty())
    };
    let state = value("state").filter(|_| !asked.is_empty() || value("slot_ranges").is_some());
    let ended = |state: &str| matches!(state, "failed" | "canceled" | "cancelled");
    let again =
        value("retries").filter(|(_, n)| n != "0").filter(|_| value("last_error").is_some());
    let by_reply = state
        .as_ref()
        .filter(|(_, state)| ended(state) || again.is_some())
        .map(|(at, _)| Hit::of(90).quote(*at));
    let why = value("message").or_else(|| value("last_error"));
    let hit = by_reply.or(failed_task).or(in_log).or(called)?;
    let error = why.as_ref().map(|(_, why)| why.to_lowercase());
    let text = error.or_else(|| hit.facts.get("why").map(|why| why.to_lowercase()));
    let hit = hit
        .quotes(why.as_ref().map(|(at, _)| *at))
        .quotes(asked.into_iter().take(1))
        .fact_if("state", value("state").map(|(_, state)| state))
        .fact_if("slots", value("slot_ranges").or_else(|| value("slots")).map(|(_, slots)| slots))
        .fact_if("why", why.map(|(_, why)| why));
    let hit = match again {
        Some((_, times)) => hit.note(format!("It was tried again {times} times already.")),
        None => hit,
    };
    if let Some(at) = dropped_for_its_buffer(seen) {
        return Some(hit.more_if(9, true).quote(at).note(BUFFER).step(MORE_BUFFER));
    }
    let text = text.unwrap_or_default();
    let reason = REASONS.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    Some(match reason {
        Some((_, means)) => hit.note(*means),
        None => hit.fact("usual", USUAL),
    })
}

/// `(error) ERR ...` of a command that was to start a job.
fn refused(seen: &Seen) -> Option<Hit> {
    REFUSALS.iter().find_map(|(words, means, step)| {
        let at = *seen.lines_with(words).first()?;
        // With the mark in the table the open slot itself is the answer, and this a consequence.
        let shown = seen.rows().any(|row| !row.open.is_empty());
        let hit = Hit::of(if shown { 80 } else { 91 }).quote(at);
        let asks = ["migrateslots", "cluster migration import"];
        Some(hit.quotes(seen.lines_with(&asks).into_iter().take(1)).note(*means).step(*step))
    })
}

/// `Import task <id> failed: slots=0-100, err=...` of Redis.
fn task_in_log(seen: &Seen) -> Option<Hit> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let task = line.lower.contains("import task ") || line.lower.contains("migrate task ");
        let (_, rest) = line.text.split_once(" failed: slots=").filter(|_| task)?;
        let (slots, error) = rest.split_once(", err=")?;
        let hit = Hit::of(90).quote(at).fact("slots", slots).fact("state", "failed");
        Some(hit.fact("why", error.trim().chars().take(160).collect::<String>()))
    })
}

/// The connection of a job that the source closed because its output buffer grew too big.
pub(super) fn dropped_for_its_buffer(seen: &Seen) -> Option<usize> {
    seen.lines.iter().position(|line| {
        line.lower.contains("overcoming of output buffer limits")
            && (line.lower.contains("cmd=cluster|syncslots") || line.lower.contains("cmd=cluster "))
    })
}

const BUFFER: &str = "The source itself closed the job's connection: while the snapshot went over, \
    the writes to these slots piled up in the job's output buffer beyond \
    client-output-buffer-limit replica. As long as that limit and the rate of writes are the \
    same, each new try ends so.";

const MORE_BUFFER: &str = "On the source: CONFIG SET client-output-buffer-limit 'replica \
    2147483648 1073741824 300' (2 GB and 1 GB in bytes, as far as its memory allows), and \
    move fewer slots in one job, at an hour with fewer writes.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_it_means_and_what_is_next() {
        for (words, means, step) in REFUSALS {
            assert!(!words.is_empty() && !means.is_empty() && !step.is_empty());
            assert!(words.iter().all(|word| *word == word.to_lowercase()));
        }
        assert!(REASONS.iter().all(|(words, means)| !words.is_empty() && !means.is_empty()));
    }
}
