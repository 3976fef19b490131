//! One id at two addresses in turn: two processes that were started with one nodes.conf.

use std::collections::BTreeMap;

use crate::explain::cause::Hit;
use crate::explain::figures::{places, short};
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::explain::template::list;

/// What a server logs when an id speaks from another address than before.
const UPDATED: &str = "address updated for node ";

const WHY: &str = "A node that moved changes its address once. To and fro means that both are \
    alive: the last process with this id that spoke on the bus wins the entry, and the other one \
    is not seen at all. Waiting does not heal it, and neither names nor the network have a part in \
    it.";

/// One and the same question about one id, with two places by turns for an answer.
pub(super) fn asked_again(seen: &Seen) -> Option<Hit> {
    let mut at: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for table in seen.tables.iter().filter(|table| table.source == Source::Nodes) {
        let before = table.rows.first().and_then(|row| row.line.checked_sub(1));
        let ask = before.and_then(|before| seen.lines.get(before));
        let Some(ask) = ask.filter(|line| line.lower.contains("cluster nodes")) else { continue };
        for row in table.rows.iter().filter(|row| row.id.len() >= 8 && !row.is_myself()) {
            at.entry((&row.id, &ask.text)).or_default().push(row);
        }
    }
    let turns = |rows: &[&Row]| {
        rows.windows(3).any(|three| match three {
            [a, b, c] => a.place() == c.place() && a.place() != b.place(),
            _ => false,
        })
    };
    let ((id, _), rows) = at.iter().find(|(_, rows)| turns(rows))?;
    let logged = alternating(seen).filter(|(other, ..)| other == id);
    let two = two_of(places(rows.iter().copied()));
    let follows = rows.iter().find_map(|row| row.primary.as_deref());
    let hit = Hit::of(90)
        .more_if(6, logged.is_some())
        .quotes(rows.iter().map(|row| row.line).take(3))
        .quotes(logged.into_iter().flat_map(|(_, _, lines)| lines).take(2))
        .fact("id", short(id))
        .fact("where", list(&two, 4))
        .note(WHY);
    Some(cured(hit, &two, follows))
}

/// The log of one node takes an id to one address, to another and back.
pub(super) fn in_the_log(seen: &Seen) -> Option<Hit> {
    let (id, at, lines) = alternating(seen)?;
    let two = two_of(at);
    let hit = Hit::of(80)
        .quotes(lines.into_iter().take(3))
        .fact("id", short(&id))
        .fact("where", list(&two, 4))
        .note(WHY);
    Some(cured(hit, &two, None))
}

/// The id, its places in their order, and the lines.
fn alternating(seen: &Seen) -> Option<(String, Vec<String>, Vec<usize>)> {
    let mut moves: BTreeMap<(usize, String), Vec<(usize, String)>> = BTreeMap::new();
    for (at, line) in seen.lines.iter().enumerate() {
        let Some((_, rest)) = line.lower.split_once(UPDATED) else { continue };
        let Some((id, place)) = rest.split_once(", now ") else { continue };
        let place = place.split_whitespace().next().unwrap_or_default();
        moves.entry((line.paste, id.to_owned())).or_default().push((at, place.to_owned()));
    }
    // Who is called by the loopback address is one process, met at a wrong address.
    let turns = |moves: &[(usize, String)]| {
        let loopback = moves.iter().any(|(_, place)| place.starts_with("127."));
        !loopback
            && moves.windows(3).any(|three| match three {
                [(_, a), (_, b), (_, c)] => a == c && a != b,
                _ => false,
            })
    };
    let ((_, id), moves) = moves.into_iter().find(|(_, moves)| turns(moves))?;
    let (lines, at) = moves.into_iter().unzip();
    Some((id, at, lines))
}

fn two_of(mut places: Vec<String>) -> Vec<String> {
    places.sort();
    places.dedup();
    places
}

/// What to do with two processes of one id.
fn cured(hit: Hit, at: &[String], follows: Option<&str>) -> Hit {
    let both = list(at, 4);
    let role = follows.map_or_else(
        || "CLUSTER REPLICATE <id of its primary>, if it is to be a replica".to_owned(),
        |id| format!("CLUSTER REPLICATE {}", short(id)),
    );
    hit.check(format!(
        "CLUSTER MYID and INFO server (run_id) at {both}: one id and two run_ids are two \
         processes. One run_id is one process with two addresses: then cluster-announce-ip settles \
         it."
    ))
    .step(format!(
        "Stop the one that is the copy (of {both}, the one that was started from the image, the \
         clone or the restored volume). Move its nodes.conf aside, and its copied RDB and AOF \
         files as well; keep them until it is sure that nobody wrote to it alone."
    ))
    .step(format!(
        "Start it: it makes up an id of its own. Then CLUSTER MEET <its ip> <port> from a member, \
         and on it {role}."
    ))
    .step(
        "Take nodes.conf (and data files) out of the image or template, so that the next instance \
         does not begin with it; the cluster cannot prevent it.",
    )
    .only_these_steps()
}
