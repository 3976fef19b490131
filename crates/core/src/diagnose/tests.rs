//! Tests of the engine and of the table of findings as a whole.

use std::collections::BTreeSet;

use super::{Found, Step, diagnose};
use crate::findings;
use crate::model::{Flag, NodeId, SlotSet};
use crate::observation::sketch::Sketch;
use crate::observation::{Census, LinkState, Observation, OpenSlot, RowTable, Said, Silence};

/// Words of deeds that lose data, identity or protection when they are done in the wrong
/// situation.
const DANGEROUS: [&str; 22] = [
    "FLUSHALL",
    "FLUSHDB",
    "RESET HARD",
    "RESET",
    "--cluster fix",
    "--cluster-fix",
    "--cluster create",
    "ADDSLOTS",
    "DELSLOTS",
    "TAKEOVER",
    "FAILOVER FORCE",
    "BUMPEPOCH",
    "delete its",
    "delete the",
    "wipe",
    " rm ",
    "protected-mode no",
    "nopass",
    "tls-cluster no",
    "DEBUG ",
    "SHUTDOWN",
    "kill -9",
];

/// Steps that name one of them all the same, each with what makes it safe there. The second word
/// is a part of the step.
const ALLOWED: [(&str, &str, &str); 26] = [
    ("BUSY_SCRIPT", "if it is UNKILLABLE", "the primary answers nobody; the loss is said"),
    ("CLUSTER_SPLIT_ISLANDS", "only if these nodes hold no key", "nothing is there to be lost"),
    ("DUPLICATE_NODE_ID_LIVE", "stop the other from outside", "its pod, not its volume"),
    ("EPOCH_CONTAMINATED_BY_FOREIGN_NODE", "CLUSTER BUMPEPOCH", "on the rightful owner"),
    ("FAILOVER_BLOCKED_BY_EPOCH", "CLUSTER FAILOVER TAKEOVER", "fenced, greatest offset"),
    ("FAILOVER_NO_VOTES", "CLUSTER FAILOVER FORCE", "the primary is off; greatest offset"),
    ("FORGOT_SLOT_OWNER", "before that the members delete it", "it is about the entry"),
    ("KEYS_IN_FOREIGN_SLOT", "nobody owns slot", "the one node that holds the slot's keys"),
    ("LEFTOVER_STATE", "CLUSTER RESET SOFT", "no key, no slot, no replica"),
    ("NODE_HUNG", "end that process for good", "ended, and kept from starting"),
    ("NODE_IDENTITY_LOST", "CLUSTER ADDSLOTSRANGE", "the keys were counted there"),
    ("NODE_IDENTITY_LOST", "CLUSTER FAILOVER", "the old id runs nowhere"),
    ("OWNER_DISOWNS_SLOTS", "CLUSTER ADDSLOTSRANGE", "on the owner that all others name"),
    ("PRIMARY_NOADDR_MASKED", "CLUSTER FAILOVER FORCE", "nobody carries the id; keys looked at"),
    ("PROTECTED_MODE", "only where the network keeps strangers away", "the condition is said"),
    ("QUORUM_LOST", "CLUSTER FAILOVER TAKEOVER", "hosts off, volumes detached"),
    ("REPLICA_TOO_STALE", "CLUSTER FAILOVER FORCE", "the primary is off; greatest offset"),
    ("REPLICATION_CHAIN_OR_CYCLE", "CLUSTER FAILOVER TAKEOVER", "it has the keys of all others"),
    ("RESET_MISTAKE", "CLUSTER ADDSLOTSRANGE", "its own slots, which nobody claims"),
    ("SHARD_DOWN", "CLUSTER FAILOVER", "the primary is off; greatest offset"),
    ("SINGLE_PRIMARY_OWNS_ALL", "CLUSTER FAILOVER TAKEOVER", "nobody else may vote; fenced"),
    ("SLOTS_UNASSIGNED", "CLUSTER ADDSLOTSRANGE", "every node's keys were counted"),
    ("SLOTS_UNASSIGNED", "CLUSTER BUMPEPOCH", "on the one that holds the keys"),
    ("TLS_BUS_MISMATCH", "restart", "as all the others have it; one node at a time"),
    ("SLOT_CLAIMED_TWICE", "only after the copy: CLUSTER BUMPEPOCH", "both copies are kept"),
    ("SLOT_OWNER_DISAGREEMENT", "on that node, and on no other", "the one that holds the keys"),
];

