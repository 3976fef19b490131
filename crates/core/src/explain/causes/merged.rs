//! Two clusters in one table: strangers who took the slots, and pods of two deployments.

use std::collections::{BTreeMap, BTreeSet};

use crate::explain::cause::Hit;
use crate::explain::figures::{places, short};
use crate::explain::seen::{Pod, Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;

/// Parts of names of pods that belong to one cluster although their names differ.
const ROLES: [&str; 9] =
    ["leader", "follower", "master", "slave", "replica", "primary", "shard", "secondary", "worker"];

/// `redis-a` of `redis-a-0`.
fn workload(pod: &Pod) -> Option<&str> {
    let (name, number) = pod.name.rsplit_once('-')?;
    let counted = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    (counted && !ROLES.iter().any(|role| name.contains(role))).then_some(name)
}

/// The deployments that rows belong to; `None` when one of them is unknown.
fn workloads<'a>(seen: &'a Seen, rows: &[&Row]) -> Option<BTreeSet<&'a str>> {
    let of = |row: &&Row| {
        let pod = seen.pods.iter().find(|pod| pod.ip.as_deref() == Some(row.address.ip.as_str()));
        workload(pod?)
    };
    rows.iter().map(of).collect()
}

/// Between two looks of one node the slots went to nodes that were not there before, and their
/// owners became replicas of these.
pub(super) fn taken_over(seen: &Seen) -> Option<Hit> {
    let earlier = seen.past.iter().chain(&seen.tables);
    earlier.filter(|table| table.source == Source::Nodes).find_map(|before| {
        let own = before.myself()?;
        let mut later = seen.tables.iter().filter(|table| table.source == Source::Nodes);
        let is_later = |now: &&Table| {
            let same = now.myself().is_some_and(|row| row.id == own.id);
            same && now.rows.first().map(|row| row.line) > before.rows.first().map(|row| row.line)
        };
        later.find(is_later).and_then(|now| between(seen, before, now))
    })
}

fn between(seen: &Seen, before: &Table, now: &Table) -> Option<Hit> {
    let old: BTreeSet<&str> = before.rows.iter().map(|row| row.id.as_str()).collect();
    let is_new = |id: &str| !old.contains(id);
    let owners: Vec<&Row> =
        now.rows.iter().filter(|row| !row.slots.is_empty() && is_new(&row.id)).collect();
    let owned = |id: &str| before.rows.iter().any(|row| row.id == id && !row.slots.is_empty());
    let follows_new = |row: &&Row| row.primary.as_deref().is_some_and(is_new);
    let fallen: Vec<&Row> =
        now.rows.iter().filter(|row| owned(&row.id)).filter(follows_new).collect();
    if owners.len() < 2 || fallen.len() < 2 {
        return None;
    }
    let newcomers: Vec<&Row> = now.rows.iter().filter(|row| is_new(&row.id)).collect();
    let natives: Vec<&Row> = now.rows.iter().filter(|row| !is_new(&row.id)).collect();
    let sides = workloads(seen, &natives).zip(workloads(seen, &newcomers));
    let sides = sides.filter(|(home, away)| home.is_disjoint(away));
    let again = reused(before, &newcomers);
    let hit = Hit::of(70)
        .more_if(20, sides.is_some())
        .more_if(8, again.is_some())
        .quotes(fallen.iter().map(|row| row.line).take(2))
        .quotes(owners.iter().map(|row| row.line).take(2))
        .note(format!(
            "{} had slots in the earlier table and are replicas now of nodes that were not in it: \
             {} own the slots, with their higher config epochs. What the former owners hold is \
             replaced by the data of these.",
            list(&places(fallen.iter().copied()), 4),
            list(&places(owners.iter().copied()), 4)
        ));
    let hit = match &again {
        Some((left, came)) => hit.quote(left.line).quote(came.line).note(format!(
            "{} was a failed member {} there and never forgotten; {} answers at that address now. \
             Whoever still dialled the one met the other, and gossip did the rest.",
            left.address.ip,
            short(&left.id),
            short(&came.id)
        )),
        None => hit,
    };
    let names = |all: &BTreeSet<&str>| {
        list(&all.iter().map(|name| format!("{name}-*")).collect::<Vec<_>>(), 3)
    };
    let (home, away) = match &sides {
        Some((home, away)) => (names(home), names(away)),
        None => ("the old members".to_owned(), "the newcomers".to_owned()),
    };
    let hit = match &sides {
        Some(_) => hit
            .quotes(pod_of(seen, owners.first()))
            .quotes(pod_of(seen, fallen.first()))
            .note(format!("The pods say it too: {home} are one deployment and {away} another.")),
        None => hit.check(
            "Were these nodes added on purpose, to take the place of the old ones? If nobody did: \
             it is a merge.",
        ),
    };
    Some(cure(hit, &home, &away))
}

/// A failed member at whose address another id answers now.
fn reused<'a>(before: &'a Table, newcomers: &[&'a Row]) -> Option<(&'a Row, &'a Row)> {
    before.rows.iter().filter(|row| row.is_failing()).find_map(|left| {
        let came = newcomers.iter().find(|row| row.address.ip == left.address.ip)?;
        Some((left, *came))
    })
}

fn pod_of(seen: &Seen, row: Option<&&Row>) -> Option<usize> {
    let ip = row?.address.ip.as_str();
    seen.pods.iter().find(|pod| pod.ip.as_deref() == Some(ip)).map(|pod| pod.line)
}

/// What to do, with the names of the two sides.
fn cure(hit: Hit, home: &str, away: &str) -> Hit {
    hit.step(format!(
        "At once: cut client and bus ports between {home} and {away} (a NetworkPolicy, security \
         groups). As long as they are linked, data is replaced."
    ))
    .step(format!(
        "Copy the RDB and AOF files of every node of {home} aside, also of those that are down, \
         before anything else is sent to them; a backup of before the merge is worth the most."
    ))
    .step(
        "Then part them: on every node of each side CLUSTER FORGET of each id of the other side, \
         all within a minute. Who follows a stranger refuses to forget it: such a node is \
         started anew from its saved files.",
    )
    .step(
        "For the time after: FORGET a removed member on all nodes before its address can be given \
         to somebody else, a password or CA of its own for each cluster, and a version from \
         6.0.5 on.",
    )
    .only_these_steps()
}

/// Pods of two deployments in one table, where one set owns the slots and the other follows it.
pub(super) fn two_workloads(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let mut sides: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &table.rows {
        let name = workloads(seen, &[row])?.into_iter().next()?;
        sides.entry(name).or_default().push(row);
    }
    let has_slots = |rows: &[&Row]| rows.iter().any(|row| !row.slots.is_empty());
    let (owners, others): (Vec<_>, Vec<_>) = sides.iter().partition(|(_, rows)| has_slots(rows));
    let [(winner, rows)] = owners.as_slice() else { return None };
    let [(loser, fallen)] = others.as_slice() else { return None };
    (rows.len() >= 3 && fallen.len() >= 3).then_some(())?;
    let hit = Hit::of(62)
        .quotes(rows.iter().filter(|row| !row.slots.is_empty()).map(|row| row.line).take(2))
        .quotes(fallen.iter().map(|row| row.line).take(2))
        .note(format!(
            "Members of the table are pods of two deployments: {winner}-* owns all slots, and \
             {loser}-* has none."
        ))
        .check(format!(
            "Was {winner} meant to take the place of {loser}, in one cluster? If each is a cluster \
             of its own: they have merged."
        ));
    Some(cure(hit, &format!("{loser}-*"), &format!("{winner}-*")))
}
