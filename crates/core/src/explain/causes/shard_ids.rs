//! shard-ids of a nodes.conf that do not agree with each other.

use crate::explain::cause::Hit;
use crate::explain::figures::short;
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::explain::template::list;

/// `shard-id=` of a row, as it is written.
fn shard_id<'a>(seen: &'a Seen, row: &Row) -> Option<&'a str> {
    let (_, rest) = seen.lines.get(row.line)?.text.split_once("shard-id=")?;
    rest.split([',', ' ']).next().filter(|id| !id.is_empty())
}

/// Replicas whose shard-id is not that of their primary, with it: of one table.
fn apart(seen: &Seen) -> Vec<(&Row, &Row)> {
    let tables = seen.tables.iter().map(|table| {
        let replicas = table.rows.iter().filter(|row| row.is_replica());
        let pairs = replicas.filter_map(|row| {
            let id = row.primary.as_deref()?;
            let primary = table.rows.iter().find(|other| other.id == id)?;
            let differ = shard_id(seen, row)? != shard_id(seen, primary)?;
            differ.then_some((row, primary))
        });
        pairs.collect::<Vec<_>>()
    });
    tables.into_iter().find(|pairs| !pairs.is_empty()).unwrap_or_default()
}

/// Adds which rows they are and what belongs there; without a word of the server, they are a sign
/// of their own.
pub(super) fn rows_that_differ(seen: &Seen, hit: Option<Hit>) -> Option<Hit> {
    let pairs = apart(seen);
    let Some((_, primary)) = pairs.first() else { return hit };
    let mut hit = hit.unwrap_or_else(|| Hit::of(74));
    // What the server says, and the rows, instead of the first row of the file.
    hit.quotes.retain(|at| seen.server_rows().all(|row| row.line != *at));
    let of_one: Vec<&Row> =
        pairs.iter().filter(|(_, own)| own.id == primary.id).map(|(row, _)| *row).collect();
    let ids: Vec<String> = of_one.iter().map(|row| short(&row.id)).collect();
    let (theirs, own) =
        (of_one.first().and_then(|row| shard_id(seen, row)), shard_id(seen, primary));
    let (Some(theirs), Some(own)) = (theirs, own) else { return Some(hit) };
    let (names, primary_name) = (list(&ids, 4), short(&primary.id));
    let one = ids.len() == 1;
    let (follows, rows) = if one { ("follows", "row") } else { ("follow", "rows") };
    let hit = hit.quote(primary.line).quotes(of_one.iter().map(|row| row.line)).note(format!(
        "{names} {follows} {primary_name}, which has shard-id {}, and the {rows} say {}. The text \
         of the {rows} is well formed: it is refused for this id alone.",
        short(own),
        short(theirs)
    ));
    Some(hit.step(format!(
        "On the node that does not start, while it is stopped: copy nodes.conf, and in the {rows} \
         of {names} put shard-id={own} in place of {theirs}; start it. RDB and AOF are not \
         concerned."
    )))
}