/// Commands behind which there is no way back, or that drop a copy: each needs something to be
/// made sure of before it.
const NEED_A_CHECK: [&str; 8] = [
    "CLUSTER FAILOVER TAKEOVER",
    "CLUSTER FAILOVER FORCE",
    "CLUSTER ADDSLOTS",
    "CLUSTER BUMPEPOCH",
    "CLUSTER RESET",
    "CLUSTER REPLICATE",
    "CLUSTER FORGET",
    "CLUSTER SETSLOT",
];

/// What no step may contain, whatever was found. Called for all that any test detects.
///
/// # Panics
/// When a step would destroy data or an identity, and no reason is listed why it may stand there;
/// when a command without a way back follows on nothing that is made sure of.
pub(super) fn assert_harmless(found: &Found) {
    let mut made_sure = false;
    for step in &found.by_hand.steps {
        let text = match step {
            Step::Command { argv, .. } => argv.join(" "),
            Step::Do(text) => text.clone(),
            Step::Check(_) => {
                made_sure = true;
                continue;
            }
        };
        let excused = ALLOWED.iter().any(|(code, part, reason)| {
            *code == found.code && text.contains(part) && !reason.is_empty()
        });
        let harm = DANGEROUS.iter().find(|word| text.contains(**word));
        assert!(excused || harm.is_none(), "{} advises [{harm:?}]: {text}", found.code);
        let final_one = matches!(step, Step::Command { .. })
            && NEED_A_CHECK.iter().any(|command| text.starts_with(command));
        assert!(made_sure || !final_one, "{}: nothing is made sure of before: {text}", found.code);
    }
}

#[test]
fn every_excuse_is_for_a_finding_that_exists() {
    let codes: BTreeSet<String> = findings::ALL.iter().map(|entry| entry.code()).collect();
    for (code, part, _) in &ALLOWED {
        assert!(codes.contains(*code), "{code}: {part}");
    }
}

/// Six nodes in which as much as possible is wrong at once.
fn rich() -> Observation {
    let mut sketch = Sketch::healthy(3, 1);
    let slot = crate::model::Slot::new(7).expect("a slot");
    sketch
        .moves(1, "10.0.9.2")
        .row(0, 0, |row| row.open = vec![OpenSlot::Migrating { slot, to: Sketch::id(2) }])
        .row(2, 2, |row| row.open = vec![OpenSlot::Importing { slot, from: Sketch::id(0) }])
        .row(2, 0, |row| row.slots = SlotSet::range(0, 4_000))
        .rows_about(1, |row| {
            row.flags = row.flags.with(Flag::Suspected);
            row.link = LinkState::Disconnected;
        })
        .rows_about(5, |row| row.flags = row.flags.with(Flag::Failed))
        .silence(5, Silence::Refused, Some(Silence::TimedOut))
        .info(3, "master_link_status", "down")
        .info(4, "redis_version", "6.2.1")
        .config(2, "cluster-node-timeout", "5000")
        .cluster_info(0, "cluster_state", "fail")
        .stranger(
            NodeId::made_up(99),
            crate::model::Endpoint::new("10.0.8.8", 6379),
            SlotSet::range(0, 100),
        );
    let table = sketch.nodes[2].table.as_mut().expect("a table");
    table.retain(|row| row.id != Sketch::id(4));
    for node in [0, 2, 3, 4] {
        let keys = vec![(1, 3), (9_000 + node as u16, 2), (16_000, 1)];
        sketch.nodes[node].sighting.census = Said::This(Census { counted: SlotSet::all(), keys });
        let libraries = (0..node).map(|n| format!("library{n}")).collect();
        sketch.nodes[node].sighting.functions = Said::This(libraries);
        let late = 1_700_000_000_000 + node as u64 * 5_000;
        sketch.nodes[node].sighting.clock_ms = Said::This(late);
    }
    sketch.build()
}

/// A number generator that gives the same sequence in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below a usize")
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The same facts in another order, with the rows numbered anew.
fn shuffled(seen: &Observation, dice: &mut Dice) -> Observation {
    let mut other = seen.clone();
    let mut order: Vec<usize> = (0..seen.rows.as_slice().len()).collect();
    dice.shuffle(&mut order);
    let mut rows = RowTable::default();
    let mut number_of = vec![0; order.len()];
    for old in order {
        number_of[old] = rows.add(seen.rows.as_slice()[old].clone());
    }
    other.rows = rows;
    for sighting in &mut other.sightings {
        if let Said::This(view) = &mut sighting.nodes {
            for shown in &mut view.rows {
                shown.row = number_of[shown.row as usize];
            }
            dice.shuffle(&mut view.rows);
        }
    }
    dice.shuffle(&mut other.sightings);
    dice.shuffle(&mut other.bus);
    dice.shuffle(&mut other.names);
    dice.shuffle(&mut other.named);
    other
}

