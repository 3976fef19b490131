//! Memory: what is damaged, and what fills it though it is no data.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "MEMORY_DAMAGED",
        title: "A server asked for an impossible amount of memory: something in it is damaged",
        side: Side::Cluster,
        when: impossible,
        cause: "No machine has the memory that was asked for[[ (<<bytes>> bytes)]], so memory was \
            not short: a length or a pointer that was read is not what was written. Faulty RAM, a \
            damaged RDB or AOF, a module, or a bug of that version does that. More memory and \
            another maxmemory change nothing. If a forked child (role C in the log) met it, the \
            parent still runs and serves, but cannot save any more, and it meets the same value \
            itself when somebody reads it.",
        check: "dmesg, mcelog or ECC counters of the machine and a memory test; does it happen \
            again at the same place (same stack) on a replica of the shard? Only here: this \
            machine's memory; everywhere: the data or the version.",
        fix: &[
            "Copy the RDB and AOF as they are. Look at a replica: does BGSAVE succeed there?",
            "It does: if this node is the primary, CLUSTER FAILOVER on that replica; then let this \
             one come back with an empty directory beside its nodes.conf, on another machine, so \
             that it copies everything anew.",
            "It does not: upgrade to the last patch of the version, load a copy of the file \
             elsewhere, and find the key (redis-check-rdb, redis-check-aof without a change).",
        ],
        never: &[
            "Do not raise maxmemory or the limit for it.",
            "Do not let a replica copy from the damaged node as the only source.",
            "Do not delete the AOF or RDB: it may be the last readable copy.",
        ],
        like: &["SERVER_CRASHED", "AOF_OR_RDB_CORRUPT", "OOM_KILLED"],
    },
    Cause {
        code: "CLIENT_BUFFERS_FILL_MEMORY",
        title: "Client buffers, not data, fill the memory[[: <<bytes>> of <<most>>]]",
        side: Side::Application,
        when: buffers,
        cause: "Replies that clients do not read in time, and queries that they pile up, count as \
            used memory[[ (mem_clients_normal is <<bytes>> of maxmemory <<most>>)]]. At maxmemory \
            the server makes room for them by evicting keys (with noeviction: refuses writes), and \
            goes on for as long as the buffers grow; normal clients have no limit by default. Big \
            replies (MGET of thousands of keys, HGETALL, LRANGE 0 -1, KEYS, MONITOR) asked for \
            faster than they are read do that within seconds.[[ <<evicted>> keys were evicted so \
            far.]][[ The biggest: <<client>>.]] The slots, replication and failover have no part \
            in it.",
        check: "CLIENT LIST, sorted by omem (tot-mem since 6.2): which address and name, which \
            cmd; INFO memory: mem_clients_normal beside used_memory_dataset.",
        fix: &[
            "Stop or slow those clients (CLIENT KILL ID for the few worst), so that eviction ends.",
            "Limit them: 7.0 and later CONFIG SET maxmemory-clients 10% (the biggest clients are \
             dropped, not the keys), or CONFIG SET client-output-buffer-limit 'normal 536870912 \
             134217728 60' for all (in bytes: servers before 2019 leave units away there).",
            "In the application: smaller batches, SCAN in place of KEYS, read replies before the \
             next request. Then let the cache fill again.",
        ],
        never: &[
            "More maxmemory alone does not help: the buffers take it too.",
            "Do not repair slots or flush anything for it.",
        ],
        like: &["KEYS_EVICTED", "MAXMEMORY_REACHED", "BUS_BUFFER_GROWTH"],
    },
];

/// From here on a single request for memory is no real one: 64 TiB.
const IMPOSSIBLE_BYTES: u128 = 64 << 40;

/// `Out Of Memory allocating 5283932191711312175 bytes!`
fn impossible(seen: &Seen) -> Option<Hit> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once("memory allocating ")?;
        let digits = rest.split_whitespace().next()?;
        let bytes: u128 = digits.parse().ok()?;
        (bytes >= IMPOSSIBLE_BYTES)
            .then(|| Hit::of(94).quote(at).fact("bytes", digits))
            .map(|hit| hit.and(seen, 2, &["crashed by signal", "bug report start"]))
    })
}

/// The buffers are a large part of a memory that is full.
fn buffers(seen: &Seen) -> Option<Hit> {
    let of_clients = seen.number("mem_clients_normal")?;
    let (used, most) = (seen.number("used_memory")?, seen.number("maxmemory")?);
    let evicted = seen.number("evicted_keys").filter(|keys| *keys > 0);
    let full = most > 0 && used / 20 >= most / 20 - most / 400;
    let large = of_clients / 3 >= most / 10;
    (full && large).then(|| {
        let biggest = biggest_client(seen);
        Hit::of(88)
            .quotes(seen.field_line("mem_clients_normal"))
            .quotes(seen.field_line("used_memory"))
            .quotes(seen.field_line("evicted_keys").filter(|_| evicted.is_some()))
            .quotes(biggest.as_ref().map(|(at, _)| *at))
            .fact("bytes", human(of_clients))
            .fact("most", human(most))
            .fact_if("evicted", evicted.map(|keys| keys.to_string()))
            .fact_if("client", biggest.map(|(_, client)| client))
    })
}

/// The row of `CLIENT LIST` with the most output waiting.
fn biggest_client(seen: &Seen) -> Option<(usize, String)> {
    let word = |line: &str, name: &str| {
        line.split_whitespace().find_map(|w| w.strip_prefix(name).map(str::to_owned))
    };
    let rows = seen.lines.iter().enumerate().filter_map(|(at, line)| {
        let omem: u64 = word(&line.text, "omem=")?.parse().ok()?;
        let address = word(&line.text, "addr=").filter(|_| omem > 0)?;
        Some((omem, at, format!("{address}, cmd {}", word(&line.text, "cmd=")?)))
    });
    rows.max().map(|(_, at, client)| (at, client))
}

/// `13.2 GB`.
pub(super) fn human(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1 << 30 { (30, "GB") } else { (20, "MB") };
    let tenths = (u128::from(bytes) * 10 + (1 << (unit - 1))) >> unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        assert_eq!(human(14_211_800_576), "13.2 GB");
        assert_eq!(human(536_870_912), "512.0 MB");
        assert_eq!(human(31_031_138_713), "28.9 GB", "rounded");
    }

    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("CLIENT_BUFFERS_FILL_MEMORY");
        crate::explain::causes::reads_well_without_figures("MEMORY_DAMAGED");
    }
}
