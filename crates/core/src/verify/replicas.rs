//! Whether every replica copies its primary, and how far it is behind.

use super::shape::silence;
use super::{Check, Outcome, Says, Tally, What, count};
use crate::model::NodeId;
use crate::observation::{Fields, Picture, Role};

/// `repl-backlog-size` by default. A replica that is further behind than the backlog reaches cannot
/// go on where it stopped: it would have to copy everything anew.
const BACKLOG_BYTES: u64 = 1024 * 1024;

/// Every replica has a link to its primary, of the same history, and is not far behind.
pub(super) fn replicas(seen: &Picture<'_>) -> Check {
    let mut tally = Tally::default();
    let mut furthest = 0;
    let all: Vec<NodeId> = seen
        .members()
        .map(|(id, _)| id)
        .filter(|id| seen.role(*id) == Some(Role::Replica))
        .collect();
    for id in &all {
        let name = seen.name(*id);
        match (seen.info_of(*id), seen.proved(*id)) {
            (Some(info), _) => match judge(seen, *id, info) {
                Behind::Bytes(bytes) => {
                    tally.good += 1;
                    furthest = furthest.max(bytes);
                }
                Behind::Wrong(why) => tally.wrong(&name, why),
                Behind::Unknown(why) => tally.unknown(&name, why),
            },
            (None, Some(sighting)) => {
                let why = sighting.info.silence();
                why.into_iter().for_each(|why| tally.unknown(&name, why.describe()));
            }
            (None, None) => tally.silent(&name, &silence(seen, *id)),
        }
    }
    if all.is_empty() && seen.observers().next().is_some() {
        let outcome = Outcome::Passed("there is no replica".to_owned());
        return Check { what: What::Replicas, outcome, details: Vec::new() };
    }
    let number = count(tally.all(), "replica");
    let says = Says {
        passed: format!("{number} linked to the primary, at most {furthest} bytes behind"),
        failed: format!("{} of {number} do not follow their primary", tally.wrong.len()),
        unknown: match tally.all() {
            0 => "no node showed its table".to_owned(),
            _ => format!("not known of {} of {number}", tally.unknown.len()),
        },
    };
    tally.row(What::Replicas, says)
}

enum Behind {
    Bytes(u64),
    Wrong(String),
    Unknown(String),
}

fn judge(seen: &Picture<'_>, id: NodeId, info: &Fields) -> Behind {
    if !info.is("master_link_status", "up") {
        let dials = [info.get("master_host"), info.get("master_port")];
        let at: Vec<&str> = dials.into_iter().flatten().collect();
        return match info.is("master_sync_in_progress", "1") {
            true => Behind::Wrong("it is still copying its primary".to_owned()),
            false => Behind::Wrong(format!("no link to its primary at {}", at.join(":"))),
        };
    }
    let Some(primary) = seen.primary_of(id) else {
        return Behind::Wrong("it names no primary".to_owned());
    };
    let Some(source) = seen.info_of(primary) else {
        return Behind::Unknown(format!("its primary told nothing: {}", seen.name(primary)));
    };
    let history = |fields: &Fields| fields.get("master_replid").map(str::to_owned);
    if let (Some(own), Some(its)) = (history(info), history(source))
        && own != its
    {
        let name = seen.name(primary);
        return Behind::Wrong(format!("it copies another history than that of {name}"));
    }
    let offsets = (info.number("slave_repl_offset"), source.number("master_repl_offset"));
    let (Some(here), Some(there)) = offsets else {
        return Behind::Unknown("no offset was told".to_owned());
    };
    // The replica may have been asked later than its primary, and so be ahead.
    let behind = there.saturating_sub(here);
    let reach = source.number("repl_backlog_size").unwrap_or(BACKLOG_BYTES).max(1);
    if behind > reach {
        let why = format!("{behind} bytes behind, more than the backlog of {reach} bytes holds");
        return Behind::Wrong(why);
    }
    Behind::Bytes(behind)
}