#[test]
fn ten_thousand_orders_of_the_same_facts_give_one_report() {
    let seen = rich();
    let report = diagnose(&seen);
    assert!(report.all().count() >= 5, "the observation is rich: {:#?}", report.roots.len());
    let wanted = serde_json::to_string(&report).expect("a report is a value");
    let mut dice = Dice(48);
    for round in 0..10_000 {
        let other = shuffled(&seen, &mut dice);
        let text = serde_json::to_string(&diagnose(&other)).expect("a report is a value");
        assert!(text == wanted, "order {round} gives another report:\n{text}\n{wanted}");
    }
}

#[test]
fn a_report_survives_its_file() {
    let report = diagnose(&rich());
    let text = serde_json::to_string(&report).expect("a report is a value");
    let again: super::Report = serde_json::from_str(&text).expect("and can be read");
    assert_eq!(again, report);
}

#[test]
fn every_page_has_its_headings_in_order_and_something_below_each() {
    const HEADINGS: [&str; 6] = [
        "## What it means",
        "## How it comes about",
        "## What we look at",
        "## The repair",
        "## Repair safety",
        "## By hand",
    ];
    for entry in findings::ALL {
        let lines: Vec<&str> = entry.doc.iter().map(|line| line.trim()).collect();
        let places: Vec<usize> = HEADINGS
            .iter()
            .map(|heading| {
                let found = lines.iter().position(|line| line == heading);
                found.unwrap_or_else(|| panic!("{} has no {heading:?}", entry.name))
            })
            .collect();
        assert!(places.is_sorted(), "{}: the headings stand in another order", entry.name);
        for (at, place) in places.iter().enumerate() {
            let end = places.get(at + 1).copied().unwrap_or(lines.len());
            let words: usize =
                lines[place + 1..end].iter().map(|line| line.split_whitespace().count()).sum();
            assert!(words >= 3, "{}: nothing below {:?}", entry.name, HEADINGS[at]);
        }
    }
}

#[test]
fn every_scenario_can_be_played_on_some_server_or_says_why_not() {
    for entry in findings::ALL {
        let scenario = (entry.scenario)();
        for (server, why) in &scenario.not_on {
            assert!(why.len() > 10, "{} is not on {}: {why:?}", entry.name, server.name());
        }
        assert!(scenario.primaries > 0, "{}", entry.name);
    }
}

#[test]
fn a_code_is_the_name_in_capitals() {
    let mut codes: Vec<String> = findings::ALL.iter().map(|entry| entry.code()).collect();
    let count = codes.len();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), count, "two findings have one code");
}

#[test]
fn causes_have_no_cycle() {
    fn walk(name: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) {
        assert!(!path.iter().any(|seen| seen == name), "a cycle: {} {name}", path.join(" "));
        if done.contains(name) {
            return;
        }
        let Some(entry) = findings::ALL.iter().find(|entry| entry.name == name) else { return };
        path.push(name.to_owned());
        for cause in entry.after {
            walk(cause, path, done);
        }
        path.pop();
        done.insert(name.to_owned());
    }
    let mut done = BTreeSet::new();
    for entry in findings::ALL {
        walk(entry.name, &mut Vec::new(), &mut done);
    }
    assert_eq!(done.len(), findings::ALL.len());
}

#[test]
fn every_named_cause_exists() {
    let names: BTreeSet<&str> = findings::ALL.iter().map(|entry| entry.name).collect();
    for entry in findings::ALL {
        for cause in entry.after {
            assert!(names.contains(cause), "{} names {cause}, which does not exist", entry.name);
            assert_ne!(*cause, entry.name);
        }
    }
}

#[test]
fn a_file_that_names_rows_it_does_not_have_is_judged_without_them() {
    let mut seen = Sketch::healthy(3, 0).build();
    for sighting in &mut seen.sightings {
        if let Said::This(view) = &mut sighting.nodes {
            view.rows[0].row = 999_999;
        }
    }
    diagnose(&seen);
    let honest = diagnose(&Sketch::healthy(3, 0).build());
    assert_eq!(honest.roots, []);
}
