//! Memory by its figures: what the allocator holds beside the data, and copies of one shard that
//! differ in what they hold.

use super::damaged::human;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::infos;
use crate::explain::seen::{Block, Seen};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "MEMORY_FRAGMENTED",
        title: "The process holds far more memory than its data: <<rss>> against <<used>>",
        side: Side::Platform,
        when: fragmented,
        cause: "used_memory (<<used>>) is what the server asked for, used_memory_rss (<<rss>>) what \
            the system gave it; the difference of <<more>> is held by the allocator: pages in \
            which only a part is still in use, after many keys of different sizes came and went. \
            [[The ratio is <<ratio>>. ]][[The data never was larger than <<peak>>, so it is no \
            memory left from an earlier peak. ]]maxmemory[[ (<<most>>)]] counts used_memory only \
            and does not bound it[[; of the machine's <<machine>> the process has <<share>> %]]. \
            A fork for a save or a sync comes on top: the danger is the kernel's OOM killer, not \
            maxmemory. Slots and replication have no part in it.",
        check: "INFO memory: allocator_frag_ratio (pages half used: defragmentation helps), \
            allocator_rss_ratio and rss_overhead_ratio (freed pages not given back: MEMORY PURGE \
            helps), mem_clients_normal (buffers); and MEMORY DOCTOR.",
        fix: &[
            "4.0 and later with jemalloc: CONFIG SET activedefrag yes, watch CPU and the ratio for \
             an hour (active-defrag-cycle-max bounds the CPU); 'cannot be enabled' means that the \
             build has no support for it. MEMORY PURGE gives freed pages back at once.",
            "Without it, one node at a time: start its replica anew (it copies the data into fresh \
             memory), wait until its link is up and the offset equal, CLUSTER FAILOVER on it, and \
             then the same with the former primary.",
            "Then leave room: maxmemory at 60 to 70 % of what the machine or container has.",
        ],
        never: &[
            "Do not lower maxmemory at once below used_memory: keys are evicted or writes refused, \
             and the memory still does not come back.",
            "Do not restart a primary whose replica is not in step.",
        ],
        like: &["OOM_KILLED", "MAXMEMORY_REACHED", "SAVE_DOUBLES_MEMORY"],
    },
    Cause {
        code: "COPIES_DIFFER_IN_MEMORY",
        title: "Two copies of one shard hold the same keys and very different memory: <<large>> \
            against <<small>>",
        side: Side::Cluster,
        when: copies_differ,
        cause: "By their INFO the two nodes have <<keys>> keys, so they agree on the data, and the \
            <<who>> uses <<large>> where the other one uses <<small>>. [[<<where>> ]]The link is \
            up: replication is not at fault.",
        check: "MEMORY STATS and MODULE LIST on both, and MEMORY USAGE of the same few keys on \
            both: larger there, it is how the keys are held; equal, it is beside the keys (a \
            module's index or a leak). Does used_memory of the larger one grow from hour to hour?",
        fix: &[
            "If the larger one is a replica: start it anew (it copies the data afresh), and look \
             at it after the copy and a day later. Small first and growing again is a leak of \
             that version or module: note both versions, take the newest patch release.",
            "If it is the primary: let its replica come up small and in step, CLUSTER FAILOVER on \
             the replica, then start the former primary anew as its replica.",
            "Until then watch the memory of that machine, and see that a failover to the larger \
             one would not reach maxmemory.",
        ],
        never: &["Do not empty or reset a node for it, and do not start both copies anew at once."],
        like: &["MEMORY_FRAGMENTED", "CLIENT_BUFFERS_FILL_MEMORY", "REPLICA_HAS_MORE_KEYS"],
    },
];

/// From here on the difference is worth a word.
const HELD_MIN: u64 = 1 << 30;

fn fragmented(seen: &Seen) -> Option<Hit> {
    infos::blocks(seen).find_map(|block| {
        let number = |name: &str| block.fields.number(name);
        let (used, rss) = (number("used_memory")?, number("used_memory_rss")?);
        let more = rss.checked_sub(used)?;
        if more < HELD_MIN || rss / 3 < used / 2 {
            return None;
        }
        let named = |name: &str| number(name).filter(|bytes| *bytes > 0);
        let peak = named("used_memory_peak").filter(|peak| rss / 5 > peak / 4);
        let machine = named("total_system_memory");
        let line = |name: &str| block.lines.get(name).copied();
        let hit = Hit::of(83)
            .quotes(line("used_memory"))
            .quotes(line("used_memory_rss"))
            .quotes(line("mem_fragmentation_ratio"))
            .fact("used", human(used))
            .fact("rss", human(rss))
            .fact("more", human(more))
            .fact_if("peak", peak.map(human))
            .fact_if("most", named("maxmemory").map(human))
            .fact_if("ratio", block.fields.get("mem_fragmentation_ratio").map(str::to_owned));
        Some(match machine {
            Some(all) => {
                let share = u128::from(rss) * 100 / u128::from(all);
                hit.fact("machine", human(all)).fact("share", share.to_string())
            }
            None => hit,
        })
    })
}

