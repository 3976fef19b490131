//! The marks of open slots, as tables and `--cluster check` show them: which node has which mark,
//! and what follows from a mark that has no counterpart.

use crate::explain::seen::Seen;
use crate::explain::template::list;

/// What a node says of its open slots.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mark {
    /// Where the node lives.
    place: String,
    /// Importing; otherwise migrating.
    importing: bool,
    /// The slots, as written.
    slots: Vec<String>,
}

/// Sentences about the marks.
pub(super) fn notes(seen: &Seen) -> Vec<String> {
    let marks = marks(seen);
    let mut notes: Vec<String> = marks.iter().take(4).map(said).collect();
    let (importing, migrating): (Vec<&Mark>, Vec<&Mark>) =
        marks.iter().partition(|mark| mark.importing);
    if importing.is_empty() && migrating.is_empty() {
        return notes;
    }
    if migrating.is_empty() {
        notes.push(IMPORTING_ONLY.to_owned());
    } else if importing.is_empty() {
        notes.push(MIGRATING_ONLY.to_owned());
    }
    let twice = importing.iter().find_map(|mark| {
        let same = |slot: &&String| {
            importing.iter().any(|other| other.place != mark.place && other.slots.contains(*slot))
        };
        mark.slots.iter().find(same)
    });
    if let Some(slot) = twice {
        notes.push(format!(
            "Slot {slot} is marked importing on more than one node: at most one of them can be \
             meant, so count its keys on each ({}) and on the owner first.",
            counting(slot)
        ));
    } else if let Some(slot) = marks.first().and_then(|mark| mark.slots.first()) {
        notes.push(format!("To count on each of them: {}.", counting(slot)));
    }
    notes
}

const IMPORTING_ONLY: &str = "No node is marked migrating for them: the owner serves these slots as \
    ever (that is why all slots can be covered while some are open), and only the importing side \
    still has its half of the move. The source was restarted or had its mark taken off, or the \
    move ended between the two SETSLOT. If the importing node has no key of the slot, STABLE on \
    that node ends it; if it has keys, mark the owner migrating again and finish the move.";

const MIGRATING_ONLY: &str = "No node is marked importing for them: the source answers ASK for keys \
    that it does not have, and the target refuses. If the target has no key of the slot, STABLE on \
    the source ends it; if it has keys, mark it importing again and finish the move.";

fn counting(slot: &str) -> String {
    format!("redis-cli -h <host> -p <port> cluster countkeysinslot {slot}")
}

fn said(mark: &Mark) -> String {
    let state = if mark.importing { "importing" } else { "migrating" };
    format!("{} has {} marked {state}.", mark.place, list(&mark.slots, 5))
}

/// `[WARNING] Node 10.0.0.1:7001 has slots in importing state 12,13.`, `... state (5461).`, and the
/// marks on rows of tables.
fn marks(seen: &Seen) -> Vec<Mark> {
    let mut found: Vec<Mark> = Vec::new();
    for line in &seen.lines {
        let Some((before, after)) = line.text.split_once(" has slots in ") else { continue };
        let place = before.split_whitespace().last().unwrap_or(before).to_owned();
        let importing = after.starts_with("importing");
        let Some((_, slots)) = after.split_once("state") else { continue };
        let slots = slots.trim().trim_end_matches('.').trim_matches(|c| c == '(' || c == ')');
        let slots: Vec<String> =
            slots.split([',', ' ']).filter(|s| !s.is_empty()).map(str::to_owned).collect();
        add(&mut found, Mark { place, importing, slots });
    }
    for row in seen.rows() {
        for importing in [true, false] {
            let sign = if importing { "-<-" } else { "->-" };
            let slots = row.open.iter().filter(|open| open.contains(sign));
            let slot = |open: &String| {
                open.trim_start_matches('[').split('-').next().unwrap_or_default().to_owned()
            };
            let slots: Vec<String> = slots.map(slot).collect();
            add(&mut found, Mark { place: row.place(), importing, slots });
        }
    }
    found
}

fn add(found: &mut Vec<Mark>, mark: Mark) {
    if !mark.slots.is_empty() && !found.contains(&mark) {
        found.push(mark);
    }
}
