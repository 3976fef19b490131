//! The diagnosis of a running cluster, put to the tables that were pasted.
//!
//! Each table of `CLUSTER NODES` whose own row is there becomes the sighting of that node, and what
//! was not pasted is a question that was not put. A table that is visibly a part of one (a
//! replica whose primary is missing, fewer rows than known nodes) is no witness: what is
//! missing from it may be missing from the paste only.

use std::collections::BTreeMap;

use super::cause::{Cause, Hit};
use super::seen::{Block, Seen, Source, Table};
use super::table::looks_like_id;
use super::{Alternative, Confidence, Explained, Side, causes, infos};
use crate::diagnose::{Certainty, Found, Group, Risk, Severity, Step, diagnose};
use crate::model::Endpoint;
use crate::observation::{Observation, Said, Sighting};
use crate::wire::cluster_nodes;

/// What the diagnosis says to the pasted tables: root causes that matter, gravest first.
pub(super) fn root_causes(seen: &Seen) -> Vec<Found> {
    let observation = observation(seen);
    let mut roots: Vec<Found> = Vec::new();
    if !observation.sightings.is_empty() {
        let found = diagnose(&observation).roots.into_iter().map(|root| root.found);
        roots.extend(found.filter(|f| f.severity >= Severity::Warning && !f.settles));
    }
    for found in infos::findings(seen) {
        if !roots.iter().any(|root| root.code == found.code) {
            roots.push(found);
        }
    }
    roots
}

/// The score of a cause that the diagnosis finds in pasted figures and no text names.
const DIAGNOSED: u8 = 70;

/// Causes of the table that the diagnosis of `INFO` found and no matcher did.
pub(super) fn hits(
    roots: &[Found],
    known: &[(&'static Cause, Hit)],
    seen: &Seen,
) -> Vec<(&'static Cause, Hit)> {
    let mut found = Vec::new();
    for root in roots.iter().filter(|root| is_fault_of_info(root)) {
        let cause = causes::all().find(|cause| cause.code == root.code);
        let Some(cause) = cause.filter(|c| !known.iter().any(|(k, _)| k.code == c.code)) else {
            continue;
        };
        let says: Vec<String> =
            root.evidence.iter().map(|piece| piece.says.to_lowercase()).collect();
        let phrases: Vec<&str> = says.iter().map(String::as_str).collect();
        let mut hit = Hit::of(DIAGNOSED).quotes(seen.lines_with(&phrases));
        if root.code == "MAXMEMORY_REACHED" {
            hit =
                hit.quotes(["used_memory", "maxmemory"].iter().filter_map(|f| seen.field_line(f)));
        }
        found.push((cause, hit));
    }
    found
}

/// The root cause that speaks against calling the paste healthy.
pub(super) fn against_health<'a>(
    roots: &'a [Found],
    answer: Option<&Explained>,
) -> Option<&'a Found> {
    answer.filter(|answer| answer.side == Side::Nobody)?;
    roots.iter().find(|root| is_fault_of_info(root))
}

fn is_fault_of_info(root: &Found) -> bool {
    root.severity >= Severity::Error && infos::PROVED_ALONE.contains(&root.code.as_str())
}

/// The last whole table of each node, with the fields that were pasted beside it.
fn observation(seen: &Seen) -> Observation {
    let mut observation = Observation::empty();
    let mut last: BTreeMap<&str, &Table> = BTreeMap::new();
    for table in seen.tables.iter().filter(|table| table.source == Source::Nodes) {
        if let Some(me) = table.myself().filter(|me| !me.address.ip.is_empty()) {
            last.insert(&me.id, table);
        }
    }
    for table in last.values() {
        if let Some(sighting) = sighting(seen, table, &mut observation) {
            observation.sightings.push(sighting);
        }
    }
    observation
}

