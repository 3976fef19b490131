//! Slots that were never given out: a set-up by hand that stopped after a few ADDSLOTS.

use std::collections::BTreeSet;

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::model::SLOT_COUNT;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "SLOTS_NEVER_ASSIGNED",
    title: "Only a part of the 16384 slots was ever given out: the set-up is not finished",
    side: Side::Command,
    when: unfinished,
    cause: "A cluster serves when each of the slots 0 to 16383 has an owner. CLUSTER ADDSLOTS gives \
        exactly the slots that it names (1 2 are the two slots 1 and 2, no range). [[<<typed>> ]]\
        [[<<assigned>> of 16384 are assigned, so <<missing>> are missing, and with \
        cluster-require-full-coverage yes the state stays fail. ]]\
        [[<<known>> nodes know each other here, so MEET and the bus are in order.]]",
    check: "CLUSTER INFO on every node (the same count of assigned slots everywhere), and DBSIZE: \
        nodes without keys have nothing to lose.",
    fix: &[
        "If all nodes are empty and new: give the rest out with CLUSTER ADDSLOTSRANGE <first> \
         <last> (7.0 and later), or ADDSLOTS $(seq <first> <last>) from a shell, each slot to one \
         primary, until cluster_slots_assigned is 16384. It becomes ok by itself a moment later.",
        "If a node has keys, or was a member before: find the owner of the missing slots first \
         (an old node, its volume): slotwright explain UNASSIGNED_SLOTS_SHARD_FORGOTTEN.",
        "Next time let the tool do it on empty nodes: it deals out all slots and replicas at once.",
    ],
    never: &[
        "Do not switch cluster-require-full-coverage off in place of it: keys of those slots \
         still have no place.",
        "Do not look for the fault in ports or MEET.",
    ],
    like: &["UNASSIGNED_SLOTS_SHARD_FORGOTTEN", "CLUSTER_NOT_CREATED"],
}];

/// The slots that the commands of one line give out; `None` for what a shell expands.
fn given(lower: &str) -> Option<BTreeSet<u16>> {
    let (ranged, rest) = match lower.split_once("addslotsrange") {
        Some((_, rest)) => (true, rest),
        None => (false, lower.split_once("addslots")?.1),
    };
    let numbers: Option<Vec<u16>> = rest
        .split_whitespace()
        .take_while(|word| word.starts_with(|c: char| c.is_ascii_digit() || "{$`".contains(c)))
        .map(|word| word.parse().ok())
        .collect();
    let numbers = numbers?;
    let slots = if ranged {
        let range = |pair: &[u16]| match pair {
            [first, last] => Some(*first..=*last),
            _ => None,
        };
        numbers.chunks(2).filter_map(range).flatten().collect()
    } else {
        numbers.into_iter().collect()
    };
    Some(slots)
}

fn unfinished(seen: &Seen) -> Option<Hit> {
    let lines: Vec<usize> = seen
        .lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.lower.contains("cluster addslots"))
        .map(|(at, _)| at)
        .collect();
    let each: Option<Vec<BTreeSet<u16>>> =
        lines.iter().map(|at| given(&seen.lines.get(*at)?.lower)).collect();
    let typed: BTreeSet<u16> = each?.into_iter().flatten().collect();
    let typed = u16::try_from(typed.len()).ok()?;
    let counted = seen.number("cluster_slots_assigned");
    let shown = seen.table().map(|table| table.assigned().len()).filter(|n| *n > 0);
    let assigned = counted.and_then(|n| u16::try_from(n).ok()).or(shown)?;
    let busy = seen.has(&["already busy", "forget", "del-node"]);
    // What was typed is all that is there, so nobody ever had the rest.
    let all_of_it = typed > 0 && assigned <= typed;
    (all_of_it && assigned < SLOT_COUNT && !busy).then(|| {
        Hit::of(90)
            .quotes(seen.field_line("cluster_slots_assigned"))
            .quotes(lines.iter().copied().take(3))
            .fact(
                "typed",
                format!("The commands here name {typed} slots in all, and no other was given out."),
            )
            .fact_if(
                "known",
                seen.number("cluster_known_nodes").filter(|n| *n > 1).map(|n| n.to_string()),
            )
            .fact("assigned", assigned.to_string())
            .fact("missing", (SLOT_COUNT - assigned).to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_slots() {
        assert_eq!(given("redis-cli cluster addslots 9 10 11").map(|s| s.len()), Some(3));
        assert_eq!(given("cluster addslotsrange 0 100 200 200").map(|s| s.len()), Some(102));
        assert_eq!(given("cluster addslots {0..5461}"), None);
        assert_eq!(given("cluster addslots $(seq 0 5)"), None);
    }
}
