//! Sentinels that cannot agree: a primary with replicas and no Cluster at all.

use std::collections::{BTreeMap, BTreeSet};

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[SWITCHES, WITHOUT_QUORUM];

const SWITCHES: Cause = Cause {
    code: "SENTINEL_SWITCHES_AGAIN",
    title: "Sentinel changes the primary again and again: it does not answer in time",
    side: Side::Platform,
    when: switches,
    cause: "This is no Redis Cluster: Sentinel decides here, and it made another server the primary \
        <<count>> times (+switch-master, at last <<last>>). A primary is held for down when it \
        gave no valid answer for down-after-milliseconds[[ (here <<after>>)]]; a process that is \
        only busy (slow commands, saves, swap, an overrun network) looks the same as a dead one, \
        and each switch makes all replicas copy anew, which is more load.[[ <<cut>>]]",
    check: "SLOWLOG GET, LATENCY DOCTOR and CPU of the server that was the primary, at the second of \
        +sdown; did its process live all the time (uptime_in_seconds)?",
    fix: &[
        "Remove the stall: slow commands, saves on a slow disk, huge pages, swap, too little CPU.",
        "Set down-after-milliseconds above the longest usual stall (30000 is the default), on all \
         sentinels.",
        "Replicas that are cut off for their output buffer: client-output-buffer-limit replica \
         and repl-backlog-size above what is written while they copy.",
    ],
    never: &["Do not answer it with CLUSTER commands: there is no cluster here."],
    like: &["FULL_SYNC_LOOP", "NODE_HUNG"],
};

const WITHOUT_QUORUM: Cause = Cause {
    code: "SENTINELS_WITHOUT_QUORUM",
    title: "The sentinels that are left are too few to agree, so nobody is promoted",
    side: Side::Cluster,
    when: too_few,
    cause: "This is no Redis Cluster: <<primary>> has replicas, and Sentinel decides about \
        failover. The quorum is <<quorum>>: that many sentinels must hold the primary for down \
        (+odown), and then a MAJORITY of all known sentinels must elect the one that acts. Here \
        <<down>> down as well (+sdown sentinel), so of the sentinels in this log <<left>> left, \
        and there is no +odown and no +switch-master. <<together>>It is meant so: one half of two \
        machines cannot know whether the other one died or only the way to it.",
    check: "SENTINEL CKQUORUM <name> on a sentinel, and SENTINEL SENTINELS <name>: how many are \
        known, and how many of them are up?",
    fix: &[
        "Now: start the sentinels (or the machine) that are down; with a majority up again the \
         failover comes by itself, or SENTINEL FAILOVER <name> asks for it.",
        "If the primary is certainly off and does not come back: REPLICAOF NO ONE on the replica \
         with the highest offset, and keep the old one from starting as a primary.",
        "For good: three sentinels on three machines (the third may be an application's machine), \
         quorum 2. Two machines never survive the loss of either.",
    ],
    never: &[
        "Do not answer it with CLUSTER commands: there is no cluster here.",
        "Do not set the quorum to 1 on two machines: the majority is needed all the same, and two \
         primaries are the danger.",
    ],
    like: &["CLIENT_SENTINEL_OR_WRONG_MODE"],
};

/// Whether something shows a cluster: then Sentinel is the odd one.
fn is_a_cluster(seen: &Seen) -> bool {
    seen.has(&["redis_mode:cluster", "cluster_state:"]) || !seen.tables.is_empty()
}

