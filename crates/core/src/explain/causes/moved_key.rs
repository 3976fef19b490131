//! A read that answers nil at a replica while its primary says ASK for the same key.

use super::sessions::{Turn, turns};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "REPLICA_NIL_WHILE_SLOT_MOVES",
    title: "A replica answers nil for a key that has already moved[[: <<key>>]]",
    side: Side::Client,
    when: nil_beside_ask,
    cause: "While a slot moves, only the two primaries know of it: the source answers ASK for a \
        key that it has handed over. Its replicas (before Valkey 8.0) do not know that the slot is \
        moving. The key that was moved is taken off the source, that is replicated, and the \
        replica says nil where its primary says ASK.[[ <<here>>]] So nil from a replica is no \
        proof that a key is missing while its slot moves. No data is lost: the key is at the \
        target. It ends with the move of the slot, when the replica answers MOVED. ASK and MOVED \
        that somebody typed in redis-cli are how a cluster redirects, and no fault.",
    check: "GET of the same key with redis-cli -c at the primary (it follows ASK): the value is \
        there; and CLUSTER NODES at the source: [<slot>->-<id>] as long as the slot moves.",
    fix: &[
        "Let the move finish; do not stop it in the middle of a slot.",
        "For the time of a reshard send reads to the primaries (ioredis scaleReads 'master', \
         Lettuce ReadFrom.UPSTREAM, go-redis without ReadOnly and RouteByLatency, redis-py without \
         read_from_replicas or load_balancing_strategy), or, on nil from a replica, ask the \
         primary once more with a client that follows ASK.",
        "For good: Valkey 8.0 or later, where replicas know of the move and answer ASK themselves.",
    ],
    never: &[
        "Do not restore from a backup or write the keys anew: they are at the target.",
        "Do not run --cluster fix while the reshard runs, and do not restart the replicas for it.",
    ],
    like: &["CLIENT_MAP_DURING_MOVE"],
}];

/// Signs that a server is a replica, around the turn.
fn is_replica(seen: &Seen, turns: &[Turn<'_>], turn: &Turn<'_>) -> Option<usize> {
    let sent = turns.iter().find(|other| other.place == turn.place && other.is(&["readonly"]));
    if let Some(sent) = sent {
        return Some(sent.line);
    }
    let row = seen.server_rows().find(|row| row.is_replica() && row.place() == turn.place);
    if let Some(row) = row {
        return Some(row.line);
    }
    let above = seen.lines.get(turn.line.saturating_sub(3)..turn.line).unwrap_or_default();
    let said = above.iter().rposition(|line| {
        let remark =
            line.text.trim_start().starts_with(['#', '/', '-']) || line.text.ends_with(':');
        remark && ["replica", "slave"].iter().any(|word| line.lower.contains(word))
    })?;
    Some(turn.line.saturating_sub(3) + said)
}

/// `ASK 12182 10.77.0.5:7003`: the slot and the target.
fn asked(answer: &str) -> Option<(String, String)> {
    let (_, rest) = answer.split_once("ASK ")?;
    let mut words = rest.split_whitespace();
    let slot = words.next().filter(|slot| slot.parse::<u16>().is_ok())?;
    Some((slot.to_owned(), words.next()?.trim_end_matches(['"', '.']).to_owned()))
}

fn nil_beside_ask(seen: &Seen) -> Option<Hit> {
    let turns = turns(seen);
    let key = |turn: &Turn<'_>| turn.words.get(1).map(|key| (*key).to_owned());
    turns.iter().find_map(|source| {
        let (at, answer) = source.first()?;
        let (slot, target) = asked(answer)?;
        let own = key(source)?;
        let nil = turns.iter().find_map(|other| {
            let (line, text) = other.first()?;
            let same = key(other).as_ref() == Some(&own) && other.place != source.place;
            let empty = text.contains("(nil)") || text == "\"\"" || text.contains("(integer) 0");
            let replica = is_replica(seen, &turns, other)?;
            (same && empty && other.place != target).then_some((other, line, replica))
        });
        let (replica, line, role) = nil?;
        let value = turns.iter().find_map(|other| {
            let (line, text) = other.first()?;
            let there = other.place == target && key(other).as_ref() == Some(&own);
            (there && !text.contains("(error)") && !text.contains("(nil)")).then_some(line)
        });
        let moved = turns.iter().find_map(|other| {
            let (line, text) = other.first()?;
            let says = text.contains(&format!("MOVED {slot} "));
            (says && other.place == replica.place).then_some(line)
        });
        let after = match (value, moved) {
            (Some(_), Some(_)) => format!(
                " Afterwards the replica answers MOVED to {target}, and there the value is."
            ),
            (Some(_), None) => format!(" At {target} the value is there."),
            _ => String::new(),
        };
        let here = format!(
            "Here the same read of '{own}' gets ASK (slot {slot}, to {target}) at {} and nil at \
             {}, a replica.{after}",
            source.place, replica.place
        );
        let hit = Hit::of(90).quote(at).quote(line).quotes(moved).quotes(value).quote(role);
        Some(hit.fact("key", own).fact("here", here))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("REPLICA_NIL_WHILE_SLOT_MOVES");
    }
}
