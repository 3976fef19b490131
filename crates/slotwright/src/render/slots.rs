//! The slot map: 16384 slots as a picture that fits a screen.

use std::collections::BTreeMap;

use slotwright_core::model::{NodeId, SLOT_COUNT, Slot};
use slotwright_core::observation::Picture;

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

/// Draws who owns what in the opinion that most observers share.
///
/// A letter is an owner; `_` slots without one; `%` slots on which observers differ; `+` several
/// owners in one cell.
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
    if seen.opinions().len() > 1 {
        let text = format!("the observers hold {} different opinions", seen.opinions().len());
        page.hang(&[(Ink::Warn, "      % ")], Ink::Plain, &text);
    }
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
                '%'
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
        let ranges = slots.to_string();
        let ranges = if ranges.len() > 40 { format!("{}...", &ranges[..36]) } else { ranges };
        let replicas = seen.replicas_of(*id).len();
        let text = format!(
            "{:names$}  {} {ranges}, {}",
            seen.name(*id),
            count(slots.len().into(), "slot"),
            count(replicas, "replica")
        );
        page.hang(&[(Ink::Strong, &head)], Ink::Plain, &text);
    }
    if owners.len() > LEGEND_MAX {
        let more = format!("        and {} more owners", owners.len() - LEGEND_MAX);
        page.line(&[(Ink::Faint, &more)]);
    }
}