fn sighting(seen: &Seen, table: &Table, into: &mut Observation) -> Option<Sighting> {
    let me = table.myself()?;
    let fields = fields_beside(seen, table);
    let known = fields.and_then(|block| block.fields.number("cluster_known_nodes"));
    let short = known.is_some_and(|known| usize::try_from(known) != Ok(table.rows.len()));
    if short || seen.is_cut(table) {
        return None;
    }
    let mut text = String::new();
    for row in &table.rows {
        let line = &seen.lines.get(row.line)?.text;
        let from = line.get(line.find(row.id.as_str())?..)?.trim_end_matches(['"', '\'', ',']);
        text.push_str(&tidy(from));
        text.push('\n');
    }
    // The rows of a table that is no witness may stay: a row counts only where a view shows it.
    let view = cluster_nodes::parse(text.as_bytes(), &mut into.rows);
    if !view.oddities.is_empty() || view.rows.len() != table.rows.len() {
        return None;
    }
    let mut sighting = Sighting::new(Endpoint::new(me.address.ip.clone(), me.address.port));
    sighting.myid = tidy(&me.id).parse().map_or_else(|_| Said::default(), Said::This);
    sighting.nodes = Said::This(view);
    if let Some(block) = fields.filter(|block| block.fields.get("cluster_state").is_some()) {
        sighting.cluster_info = Said::This(block.fields.clone());
    }
    if let Some(block) = info_beside(seen, table) {
        sighting.info = Said::This(block.fields.clone());
    }
    Some(sighting)
}

/// A row with single blanks, and with its ids as long as ids are: people cut them short. What was
/// cut off is the same in every row, so that equal ids stay equal.
fn tidy(row: &str) -> String {
    let words = row.split_whitespace().enumerate().map(|(at, word)| {
        let cut = word.trim_end_matches(['.', '…', '*']);
        let is_id = matches!(at, 0 | 3) && looks_like_id(cut);
        if is_id { format!("{cut:0<40}") } else { word.to_owned() }
    });
    words.collect::<Vec<String>>().join(" ")
}

/// The block of `CLUSTER INFO` of the table's node: only where its paste has one table and one
/// block, so that nobody else can be meant.
fn fields_beside<'a>(seen: &'a Seen, table: &Table) -> Option<&'a Block> {
    let paste_of = |line: usize| seen.lines.get(line).map(|line| line.paste);
    let here = paste_of(table.rows.first()?.line);
    let of_table = |one: &&Table| one.rows.first().and_then(|row| paste_of(row.line)) == here;
    let state = |block: &Block| block.lines.get("cluster_state").and_then(|line| paste_of(*line));
    let mut blocks = seen.blocks.iter().filter(|block| state(block) == here);
    let block = blocks.next()?;
    (blocks.next().is_none() && seen.tables.iter().filter(of_table).count() == 1).then_some(block)
}

/// The `INFO` of the table's node: only where its paste has one table and one `INFO`.
fn info_beside<'a>(seen: &'a Seen, table: &Table) -> Option<&'a Block> {
    let paste_of = |line: usize| seen.lines.get(line).map(|line| line.paste);
    let here = paste_of(table.rows.first()?.line);
    let of_table = |one: &&Table| one.rows.first().and_then(|row| paste_of(row.line)) == here;
    let of_block = |one: &&Block| one.lines.values().next().and_then(|at| paste_of(*at)) == here;
    let mut blocks = infos::blocks(seen).filter(of_block);
    let block = blocks.next()?;
    let tables = seen.tables.iter().filter(|table| table.source == Source::Nodes);
    (blocks.next().is_none() && tables.filter(of_table).count() == 1).then_some(block)
}

