//! The child that saves or copies, ended by a signal: which one, how often, and whether the
//! machine has room for a second copy at all.

use super::damaged::human;
use crate::explain::cause::Hit;
use crate::explain::clock::between;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// What a primary says when the child was to make a copy for a replica.
const FOR_A_REPLICA: [&str; 7] = [
    "bgsave for sync",
    "bgsave for replication",
    "sync failed. bgsave child",
    "asks for synchronization",
    "full resync requested",
    "state=wait_bgsave",
    "background rdb transfer",
];

/// From this share of the machine on, in percent, a copy can find no room.
const TIGHT: u128 = 65;

/// A child that a signal ended.
struct Kill {
    line: usize,
    signal: u32,
}

fn kills(seen: &Seen) -> Vec<Kill> {
    let of_child = |lower: &str| {
        let child = ["background saving", "background aof", "background transfer"];
        child.iter().chain(&["background rdb transfer"]).any(|name| lower.contains(name))
    };
    let found = seen.lines.iter().enumerate().filter_map(|(line, text)| {
        let (_, rest) = text.lower.split_once("terminated by signal ")?;
        let signal = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        of_child(&text.lower).then_some(Kill { line, signal })
    });
    found.collect()
}

/// What each signal says of its sender.
fn sender(signal: u32) -> &'static str {
    match signal {
        9 => {
            "Signal 9 comes from outside, and nearly always from the kernel, for want of memory: \
             the child shares the pages of the server, and each page that is written meanwhile \
             exists twice. The server itself lives on."
        }
        7 | 11 => {
            "Signals 7 and 11 are a crash of the child itself: a broken disk or memory, or a fault \
             of the server (its stack is in the log)."
        }
        _ => {
            "Signals 10 and 15 are sent by the server itself, because it stops, begins a new copy \
             or was asked to; or by whoever stops the service."
        }
    }
}

/// The child was ended by a signal, by the server's own line.
pub(super) fn ended(seen: &Seen) -> Option<Hit> {
    let kills = kills(seen);
    let first = kills.first()?;
    let hit = Hit::of(72).quote(first.line).note(sender(first.signal));
    if first.signal != 9 {
        return Some(hit);
    }
    let copy = seen.lines_with(&FOR_A_REPLICA);
    let hit = by_the_kernel(seen, memory(seen, hit));
    if copy.is_empty() {
        return Some(hit.step(ROOM).step(KEEP).only_these_steps());
    }
    let failed = seen.lines_with(&["sync failed. bgsave child"]);
    let hit = again(seen, &kills, hit).quotes(failed.into_iter().take(1));
    Some(
        hit.more_if(6, true)
            .fact("why", "the copy for a replica never gets done")
            .note(
                "A full copy for a replica needs this child, so the copy breaks off and the \
                 replica begins anew: neither the network, nor a time-out, nor the replica is at \
                 fault, and waiting changes nothing. Until one copy is through, this primary has \
                 the only full one.",
            )
            .step(ROOM_FOR_COPY)
            .step(OVERCOMMIT)
            .step(ONE_COPY)
            .only_these_steps(),
    )
}

const ROOM: &str = "Leave room for a second copy of what is written during a save: maxmemory (and \
    used_memory) at 60 to 70 % of the machine or of the container's limit, vm.overcommit_memory=1, \
    saves when few writes come.";

const KEEP: &str = "Until saves succeed there is no new copy on disk, and full syncs fail too: \
    have a replica in sync before anything is restarted.";

const ROOM_FOR_COPY: &str = "Make room at the PRIMARY first: move slots from it to shards or new \
    primaries that have memory (--cluster reshard), or let keys go that the application can spare, \
    until used_memory is at 60 to 70 % of the machine (or of the container's limit). A replica of \
    this shard that is in sync (state=online) on a machine with more memory can take over instead \
    (CLUSTER FAILOVER) and make the copies.";

const OVERCOMMIT: &str = "vm.overcommit_memory=1 and transparent huge pages off on that machine; \
    no other save or rewrite at the time, and as few writes as possible. repl-diskless-sync \
    spares the disk, not the memory: it forks as well. Larger output buffers, backlog or \
    time-outs mend nothing here and take memory from the same machine.";

const ONE_COPY: &str = "Then let ONE replica copy, and go on with other nodes only when INFO \
    replication of the primary shows it with state=online and its offset equal.";

