//! A new primary that never had a replica: replica migration is for those that lost theirs.

use super::command_line::calls;
use super::server_age;
use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;

/// Servers of the time of `redis-trib.rb`.
const NEVER: &str = "Replica migration sends a spare replica to a primary that HAD replicas and \
    lost them, or that came out of a failover; one that never had any is none of these \
    (redis/redis#2600; servers from 3.2 on count a new one too, if others have replicas when it \
    gets its first slot). Nobody comes by himself, however long one waits.";

/// Later servers.
const SINCE: &str = "Replica migration sends a spare replica to a primary that had replicas and \
    lost them; to a new one only if others had replicas at the moment when it got its first slot \
    (3.2 and later), if cluster-allow-replica-migration is yes on the spare one, and if more than \
    cluster-migration-barrier stay behind. Do not rely on it for a node that is added.";

/// Words of a replica that came by itself before.
const MADE_GOOD: [&str; 4] = ["went over", "migrated", "died", "took its place"];

const THAT_ONE: &str = "A primary that lost its replica got another one for just that reason: it \
    had one before.";

/// Replicas of a primary that are up.
fn replicas<'a>(table: &'a Table, primary: &Row) -> Vec<&'a Row> {
    let follows = |row: &&Row| row.primary.as_deref() == Some(&primary.id) && !row.is_failing();
    table.rows.iter().filter(follows).collect()
}

/// The line that shows that this node was added as a new one.
fn added(seen: &Seen, row: &Row) -> Option<usize> {
    let place = row.place();
    let by_tool = calls(seen).into_iter().find(|call| {
        let replica = ["--cluster-slave", "--cluster-replica", "--slave"];
        let as_one = call.options.iter().any(|option| replica.contains(&option.as_str()));
        call.name == "add-node" && call.words.first() == Some(&place) && !as_one
    });
    let met = || {
        let port = row.address.port.to_string();
        seen.lines.iter().position(|line| {
            let asks = line.lower.contains("cluster meet");
            let words = || line.text.split_whitespace();
            asks && words().any(|word| word == row.address.ip) && words().any(|word| word == port)
        })
    };
    let told = || {
        let told = ["new master", "new primary", "added a master", "added a primary"];
        let at = *seen.lines_with(&told).first()?;
        let newest = seen.owners().iter().all(|other| other.epoch <= row.epoch);
        newest.then_some(at)
    };
    by_tool.map(|call| call.line).or_else(met).or_else(told)
}

/// A primary with slots that was added and stands alone, beside others with replicas to spare.
pub(super) fn stays_alone(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source != Source::Slots)?;
    let owners = seen.owners();
    let alone = |row: &&&Row| {
        !row.is_failing() && !table.rows.iter().any(|r| r.primary.as_deref() == Some(&row.id))
    };
    let (bare, line) =
        owners.iter().filter(alone).find_map(|row| Some((*row, added(seen, row)?)))?;
    let rich = owners.iter().max_by_key(|row| replicas(table, row).len())?;
    let many = replicas(table, rich);
    let spare = many.iter().max_by_key(|row| &row.id).filter(|_| many.len() >= 2)?;
    let counts: Vec<String> = (owners.iter())
        .filter(|row| row.id != bare.id)
        .map(|row| format!("{} has {}", row.place(), replicas(table, row).len()))
        .collect();
    let old = seen.has(&["redis-trib"]) || server_age::stated(seen).is_some_and(|v| v < (3, 2, 0));
    let hit = Hit::of(if old { 87 } else { 74 })
        .quote(line)
        .quote(bare.line)
        .quote(spare.line)
        .fact("bare", bare.place())
        .fact("rich", rich.place())
        .fact("many", many.len().to_string())
        .note(format!(
            "{} ({}) was added as a new node, and no row shows a replica that it ever had; of the \
             others {}.",
            bare.place(),
            slots(&bare.slots),
            list(&counts, 6)
        ))
        .note(if old { NEVER } else { SINCE });
    let hit = if old && seen.has(&MADE_GOOD) { hit.note(THAT_ONE) } else { hit };
    Some(steps(barrier(seen, many.len(), hit), bare, rich, spare, seen))
}

/// The barrier that was pasted is not the reason.
fn barrier(seen: &Seen, many: usize, hit: Hit) -> Hit {
    let Some(setting) = seen.setting("cluster-migration-barrier") else { return hit };
    let value = setting.value.trim_matches('"').parse::<usize>().ok();
    match value {
        Some(barrier) if many > barrier => hit.quote(setting.line).note(format!(
            "cluster-migration-barrier {barrier} is not the reason: it asks that {barrier} stay \
             behind, and there are {many}."
        )),
        Some(barrier) => hit.quote(setting.line).note(format!(
            "cluster-migration-barrier {barrier} would keep the {many} replicas where they are as \
             well."
        )),
        None => hit,
    }
}

fn steps(hit: Hit, bare: &Row, rich: &Row, spare: &Row, seen: &Seen) -> Hit {
    let ruby = seen.has(&["redis-trib"]);
    let add = if ruby {
        format!("redis-trib.rb add-node --slave --master-id {}", bare.id)
    } else {
        format!("--cluster add-node ... --cluster-slave --cluster-master-id {}", bare.id)
    };
    hit.check(format!(
        "CLUSTER NODES: does any row name {} ({}) as its primary? And CONFIG GET \
         cluster-migration-barrier.",
        bare.id,
        bare.place()
    ))
    .step(format!(
        "On {}, a spare replica of {}: CLUSTER REPLICATE {} (the id of {}), when INFO replication \
         of {} shows another replica with state=online. It makes one full copy from its new \
         primary.",
        spare.place(),
        rich.place(),
        bare.id,
        bare.place(),
        rich.place()
    ))
    .step(format!(
        "Or add one more node as its replica: {add}. Do the same with each primary that is added: \
         its replica belongs to the adding."
    ))
    .only_these_steps()
}
