//! SETSLOT typed by hand: it marks a slot, and moves neither the slot nor its keys.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::table::Row;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "SLOT_MARKED_BY_HAND",
    title: "SETSLOT only marks the slot[[ <<slot>>]]: it was typed by hand, and nothing moves it",
    side: Side::Command,
    when: marked,
    cause: "CLUSTER SETSLOT <slot> MIGRATING or IMPORTING sets a mark on the one node that it is \
        typed at, and answers OK to that. It carries no key and gives the slot to nobody; no \
        waiting changes it.[[ <<owner>>]][[ <<typed>>]]",
    check: "CLUSTER NODES on source and target: a mark stands on a node's own row only \
        ([slot->-id] at the source, [slot-<-id] at the target).",
    fix: &[
        "Finish it: IMPORTING at the target, MIGRATING at the source, MIGRATE of all keys, then \
         the new owner on the target first, then on the source.",
    ],
    never: &[
        "Do not wait for it, and do not take the slot from its owner's table by hand.",
        "No SETSLOT NODE while the source still has keys of the slot: they are lost with it.",
    ],
    like: &[],
}];

/// Who says so has waited: then no tool is at work on it.
const WAITS: [&str; 12] = [
    "not move",
    "does not go",
    "doesn't go",
    "doesn't move",
    "however long",
    "long time",
    "minutes later",
    "hours later",
    "still get",
    "still on",
    "still own",
    "nothing happens",
];

/// What was typed about a slot.
struct Typed {
    line: usize,
    slot: String,
    importing: bool,
    /// The id of the other end.
    other: String,
    /// The node at whose prompt it stands.
    at: Option<String>,
}

fn typed(seen: &Seen) -> Vec<Typed> {
    let all = seen.lines.iter().enumerate().filter_map(|(line, text)| {
        let (head, rest) = text.lower.split_once("cluster setslot ")?;
        let mut words = rest.split_whitespace().map(|word| word.trim_matches(['"', '`', '\'']));
        let slot = words.next().filter(|slot| slot.parse::<u16>().is_ok())?;
        let way = words.next()?;
        let other = words.next()?;
        let importing = way == "importing";
        let at = text.text.split_once("> ").map(|(place, _)| place.trim().to_owned());
        let at = at.filter(|place| place.contains(':') && !head.contains("--cluster"));
        let (slot, other) = (slot.to_owned(), other.to_owned());
        (importing || way == "migrating").then_some(Typed { line, slot, importing, other, at })
    });
    all.collect()
}

fn marked(seen: &Seen) -> Option<Hit> {
    let all = typed(seen);
    let first = all.first()?;
    let tool = ["moving slot", "--cluster reshard", "redis-trib.rb reshard", "rebalanc", "[err]"];
    let moved = ["> migrate ", " migrate \"", "getkeysinslot", "timed out", "ioerr", "timeout"];
    let given = format!("setslot {} node", first.slot);
    if seen.has(&tool) || seen.has(&moved) || seen.has(&[given.as_str()]) {
        return None;
    }
    let waits = seen.has(&WAITS);
    let ends = Ends::of(seen, first);
    if ends.row.is_none() && !waits {
        return None;
    }
    let both =
        all.iter().any(|other| other.importing != first.importing && other.slot == first.slot);
    let hit = Hit::of(if ends.row.is_some() { 82 } else { 76 })
        .more_if(11, ends.row.is_some() && waits)
        .quotes(all.iter().map(|typed| typed.line).take(2))
        .quotes(ends.row.map(|row| row.line))
        .fact("slot", first.slot.clone())
        .fact_if("owner", ends.owner(&first.slot))
        .fact("typed", missing(first, both, &ends));
    Some(ends.steps(hit, first, both))
}

/// Source and target of the move that was meant.
struct Ends<'a> {
    source: String,
    source_id: String,
    target: String,
    target_id: String,
    /// The row that has the mark.
    row: Option<&'a Row>,
    /// The row of the source.
    from: Option<&'a Row>,
}

