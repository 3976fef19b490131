//! Two primaries that claim one slot, and which of the two claims wins.

use super::identity;
use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::Seen;
use crate::explain::table::Row;

/// Two nodes that both have a slot: in one table, or each in its own row.
pub(super) fn claimed_twice(seen: &Seen) -> Option<Hit> {
    let own: Vec<&Row> =
        seen.server_rows().filter(|r| r.is_myself() && !r.slots.is_empty()).collect();
    // What a loop over the nodes picks out of their tables is no table: rows of several views
    // stand below each other.
    let picked = is_picked(seen);
    let own: Vec<&Row> = if identity::reborn_in_place(seen).is_some() { Vec::new() } else { own };
    let same_table = seen.tables.iter().filter(|_| !picked).find_map(|table| {
        let rows: Vec<&Row> = table.rows.iter().filter(|r| !r.slots.is_empty()).collect();
        overlap(&rows)
    });
    let (a, b) = same_table.or_else(|| overlap(&own))?;
    let both = a.slots.intersection(&b.slots);
    let hit = Hit::of(82).quote(a.line).quote(b.line);
    let hit =
        hit.fact("dispute", format!("{} and {} both have {}", a.place(), b.place(), slots(&both)));
    let hit = winner(a, b).into_iter().fold(hit, Hit::note);
    Some(if picked { hit.note(EACH_OF_ITSELF) } else { hit })
}

/// Whether a loop over the nodes picked rows out of the table of each.
fn is_picked(seen: &Seen) -> bool {
    seen.lines.iter().any(|line| {
        line.lower.contains("cluster nodes")
            && line.lower.contains("grep")
            && ["for ", "xargs", "while "].iter().any(|word| line.lower.contains(word))
    })
}

/// Rows that such a loop picked, and that give a slot to different nodes: different nodes say so.
pub(super) fn picked_rows_differ(seen: &Seen) -> Option<Hit> {
    let rows: Vec<&Row> = seen
        .server_rows()
        .filter(|row| !row.slots.is_empty() && row.is_primary() && !row.is_failing())
        .collect();
    let (a, b) = overlap(&rows).filter(|_| is_picked(seen))?;
    let both = slots(&a.slots.intersection(&b.slots));
    let says = format!("one node gives {both} to {}, another to {}", a.place(), b.place());
    let hit = Hit::of(74).quote(a.line).quote(b.line).fact("dispute", says);
    Some(winner(a, b).into_iter().fold(hit, Hit::note))
}

/// Two rows of different nodes that share a slot.
fn overlap<'a>(rows: &[&'a Row]) -> Option<(&'a Row, &'a Row)> {
    rows.iter().take(200).enumerate().find_map(|(at, a)| {
        let b = rows
            .iter()
            .take(200)
            .skip(at + 1)
            .find(|b| b.id != a.id && !a.slots.intersection(&b.slots).is_empty())?;
        Some((*a, *b))
    })
}

const EACH_OF_ITSELF: &str = "Each of these rows is what a node says of itself. A node that was \
    paused or cut off during a failover says so of slots that it lost, until it hears of the \
    others: ask both again within one second (CLUSTER NODES, whole, on each) and see whether they \
    list each other, linked. If the older claim is gone by then, nothing has to be done.";

/// Which claim the others keep, by the config epochs of the two rows.
pub(super) fn winner(a: &Row, b: &Row) -> Option<String> {
    let (mine, other) = (a.epoch?, b.epoch?);
    if mine == other {
        let (takes, stays) = if a.id < b.id { (a, b) } else { (b, a) };
        return Some(format!(
            "Both have the config epoch {mine}, so neither claim is the newer one, and nodes keep \
             whichever they heard first. When the two hear of each other, the one with the smaller \
             id ({}) takes a new epoch by itself; its claim is then the higher one and wins, and \
             {} deletes its keys of these slots, whoever has the better data. Which keys are to \
             stay has to be settled before that.",
            takes.place(),
            stays.place()
        ));
    }
    let (wins, loses) = if mine > other { (a, b) } else { (b, a) };
    Some(format!(
        "Config epochs: {} has {}, {} has {}. The higher one wins at every node that hears both, \
         so {} keeps these slots and {} deletes its keys of them (or becomes a replica and copies \
         everything, if these are all its slots). If it is {} that has the keys, copy them away \
         first.",
        wins.place(),
        mine.max(other),
        loses.place(),
        mine.min(other),
        wins.place(),
        loses.place(),
        loses.place()
    ))
}

/// One of the two gives the slots to the other one by its own table: then nobody disputes them, and
/// only a third node is behind.
pub(super) fn conceded(seen: &Seen, a: &Row, b: &Row) -> Option<(String, String)> {
    let both = a.slots.intersection(&b.slots);
    let own = |row: &Row| {
        seen.tables.iter().find(|table| table.myself().is_some_and(|me| me.id == row.id))
    };
    let gives = |teller: &Row, owner: &Row| {
        let rows = own(teller).map(|table| &table.rows);
        rows.is_some_and(|rows| {
            rows.iter().any(|r| r.id == owner.id && r.slots.intersection(&both) == both)
        })
    };
    let (owner, former) = if gives(b, a) && gives(a, a) {
        (a, b)
    } else if gives(a, b) && gives(b, b) {
        (b, a)
    } else {
        return None;
    };
    let (place, before, both) = (owner.place(), former.place(), slots(&both));
    let (epoch, old) = (owner.epoch?, former.epoch?);
    let (why, step) = if epoch > old {
        let why = format!(
            "Its config epoch ({epoch}) is above that of {before} ({old}), so the node that is \
             behind takes it over as soon as it hears of {place}."
        );
        let step = format!(
            "Wait two node timeouts. If it stays: is {place} linked (connected) in the table of \
             the node that is behind? If not, CLUSTER MEET it from there at its present address."
        );
        (why, step)
    } else {
        let why = format!(
            "A node gives a slot to another owner only for a higher config epoch, and {place} has \
             {epoch} while {before} has {old}: the node that is behind never takes it over by \
             itself, waiting does not help, and clients that ask it are sent to {before}. SETSLOT \
             NODE was not sent to every primary, or not to the new owner, which would have taken \
             a new epoch."
        );
        let step = format!(
            "CLUSTER COUNTKEYSINSLOT on {place} and {before}. With the keys on {place}: CLUSTER \
             BUMPEPOCH on {place}, which makes its claim the newest everywhere (or the same \
             SETSLOT NODE once more on the node that is behind). Keys on {before} as well: copy \
             them away first."
        );
        (why, step)
    };
    let note = format!(
        "{place} claims {both} and {before} gives them to it by its own table, so nobody disputes \
         them; the table that still gives them to {before} is behind. {why}"
    );
    Some((note, step))
}
