//! The slot map: 16384 slots as a picture that fits a screen.

use std::collections::BTreeMap;

use slotwright_core::model::{NodeId, SLOT_COUNT, Slot, SlotSet};
use slotwright_core::observation::{Opinion, Picture};

use super::page::{Ink, Page};
use super::text::count;

/// Cells of a line.
const CELLS: u16 = 64;
/// Lines of the map.
const LINES: u16 = 2;
/// Owners that get a line of the legend; more do not fit a screen.
const LEGEND_MAX: usize = 12;
/// Letters for owners, in the order of their first slot; those beyond share the last sign.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Slots that observers give to different owners.
const DISPUTED: char = '%';

/// Draws who owns what in the opinion that most observers share.
///
/// A letter is an owner; `_` slots without one; `%` slots that observers give to different owners;
/// `+` several owners in one cell.
pub fn draw(page: &mut Page, seen: &Picture<'_>) {
    let Some(agreed) = seen.agreed() else { return };
    let mut owners: Vec<(NodeId, Option<Slot>)> =
        agreed.owners.iter().map(|(id, slots)| (*id, slots.first())).collect();
    owners.sort_by_key(|(id, first)| (*first, *id));
    let letters: BTreeMap<NodeId, char> = owners
        .iter()
        .enumerate()
        .map(|(at, (id, _))| (*id, LETTERS.chars().nth(at).unwrap_or('*')))
        .collect();
    let cells = cells(seen, &letters);
    page.line(&[(Ink::Strong, "slots"), (Ink::Faint, "  (each sign stands for 128 slots)")]);
    for line in 0..LINES {
        let from = usize::from(line * CELLS);
        let text: String = cells[from..from + usize::from(CELLS)].iter().collect();
        let first = format!("  {:>5} ", line * (SLOT_COUNT / LINES));
        page.line(&[(Ink::Faint, &first), (Ink::Plain, &text)]);
    }
    legend(page, seen, &owners, &letters);
    let missing = agreed.assigned.complement();
    if !missing.is_empty() {
        let text = format!("{} without an owner: {missing}", count(missing.len().into(), "slot"));
        page.hang(&[(Ink::Bad, "      _ ")], Ink::Plain, &text);
    }
    if cells.contains(&DISPUTED) {
        let text = format!("the observers hold {} different opinions", seen.opinions().len());
        page.hang(&[(Ink::Warn, &format!("      {DISPUTED} "))], Ink::Plain, &text);
    }
    unknown(page, seen);
}

/// Slots of which some observers know no owner, and most do.
fn unknown(page: &mut Page, seen: &Picture<'_>) {
    let Some((agreed, others)) = seen.opinions().split_first() else { return };
    let lack = |opinion: &&Opinion| !agreed.assigned.difference(&opinion.assigned).is_empty();
    let lacking: Vec<&Opinion> = others.iter().filter(lack).collect();
    let slots = lacking.iter().fold(SlotSet::new(), |all, opinion| {
        all.union(&agreed.assigned.difference(&opinion.assigned))
    });
    if slots.is_empty() {
        return;
    }
    let who = lacking.iter().map(|opinion| opinion.by.len()).sum::<usize>();
    let all = seen.observers().count();
    let know = if who == 1 { "knows" } else { "know" };
    let text = format!("{who} of {all} observers {know} no owner of slots {}", brief(&slots));
    page.hang(&[(Ink::Warn, "        ")], Ink::Plain, &text);
}

/// As many ranges as fit a line.
fn brief(slots: &SlotSet) -> String {
    let ranges = slots.to_string();
    if ranges.len() > 40 { format!("{}...", &ranges[..36]) } else { ranges }
}

fn cells(seen: &Picture<'_>, letters: &BTreeMap<NodeId, char>) -> Vec<char> {
    let mut owner_of: Vec<Option<NodeId>> = vec![None; usize::from(SLOT_COUNT)];
    let mut disputed = vec![false; usize::from(SLOT_COUNT)];
    for (rank, opinion) in seen.opinions().iter().enumerate() {
        for (id, slots) in &opinion.owners {
            for slot in slots.iter().map(|slot| usize::from(slot.get())) {
                if rank == 0 {
                    owner_of[slot] = Some(*id);
                } else if owner_of[slot] != Some(*id) {
                    disputed[slot] = true;
                }
            }
        }
    }
    let per_cell = usize::from(SLOT_COUNT / (CELLS * LINES));
    owner_of
        .chunks(per_cell)
        .zip(disputed.chunks(per_cell))
        .map(|(owners, disputed)| {
            if disputed.contains(&true) {
                DISPUTED
            } else if owners.contains(&None) {
                '_'
            } else if owners.iter().any(|owner| owner != &owners[0]) {
                '+'
            } else {
                owners[0].and_then(|id| letters.get(&id)).copied().unwrap_or('?')
            }
        })
        .collect()
}

fn legend(
    page: &mut Page,
    seen: &Picture<'_>,
    owners: &[(NodeId, Option<Slot>)],
    letters: &BTreeMap<NodeId, char>,
) {
    let shown = || owners.iter().take(LEGEND_MAX);
    let names = shown().map(|(id, _)| seen.name(*id).len()).max().unwrap_or(0);
    for (id, _) in shown() {
        let slots = seen.slots_of(*id);
        let head = format!("      {} ", letters.get(id).copied().unwrap_or('?'));
        let replicas = seen.replicas_of(*id).len();
        let text = format!(
            "{:names$}  {} {}, {}",
            seen.name(*id),
            count(slots.len().into(), "slot"),
            brief(&slots),
            count(replicas, "replica")
        );
        page.hang(&[(Ink::Strong, &head)], Ink::Plain, &text);
    }
    if owners.len() > LEGEND_MAX {
        let more = format!("        and {} more owners", owners.len() - LEGEND_MAX);
        page.line(&[(Ink::Faint, &more)]);
    }
}
