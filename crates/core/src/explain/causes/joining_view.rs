//! A client that took its map from a node which was only just joining.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{SLOT_COUNT, Slot, SlotSet};

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLIENT_MAP_OF_JOINING_NODE",
    title: "The client took its map from a node that was just joining",
    side: Side::Client,
    when: half_a_view,
    cause: "A node that joins is for a moment a primary without slots, and knows the others before \
        it knows all of their slots. A client that reads its map from several nodes can take this \
        view for the right one, and then has no owner for slots that were served all the time.\
        [[ <<views>>]] It ends by itself with the client's next refresh; a map that is only old \
        would still name an owner for these slots.",
    check: "CLUSTER NODES at the new node again: it has the slots of all by now. Do the errors fill \
        one refresh period of the client and stop?",
    fix: &[
        "On the servers nothing: let the new node finish joining (CLUSTER REPLICATE, the copy).",
        "In the client: repeat the command after this error; a shorter periodic refresh and the \
         adaptive triggers shorten the gap.",
        "Read the map from nodes that are long in the cluster only (start nodes by name, no dynamic \
         sources), and add nodes when little is going on.",
        "Look for a release of the client library that leaves views with uncovered slots out.",
    ],
    never: &[
        "Do not give the slots away and do not run --cluster fix: they have an owner.",
        "Do not take the new node out again for it.",
    ],
    like: &["CLIENT_STALE_TOPOLOGY", "CLIENT_SEES_UNCOVERED_SLOTS"],
}];

/// Words before the slot of which a client says that it has no owner.
const NO_OWNER: [&str; 5] = [
    "cannot determine a partition for slot ",
    "no reachable node in cluster for slot ",
    "no node found for slot ",
    "no node for slot ",
    "slot \"",
];

/// What Lettuce calls these options.
const LETTUCE: &str = "Lettuce: enablePeriodicRefresh with a short period and \
    enableAllAdaptiveRefreshTriggers(), dynamicRefreshSources(false) with start nodes that are no \
    newcomers, and a retry on PartitionSelectorException; releases with redis/lettuce#3854 drop \
    views that do not cover all slots.";

fn failing_slots(seen: &Seen) -> Vec<(usize, Slot)> {
    let of = |lower: &str| {
        NO_OWNER.iter().find_map(|mark| {
            let rest = lower.split_once(mark)?.1;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            Slot::new(digits.parse().ok()?)
        })
    };
    let found = seen.lines.iter().enumerate().filter_map(|(at, line)| Some((at, of(&line.lower)?)));
    found.take(50).collect()
}

/// Every slot of the errors lies in what the view of a node without slots lacks, and another view
/// has an owner for all.
fn half_a_view(seen: &Seen) -> Option<Hit> {
    let failing = failing_slots(seen);
    let views = || seen.tables.iter().filter(|table| table.source == Source::Nodes);
    let whole = views().find(|table| table.assigned().len() == SLOT_COUNT)?;
    let lacks = |table: &&Table| {
        let lacking = table.assigned().complement();
        let inside = failing.iter().all(|(_, slot)| lacking.contains(*slot));
        let newcomer = table.myself().is_some_and(|row| row.is_primary() && row.slots.is_empty());
        !failing.is_empty() && inside && newcomer && !table.assigned().is_empty()
    };
    let part = views().find(lacks)?;
    let (own, old) = (part.myself()?, whole.myself()?);
    let lacking = part.assigned().complement();
    let owners = owners_of(whole, &lacking);
    let in_part = |id: &str| part.rows.iter().find(|row| row.id == id);
    let named: Vec<String> = failing.iter().map(|(_, slot)| slot.to_string()).collect();
    let owned: Vec<String> = owners.iter().map(|row| row.place()).collect();
    let hit = Hit::of(94)
        .quotes(failing.iter().map(|(at, _)| *at).take(2))
        .quote(own.line)
        .quotes(owners.iter().filter_map(|row| in_part(&row.id)).map(|row| row.line).take(2))
        .quotes(owners.iter().map(|row| row.line).take(2))
        .fact(
            "views",
            format!(
                "{} says of itself that it is a primary without slots, and in its view {} have no \
                 owner: the slots of the errors ({}) lie in just these. {} shows them with {} at \
                 the same time, so the cluster covered all slots.",
                own.place(),
                slots(&lacking),
                list(&named, 5),
                old.place(),
                list(&owned, 3)
            ),
        );
    let lettuce = seen.client() == Some("Lettuce");
    Some(if lettuce { hit.step(LETTUCE) } else { hit })
}

fn owners_of<'a>(table: &'a Table, lacking: &SlotSet) -> Vec<&'a Row> {
    table.rows.iter().filter(|row| !row.slots.intersection(lacking).is_empty()).collect()
}
