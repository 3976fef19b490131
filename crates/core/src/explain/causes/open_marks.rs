//! The marks of open slots, as tables and `--cluster check` show them: which node has which mark,
//! and what follows from a mark that has no counterpart.

use crate::explain::seen::Seen;
use crate::explain::template::list;
use crate::model::SlotSet;

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
    let nobodys = nobodys(seen, &marks);
    if let Some(note) = source_died(seen) {
        notes.push(note);
    } else if let Some(slot) = &nobodys {
        notes.push(format!(
            "Slot {slot} has no owner in this listing although it is open: the move broke off \
             after its owner had given it up, or the owner lost its table. No node serves it, and \
             STABLE gives it to nobody. Count its keys on every primary; the node that has them \
             (else the one that imports it) becomes the owner: CLUSTER ADDSLOTS {slot} on that ONE \
             node, which takes its mark off as well; then check again. With keys on several of \
             them, bring them together first."
        ));
    } else if migrating.is_empty() {
        let uncovered = seen.has(&["[err] not all 16384 slots", "not all 16384 slots are covered"]);
        notes.push(if uncovered { UNCOVERED } else { IMPORTING_ONLY }.to_owned());
    } else if importing.is_empty() {
        let text = if only_one_was_asked(seen) { NOT_ASKED } else { MIGRATING_ONLY };
        notes.push(text.to_owned());
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

const IMPORTING_ONLY: &str = "No node is marked migrating for them: the owner serves these slots \
    as ever (that is why all slots can be covered while some are open), and only the importing \
    side still has its half of the move. The source was restarted or had its mark taken off, or \
    the move ended between the two SETSLOT. If the importing node has no key of the slot, STABLE \
    on that node ends it; if it has keys, mark the owner migrating again and finish the move.";

const UNCOVERED: &str = "No node is marked migrating for them, and the check says that not all slots \
    are covered: so an open slot most likely has NO owner at all. The move broke off after the old \
    owner had given it up; STABLE on the importing node would leave it to nobody. See which slots \
    no 'M:' line of the whole listing names, and count the keys of such a slot on EVERY primary: \
    the one that has them (else the importing one) becomes the owner, by CLUSTER ADDSLOTS <slot> \
    on that ONE node, which takes its mark off as well. With keys on several, bring them together \
    first.";

const MIGRATING_ONLY: &str = "No node is marked importing for them: the source answers ASK for \
    keys that it does not have, and the target refuses. If the target has no key of the slot, \
    STABLE on the source ends it; if it has keys, mark it importing again and finish the move.";

/// A mark stands in the table of the node that has it and nowhere else.
const NOT_ASKED: &str = "The mark of the other side stands only in that node's own CLUSTER NODES, \
    which was not pasted: look there whether it is marked importing. While a move runs, commands \
    with several keys get TRYAGAIN when some of them are already on the target: the application \
    tries again, and it ends with the move. When nobody moves any more, finish it.";

/// Whether the marks come from the table of one single node.
fn only_one_was_asked(seen: &Seen) -> bool {
    let own = seen.server_rows().filter(|row| row.is_myself()).count();
    own == 1 && !seen.has(&[" has slots in "])
}

/// The first open slot that nobody owns in a listing of the tool that owns nearly all.
fn nobodys(seen: &Seen, marks: &[Mark]) -> Option<String> {
    let table = seen.table()?;
    let missing = table.assigned().complement();
    let few = !missing.is_empty() && missing.len() <= 1_024;
    let all = || marks.iter().flat_map(|mark| &mark.slots);
    all().filter(|_| few).find_map(|slot| {
        let number: u16 = slot.parse().ok()?;
        let mut one = SlotSet::new();
        one.insert(number, number);
        (!missing.intersection(&one).is_empty()).then(|| slot.clone())
    })
}

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

/// The node from which a slot is imported is dead, and another one has its slots: the replica that
/// was promoted knows nothing of the move (redis/redis#2591).
fn source_died(seen: &Seen) -> Option<String> {
    seen.tables.iter().find_map(|table| {
        let importer = table.rows.iter().find(|row| row.open.iter().any(|o| o.contains("-<-")))?;
        let open = importer.open.iter().find(|open| open.contains("-<-"))?;
        let (slot, from) = open.trim_matches(['[', ']']).split_once("-<-")?;
        let source = table.rows.iter().find(|row| row.id == from)?;
        let number: u16 = slot.parse().ok()?;
        let mut one = SlotSet::new();
        one.insert(number, number);
        let owns = |row: &&crate::explain::table::Row| !row.slots.intersection(&one).is_empty();
        let gone = source.is_failing() && source.slots.is_empty();
        let heir = table
            .rows
            .iter()
            .find(owns)
            .or_else(|| table.rows.iter().filter(|row| row.id != from).max_by_key(|row| row.epoch))
            .filter(|row| gone && row.id != importer.id)?;
        let (to, died, now) = (importer.place(), source.place(), heir.place());
        Some(format!(
            "Slot {slot}: {died}, from which it was being moved, is dead, and {now} was promoted \
             in its place. A replica that is promoted does not take the migrating mark over \
             (before 8.0 of Valkey), so {now} serves the slot as if nothing moved and does not \
             send ASK, while the keys that had been moved are on {to} only, where nobody asks for \
             them. CLUSTER COUNTKEYSINSLOT {slot} on {now} and on {to}. Keys on {to}: mark {now} \
             migrating to {to} and finish the move (MIGRATE the rest, then the new owner, {to} \
             first), or carry these keys back. None on {to}: STABLE there ends it. Keep {died} \
             from coming back with its old mark until that is done."
        ))
    })
}
