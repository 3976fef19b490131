//! Slot commands that were typed at the nodes of a cluster that lives: each changes the table of
//! the one node that it is sent to.

use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::model::SlotSet;

/// Commands that take slots out of a node's own table, in small letters.
const DROPS: [&str; 2] = ["cluster flushslots", "cluster delslots"];

/// Whether a table shows a cluster with several owners of slots.
pub(super) fn lives(seen: &Seen) -> bool {
    seen.tables.iter().filter(|table| table.source == Source::Nodes).any(|table| {
        table.rows.len() >= 3 && table.rows.iter().filter(|row| !row.slots.is_empty()).count() >= 2
    })
}

/// An owner that gave slots up, which nobody has in its own table, and a node in whose table it
/// still has them.
struct GivenUp<'a> {
    owner: &'a Row,
    believer: &'a Row,
    slots: SlotSet,
}

fn given_up(seen: &Seen) -> Option<GivenUp<'_>> {
    let tables = || seen.tables.iter().filter(|table| table.source == Source::Nodes);
    tables().find_map(|own| {
        let owner = own.myself()?;
        tables().find_map(|other| {
            let believer = other.myself().filter(|row| row.id != owner.id)?;
            let row = other.rows.iter().find(|row| row.id == owner.id)?;
            let gone = row.slots.difference(&own.assigned());
            (!gone.is_empty()).then_some(GivenUp { owner, believer, slots: gone })
        })
    })
}

/// What a refused slot command means there.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    if !lives(seen) || !seen.has(&["is already busy"]) {
        return hit;
    }
    let hit = hit.note(
        "The tables that are pasted are those of a cluster that lives: nothing is to be created \
         there, and no node to be emptied.",
    );
    let typed = seen.lines_with(&DROPS).first().copied();
    let Some(GivenUp { owner, believer, slots: gone }) = given_up(seen) else {
        return hit.step(
            "Slots of living nodes are moved with their keys: redis-cli --cluster reshard (or \
             SETSLOT IMPORTING at the target, MIGRATING at the source, the keys, SETSLOT NODE at \
             the target and then at the source).",
        );
    };
    let (from, at, gone) = (owner.place(), believer.place(), slots(&gone));
    let by = if typed.is_some() { " (FLUSHSLOTS and DELSLOTS do that)" } else { "" };
    hit.more_if(10, true)
        .quotes(typed)
        .quote(owner.line)
        .quote(believer.line)
        .note(format!(
            "{from} has dropped {gone} from its own table{by}, and {at} still gives them to \
             {from}: no node unassigns a slot because its owner stops claiming it. So ADDSLOTS \
             elsewhere is refused."
        ))
        .check(format!(
            "CLUSTER NODES of every node: whom does each give {gone}? DBSIZE of {from}: its keys \
             of these slots are still there."
        ))
        .step(format!(
            "Give them back where they were: at {from} CLUSTER ADDSLOTSRANGE <first> <last> for \
             {gone} (before 7.0: ADDSLOTS with each number). No key is touched; CLUSTER INFO \
             there says ok again, and everybody agrees."
        ))
        .step(
            "Then move the slots, with their keys: redis-cli --cluster reshard (or SETSLOT \
             IMPORTING at the target, MIGRATING at the source, the keys, SETSLOT NODE at the \
             target and then at the source).",
        )
        .only_these_steps()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_that_gave_slots_up_is_named() {
        let row = |n: u8, flags: &str, slots: &str| {
            format!("{n:040x} 10.0.0.{n}:7000@17000 {flags} - 0 0 {n} connected {slots}\n")
        };
        let own = row(1, "myself,master", "") + &row(2, "master", "5-9") + &row(3, "master", "10");
        let other =
            row(1, "master", "0-4") + &row(2, "myself,master", "5-9") + &row(3, "master", "10");
        let seen = Seen::of(&format!("{own}\n$ cluster nodes\n{other}"));
        let given = given_up(&seen).expect("slots without a claim");
        assert_eq!(given.slots.to_string(), "0-4");
        assert_eq!(given.owner.place(), "10.0.0.1:7000");
        assert!(given_up(&Seen::of(&own)).is_none());
        let moved =
            row(1, "myself,master", "") + &row(2, "master", "0-9") + &row(3, "master", "10");
        let seen = Seen::of(&format!("{moved}\n$ cluster nodes\n{other}"));
        assert!(given_up(&seen).is_none(), "its table gives them to another: they were moved");
    }
}