/// How often it was killed, and after which time.
fn again(seen: &Seen, kills: &[Kill], hit: Hit) -> Hit {
    let began = |line: usize| {
        let before = seen.lines.get(..line).unwrap_or_default();
        let marks = ["starting bgsave", "background saving started", "bgsave for replication"];
        let started = |lower: &str| marks.iter().any(|mark| lower.contains(mark));
        before.iter().rposition(|other| started(&other.lower))
    };
    let lasted = |kill: &Kill| {
        let seconds = between(seen, began(kill.line)?, kill.line)?;
        Some(format!("{seconds} s"))
    };
    let times: Vec<String> = kills.iter().filter_map(lasted).take(4).collect();
    let last = kills.last().map(|kill| kill.line);
    match times.len() {
        0 => hit,
        1 => hit.note(format!("Here it was killed {} after its start.", list(&times, 1))),
        _ => hit.quotes(last).more_if(2, true).note(format!(
            "Here {} children were killed one after the other, {} after their start.",
            kills.len(),
            list(&times, 4)
        )),
    }
}

/// `2.50G` of a field that is written for people, or the bytes of the other one.
fn bytes(seen: &Seen, name: &str) -> Option<(u64, usize)> {
    if let Some(exact) = seen.number(name) {
        return Some((exact, seen.field_line(name)?));
    }
    let told = format!("{name}_human");
    let value = seen.field(&told)?;
    let shift = match value.chars().last()? {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => 0,
    };
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let hundredths = format!("{part:0<2}").get(..2)?.parse::<u64>().ok()?;
    let all = whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
    Some((all.checked_mul(1 << shift)? / 100, seen.field_line(&told)?))
}

/// How much of the machine the server has already.
fn memory(seen: &Seen, hit: Hit) -> Hit {
    let machine = bytes(seen, "total_system_memory").filter(|(all, _)| *all > 0);
    let (Some((used, at)), Some((all, total))) = (bytes(seen, "used_memory"), machine) else {
        return hit;
    };
    let share = u128::from(used) * 100 / u128::from(all);
    let hit = hit.quote(at).quote(total);
    if share < TIGHT {
        return hit.note(format!(
            "used_memory is {} of the machine's {} ({share} %): look at the limit of the container \
             or service too, and at what else runs there.",
            human(used),
            human(all)
        ));
    }
    let unbound = bytes(seen, "maxmemory").filter(|(most, _)| *most == 0).map(|(_, at)| at);
    let hit = hit.quotes(unbound).more_if(4, true).note(format!(
        "used_memory is {} of the machine's {} ({share} %), so {} are left for everything that is \
         written while the child runs.",
        human(used),
        human(all),
        human(all.saturating_sub(used))
    ));
    if unbound.is_some() { hit.note("maxmemory is 0: nothing bounds it.") } else { hit }
}

/// The kernel's own line about a child of the log.
fn by_the_kernel(seen: &Seen, hit: Hit) -> Hit {
    let pids = seen.lines.iter().filter_map(|line| {
        let (_, rest) = line.lower.split_once("started by pid ")?;
        let pid = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        (!pid.is_empty()).then(|| pid.to_owned())
    });
    let killed = |pid: &str| {
        seen.lines.iter().position(|line| {
            let kernel = ["out of memory", "killed process", "oom-kill"];
            let words = line.lower.split(|c: char| !c.is_ascii_alphanumeric());
            kernel.iter().any(|word| line.lower.contains(word)) && words.clone().any(|w| w == pid)
        })
    };
    let found = pids.into_iter().find_map(|pid| Some((killed(&pid)?, pid)));
    match found {
        Some((at, pid)) => hit.more_if(14, true).quote(at).note(format!(
            "The kernel's own line names process {pid}, which is the child of the log: memory was \
             short."
        )),
        None => hit.check(
            "dmesg -T (oom-kill, Out of memory) or the container's events at the second of each \
             kill: is the pid that of the child?",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Seen {
        Seen::of(text)
    }

    #[test]
    fn sizes_for_people_and_in_bytes() {
        let text = seen("used_memory_human:28.90G\ntotal_system_memory:33672036352\n");
        assert_eq!(bytes(&text, "used_memory").map(|(all, _)| all), Some(31_031_138_713));
        assert_eq!(bytes(&text, "total_system_memory").map(|(all, _)| all), Some(33_672_036_352));
    }

    #[test]
    fn other_signals_have_other_senders() {
        let text = seen("1:M # Background saving terminated by signal 7\n");
        let hit = ended(&text).expect("a kill");
        assert!(hit.steps.is_empty() && hit.notes.iter().any(|note| note.contains("broken disk")));
    }
}