/// A root cause as the answer.
pub(super) fn explained(found: &Found, seen: &Seen) -> Explained {
    let doubt = match &found.certainty {
        Certainty::Certain => String::new(),
        Certainty::Suspected(why) => format!(" Not certain: {why}"),
    };
    let told: Vec<String> = found
        .evidence
        .iter()
        .take(3)
        .map(|piece| format!("{} says: {}.", piece.witness, piece.says.trim_end_matches('.')))
        .collect();
    Explained {
        code: found.code.clone(),
        title: found.message.clone(),
        confidence: match &found.certainty {
            Certainty::Certain => Confidence::Likely,
            Certainty::Suspected(_) => Confidence::Possible,
        },
        side: side(found.group),
        cause: format!(
            "The pasted tables, judged as `slotwright check` judges a running cluster, show this. \
             {}{doubt}",
            told.join(" ")
        ),
        quotes: Vec::new(),
        check: check(seen),
        fix: steps(found),
        never: found.by_hand.never.clone(),
    }
}

/// A root cause beside another answer.
pub(super) fn alternative(found: &Found, seen: &Seen) -> Alternative {
    Alternative { code: found.code.clone(), title: found.message.clone(), check: check(seen) }
}

fn check(seen: &Seen) -> String {
    let me = seen.tables.iter().find_map(|table| table.myself());
    let place =
        me.filter(|me| !me.address.ip.is_empty()).map_or("HOST:PORT".to_owned(), |me| me.place());
    format!("slotwright check {place}: it asks every node, not only those whose table was pasted.")
}

/// Steps that cost nothing whatever the nodes say that were not pasted; the others are given by
/// `check`, which sees them.
fn steps(found: &Found) -> Vec<String> {
    if found.by_hand.risk > Risk::ReadOnly {
        return vec![format!(
            "slotwright check HOST:PORT, then slotwright explain {}: the safe steps depend on what \
             the nodes say that were not pasted.",
            found.code
        )];
    }
    let text = |step: &Step| match step {
        Step::Command { on, argv } => format!("On {on}: {}", argv.join(" ")),
        Step::Do(what) => what.clone(),
        Step::Check(what) => format!("Make sure: {what}"),
    };
    found.by_hand.steps.iter().map(text).collect()
}

const fn side(group: Group) -> Side {
    match group {
        Group::Addressing | Group::Bus => Side::Network,
        Group::Process => Side::Platform,
        Group::Operations => Side::Command,
        Group::Clients => Side::Client,
        Group::Slots
        | Group::Replication
        | Group::Configuration
        | Group::Security
        | Group::Data => Side::Cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes of what the diagnosis finds in a paste.
    fn codes(text: &str) -> Vec<String> {
        let seen = Seen::of(text);
        root_causes(&seen).into_iter().map(|found| found.code).collect()
    }

    const PRIMARY: &str = "aaaaaaa1 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 1-16383\n";
    const REPLICA: &str =
        "aaaaaaa2 10.0.0.2:6379@16379 slave aaaaaaa1 0 1700000000000 1 connected\n";
    const ORPHAN: &str =
        "aaaaaaa3 10.0.0.3:6379@16379 slave aaaaaaa9 0 1700000000000 1 connected\n";

    #[test]
    fn a_pasted_table_is_judged_like_a_seen_one() {
        let found = codes(&format!("{PRIMARY}{}", REPLICA.replace("10.0.0.2", "10.0.0.999")));
        assert!(found.iter().any(|code| code == "ILLEGAL_ADDRESS"), "{found:?}");
    }

    #[test]
    fn a_part_of_a_table_is_no_witness() {
        assert_eq!(codes(&format!("{PRIMARY}{ORPHAN}")), [""; 0]);
        assert_eq!(codes(REPLICA), [""; 0]);
        let text = format!("{PRIMARY}{REPLICA}cluster_state:fail\ncluster_known_nodes:6\n");
        assert_eq!(codes(&text), [""; 0]);
    }

    #[test]
    fn who_was_not_pasted_is_not_called_down() {
        let text = format!("{}{REPLICA}", PRIMARY.replace("1-16383", "0-16383"));
        let found = codes(&text);
        let down = ["DOWN", "UNREACHABLE", "SILENT", "REFUSED"];
        let bad = |code: &&String| down.iter().any(|word| code.contains(word));
        assert_eq!(found.iter().find(bad), None, "{found:?}");
    }
}