/// How many keys an `INFO` counts in its first database.
fn keys(block: &Block) -> Option<u64> {
    let row = block.fields.get("db0")?;
    row.split(',').find_map(|part| part.strip_prefix("keys=")?.parse().ok())
}

/// A primary's `INFO` and that of a replica of it: which follow from each other, as far as the text
/// shows.
pub(super) fn pair(seen: &Seen) -> Option<(&Block, &Block)> {
    let blocks: Vec<&Block> = infos::blocks(seen).collect();
    let primary = |block: &&&Block| block.fields.is("role", "master");
    let replica = |block: &&&Block| {
        let copy = block.fields.is("role", "slave") || block.fields.is("role", "replica");
        copy && block.fields.is("master_link_status", "up")
    };
    let (above, below) = (blocks.iter().find(primary)?, blocks.iter().find(replica)?);
    let id = |block: &Block| block.fields.get("master_replid").map(str::to_owned);
    let same = id(above).zip(id(below)).is_none_or(|(a, b)| a == b);
    let port = above.fields.number("tcp_port").zip(below.fields.number("master_port"));
    let leads = port.is_none_or(|(own, dialled)| own == dialled);
    (blocks.len() == 2 && same && leads).then_some((above, below))
}

fn copies_differ(seen: &Seen) -> Option<Hit> {
    let (primary, replica) = pair(seen)?;
    let (of_primary, of_replica) = (keys(primary)?, keys(replica)?);
    let used = |block: &Block| block.fields.number("used_memory");
    let (above, below) = (used(primary)?, used(replica)?);
    let near = of_primary.abs_diff(of_replica) <= of_primary / 20;
    let (large, small) = (above.max(below), above.min(below));
    if !near || large / 3 < small / 2 || large - small < HELD_MIN / 4 {
        return None;
    }
    let data = |block: &Block| block.fields.number("used_memory_dataset");
    let place = data(primary).zip(data(replica)).map(|(a, b)| {
        let differs = a.abs_diff(b) > (large - small) / 2;
        if differs {
            format!(
                "The difference is in what counts as data (used_memory_dataset {} on the primary, \
                 {} on the replica), not in buffers or overhead: memory of a module (an index of \
                 its own), keys held in another form, or a leak.",
                human(a),
                human(b)
            )
        } else {
            "The difference is in the overhead (buffers of clients and replicas, the backlog), not \
             in the data."
                .to_owned()
        }
    });
    let lines = [primary, replica].map(|block| block.lines.get("used_memory").copied());
    let counts = [primary, replica].map(|block| block.lines.get("db0").copied());
    Some(
        Hit::of(82)
            .quotes(lines.into_iter().flatten())
            .quotes(counts.into_iter().flatten())
            .fact("keys", format!("{of_primary} and {of_replica}"))
            .fact("who", if below > above { "replica" } else { "primary" })
            .fact("large", human(large))
            .fact("small", human(small))
            .fact_if("where", place),
    )
}

/// Below this a difference between memory and data is that of any process.
const SMALL: u64 = 256 << 20;

/// Figures that look alarming and are in order, each with its line and why.
pub(super) fn harmless(seen: &Seen) -> Vec<(usize, String)> {
    infos::blocks(seen).find_map(high_ratio).into_iter().chain(in_step(seen)).collect()
}

/// A ratio of a server that holds next to nothing.
fn high_ratio(block: &Block) -> Option<(usize, String)> {
    let ratio = block.fields.get("mem_fragmentation_ratio")?;
    let line = *block.lines.get("mem_fragmentation_ratio")?;
    let (used, rss) =
        (block.fields.number("used_memory")?, block.fields.number("used_memory_rss")?);
    let more = rss.checked_sub(used)?;
    (rss / 3 > used / 2 && more < SMALL).then(|| {
        let text = format!(
            "mem_fragmentation_ratio:{ratio} means nothing here: it is {} of the process against \
             {} of data, a difference of {} in all, which the program itself and its allocator \
             take in every server. The ratio tells something from some hundred megabytes of data \
             on; defragmenting or starting anew would gain nothing.",
            human(rss),
            human(used),
            human(more)
        );
        (line, text)
    })
}

/// A primary and its replica whose offsets were read at two moments.
fn in_step(seen: &Seen) -> Option<(usize, String)> {
    let (primary, replica) = pair(seen)?;
    let (at, copied) =
        (primary.fields.number("master_repl_offset")?, replica.fields.number("slave_repl_offset")?);
    let apart = at.abs_diff(copied);
    (apart < 1 << 20).then(|| {
        let text = format!(
            "Primary and replica are in step: the link is up, and the offsets {at} and {copied} are \
             {apart} bytes apart because they were read at two moments (a PING goes into the \
             stream every 10 seconds as well). repl_backlog_histlen is no lag: it is how much of \
             the past the primary keeps for a replica that comes back. What is behind is in the \
             slave0 row of the primary (offset against master_repl_offset, lag)."
        );
        (replica.lines.get("slave_repl_offset").copied().unwrap_or_default(), text)
    })
}