fn switches(seen: &Seen) -> Option<Hit> {
    let all: Vec<usize> = (seen.lines.iter().enumerate())
        .filter(|(_, line)| line.lower.contains("+switch-master "))
        .map(|(at, _)| at)
        .collect();
    let (first, last) = (*all.first()?, *all.last()?);
    if all.len() < 2 || is_a_cluster(seen) {
        return None;
    }
    let to = seen.lines.get(last)?.text.split_whitespace().rev().take(2).collect::<Vec<_>>();
    let to = match to[..] {
        [port, ip] => format!("to {ip}:{port}"),
        _ => return None,
    };
    let after = seen.word_after("down-after-milliseconds ");
    let after = after.filter(|word| word.chars().all(|c| c.is_ascii_digit()));
    let cut = seen.lines_with(&["overcoming of output buffer limits"]);
    let said = (!cut.is_empty()).then_some(
        "Beside it a replica was cut off for its output buffer, so more was written than it could \
         take: load is the common reason of both.",
    );
    Some(
        Hit::of(92)
            .quote(first)
            .quote(last)
            .quotes(seen.lines_with(&["+sdown master"]).into_iter().take(1))
            .quotes(cut.into_iter().take(1))
            .fact("count", all.len().to_string())
            .fact("last", to)
            .fact_if("after", after)
            .fact_if("cut", said),
    )
}

/// The places of the sentinels of which a kind of line tells, each with the first such line.
fn sentinels(seen: &Seen, mark: &str) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for (at, line) in seen.lines.iter().enumerate() {
        let Some((_, rest)) = line.lower.split_once(mark) else { continue };
        let mut words = rest.split_whitespace();
        if let (Some(_), Some(ip), Some(port)) = (words.next(), words.next(), words.next()) {
            all.entry(format!("{ip}:{port}")).or_insert(at);
        }
    }
    all
}

fn too_few(seen: &Seen) -> Option<Hit> {
    let moved_on = seen.has(&["+switch-master", "+odown"]);
    if is_a_cluster(seen) || moved_on {
        return None;
    }
    let down = sentinels(seen, "+sdown sentinel ");
    let lines: Vec<usize> = down.values().copied().collect();
    let monitor = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once("+monitor master ")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [_, ip, port, "quorum", quorum, ..] = words[..] else { return None };
        Some((at, format!("{ip}:{port}"), ip.to_owned(), quorum.parse::<usize>().ok()?))
    });
    let (at, primary, ip, quorum) = monitor?;
    let met = sentinels(seen, "+sentinel sentinel ");
    // The one that writes this log is up; of others only the log can tell.
    let all = 1 + met.keys().chain(down.keys()).collect::<BTreeSet<_>>().len();
    let left = all - down.len();
    if down.is_empty() || (left >= quorum && 2 * left > all) {
        return None;
    }
    let with_it: Vec<String> =
        down.keys().filter(|place| place.starts_with(&format!("{ip}:"))).cloned().collect();
    let together = if with_it.is_empty() {
        String::new()
    } else {
        format!(
            "{} had the same address as the primary: what took that machine away took its vote \
             too. ",
            list(&with_it, 3)
        )
    };
    let places: Vec<String> = down.into_keys().collect();
    let verb = if places.len() == 1 { "is" } else { "are" };
    Some(
        Hit::of(80)
            .more_if(10, !met.is_empty())
            .quote(at)
            .quotes(seen.lines_with(&["+sdown master"]))
            .quotes(lines.into_iter().take(2))
            .fact("primary", primary)
            .fact("quorum", quorum.to_string())
            .fact("down", format!("{} {verb}", list(&places, 4)))
            .fact("left", format!("{left} {}", if left == 1 { "is" } else { "are" }))
            .fact("together", together),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_that_are_left_have_a_quorum() {
        let log = |met: &str| {
            let text = format!(
                "501:X # +monitor master cache 10.3.3.1 6379 quorum 2\n{met}\
                 501:X # +sdown master cache 10.3.3.1 6379\n\
                 501:X # +sdown sentinel aa 10.3.3.1 26379 @ cache 10.3.3.1 6379\n"
            );
            too_few(&Seen::of(&text))
        };
        let met =
            |host: u8| format!("501:X * +sentinel sentinel x{host} 10.3.3.{host} 26379 @ c\n");
        let unknown = log("").expect("of others the log says nothing");
        let of_two = log(&met(1)).expect("the other one is down");
        assert!(unknown.score < of_two.score, "{unknown:?} {of_two:?}");
        assert!(log(&format!("{}{}", met(1), met(2))).is_none(), "two of three agree");
    }
}
