//! Who may vote, read from two listings of the tool: before a primary died, and after.

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::SLOT_COUNT;

/// Two primaries own all slots in an earlier listing, and one of them is gone now.
pub(super) fn two_owners(seen: &Seen) -> Option<Hit> {
    let owners = |table: &Table| -> Vec<Row> {
        let owns = |row: &&Row| row.is_primary() && !row.slots.is_empty();
        table.rows.iter().filter(owns).cloned().collect()
    };
    let whole = |table: &&Table| {
        table.source == Source::Check
            && table.assigned().len() == SLOT_COUNT
            && owners(table).len() == 2
    };
    let table = seen.tables.iter().find(whole)?;
    let owners = owners(table);
    let (dead, line) = owners.iter().find_map(|row| Some((row, is_gone(seen, row)?)))?;
    let of = |primary: &Row| -> Vec<&Row> {
        table.rows.iter().filter(|row| row.primary.as_deref() == Some(&primary.id)).collect()
    };
    let replicas: Vec<String> = of(dead).iter().map(|row| row.place()).collect();
    let empty: Vec<String> = table
        .rows
        .iter()
        .filter(|row| row.is_primary() && row.slots.is_empty())
        .map(Row::place)
        .collect();
    let hit = Hit::of(93)
        .quote(line)
        .quote(dead.line)
        .quotes(seen.lines_with(&["of unknown node id"]).into_iter().take(2))
        .fact("voters", "2")
        .note(format!(
            "Here {} is gone for the tool, one of the two owners of slots ({}). The check leaves \
             out whom it cannot reach: hence 'unknown node ID' for its replicas and the missing \
             cover; the others still list it with its slots.",
            dead.place(),
            list(&owners.iter().map(Row::place).collect::<Vec<_>>(), 2)
        ));
    let hit = if empty.is_empty() {
        hit
    } else {
        hit.note(format!(
            "{} is a primary too and owns no slot, so it does not vote: the majority of two is two, \
             and one is left.",
            list(&empty, 3)
        ))
    };
    let hit = if replicas.is_empty() {
        hit.note("No replica of it is in the listing, so its files are the only copy.")
    } else {
        hit.note(format!(
            "Its replicas ({}) have the data: keep them running and as they are (no REPLICATE to \
             another primary, no reset).",
            list(&replicas, 3)
        ))
    };
    let spread = if empty.is_empty() { "a third primary" } else { "the primaries without slots" };
    Some(hit.step(format!(
        "The order: first {} again with its own files (or, when it is certainly off for good, one \
         replica as below), then look with --cluster check, and only then spread slots over \
         {spread} (reshard, rebalance).",
        dead.place()
    )))
}

/// The line that shows that a node of the listing is not there any more.
fn is_gone(seen: &Seen, row: &Row) -> Option<usize> {
    let place = row.place();
    let refused = ["could not connect to", "can't connect to", "was killed", " killed "];
    seen.lines.iter().position(|line| {
        let said = refused.iter().any(|word| line.lower.contains(word));
        said && line
            .text
            .split(|c: char| c.is_whitespace() || ",'\"()".contains(c))
            .any(|word| word.trim_end_matches([':', '.']) == place)
    })
}