impl<'a> Ends<'a> {
    fn of(seen: &'a Seen, typed: &Typed) -> Self {
        let by_id = |id: &str| seen.rows().find(|row| row.id.eq_ignore_ascii_case(id));
        let head = format!("[{}-", typed.slot);
        let row = seen.rows().find(|row| row.open.iter().any(|open| open.starts_with(&head)));
        let own = row.or_else(|| {
            let place = typed.at.as_deref()?;
            seen.rows().find(|row| row.place() == place)
        });
        let other = by_id(&typed.other);
        let place =
            |row: Option<&Row>, fallback: &str| row.map_or_else(|| fallback.to_owned(), Row::place);
        let id = |row: Option<&Row>, name: &str| {
            row.map_or_else(|| format!("<id of the {name}>"), |row| row.id.clone())
        };
        let here = typed.at.clone();
        if typed.importing {
            return Self {
                source: place(other, "the source"),
                source_id: typed.other.clone(),
                target: place(own, here.as_deref().unwrap_or("the target")),
                target_id: id(own, "target"),
                row,
                from: other,
            };
        }
        Self {
            source: place(own, here.as_deref().unwrap_or("the source")),
            source_id: id(own, "source"),
            target: place(other, "the target"),
            target_id: typed.other.clone(),
            row,
            from: own,
        }
    }

    /// The source has the slot still.
    fn owner(&self, slot: &str) -> Option<String> {
        let from = self.from.filter(|row| !row.slots.is_empty())?;
        let number: u16 = slot.parse().ok()?;
        let mut one = crate::model::SlotSet::new();
        one.insert(number, number);
        (!from.slots.intersection(&one).is_empty()).then(|| {
            format!(
                "Here the table shows the mark and nothing more: {} still owns slot {slot} (its \
                 row has {}).",
                self.source,
                crate::explain::figures::slots(&from.slots)
            )
        })
    }

    fn steps(&self, hit: Hit, typed: &Typed, both: bool) -> Hit {
        let (source, target, slot) = (&self.source, &self.target, &typed.slot);
        let (host, port) = target.rsplit_once(':').unwrap_or(("<host>", "<port>"));
        let importing = format!("on {target} CLUSTER SETSLOT {slot} IMPORTING {}", self.source_id);
        let migrating = format!("on {source} CLUSTER SETSLOT {slot} MIGRATING {}", self.target_id);
        let mark = match (both, typed.importing) {
            (true, _) => "Both marks are set.".to_owned(),
            (false, true) => format!("Finish it: {migrating}."),
            (false, false) => format!("Finish it: {importing}."),
        };
        hit.step(format!(
            "{mark} Then the keys, on {source}: CLUSTER GETKEYSINSLOT {slot} 100, and for what it \
             names MIGRATE {host} {port} \"\" 0 60000 KEYS <key> <key> ... (with AUTH or AUTH2 \
             where a password is set), until CLUSTER COUNTKEYSINSLOT {slot} says 0 there. Only \
             then CLUSTER SETSLOT {slot} NODE {}, on {target} first, then on {source}, then on the \
             other primaries.",
            self.target_id
        ))
        .step(format!(
            "Or take the mark off and leave it to the tool: as no key was moved ({target} has none \
             of slot {slot}), CLUSTER SETSLOT {slot} STABLE on each node that has a mark; then \
             redis-cli --cluster reshard (before 5.0 redis-trib.rb reshard) from {source} to \
             {target}, which does all of these steps for each slot."
        ))
        .only_these_steps()
    }
}

/// What was typed, and what is missing of the steps.
fn missing(typed: &Typed, both: bool, ends: &Ends<'_>) -> String {
    let (done, other) = match (both, typed.importing) {
        (true, _) => ("the two marks", String::new()),
        (false, true) => ("IMPORTING", format!("MIGRATING on {}, ", ends.source)),
        (false, false) => ("MIGRATING", format!("IMPORTING on {}, ", ends.target)),
    };
    format!(
        "Of the steps of a move only {done} was typed; missing are {other}MIGRATE of the keys, and \
         SETSLOT {} NODE on both ends.",
        typed.slot
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("SLOT_MARKED_BY_HAND");
    }
}
