//! Who sees whom: observers as lines, members as columns.

use std::collections::BTreeMap;

use slotwright_core::model::{Flag, NodeId};
use slotwright_core::observation::{LinkState, Picture};

use super::page::{Ink, Page};

/// Members that fit beside a name on 80 columns, and observers on a screen. Beyond this, only what
/// is not in order is shown, and observers that see the same share a line.
const SHOWN_MAX: usize = 24;

/// What one observer holds of one member, as a sign.
fn sign(seen: &Picture<'_>, observer: usize, member: NodeId, unicode: bool) -> char {
    let Some((row, _)) = seen.view_of(observer, member) else { return ' ' };
    let fine = if unicode { '·' } else { '.' };
    if row.flags.has(Flag::Myself) {
        '='
    } else if row.flags.has(Flag::NoAddress) {
        '@'
    } else if row.flags.has(Flag::Failed) {
        'x'
    } else if row.flags.has(Flag::Suspected) {
        '?'
    } else if row.flags.has(Flag::Handshake) {
        'h'
    } else if row.link == LinkState::Disconnected {
        '-'
    } else {
        fine
    }
}

/// Draws the matrix.
pub fn draw(page: &mut Page, seen: &Picture<'_>) {
    let unicode = page.look().unicode;
    let observers: Vec<usize> = seen.observers().collect();
    let members: Vec<NodeId> = in_order_of_address(seen);
    if observers.is_empty() {
        return;
    }
    let fine = |signs: &str| signs.chars().all(|c| "=.·".contains(c));
    let column = |member: NodeId| -> String {
        observers.iter().map(|observer| sign(seen, *observer, member, unicode)).collect()
    };
    let large = members.len() > SHOWN_MAX;
    let shown: Vec<NodeId> = members
        .iter()
        .copied()
        .filter(|member| !large || !fine(&column(*member)))
        .take(SHOWN_MAX)
        .collect();
    page.line(&[
        (Ink::Strong, "who sees whom"),
        (Ink::Faint, "  (a line is what one node believes)"),
    ]);
    if shown.is_empty() {
        let text = format!("  every one of {} nodes sees every other", members.len());
        page.line(&[(Ink::Good, &text)]);
        return;
    }
    head(page, &shown);
    lines(page, seen, &observers, &shown);
    let fine = if unicode { "·" } else { "." };
    let legend = format!(
        "{fine} fine  ? suspected  x failed  - no link  @ no address  h handshake  = itself  \
         blank: unknown"
    );
    page.hang(&[(Ink::Plain, "  ")], Ink::Faint, &legend);
    columns(page, seen, &shown, members.len());
}

fn in_order_of_address(seen: &Picture<'_>) -> Vec<NodeId> {
    let mut members: Vec<NodeId> = seen.members().map(|(id, _)| id).collect();
    members.sort_by_key(|id| (seen.endpoint(*id), *id));
    members
}

fn head(page: &mut Page, shown: &[NodeId]) {
    let numbers: String = (1..=shown.len()).map(|n| format!("{n:>2}")).collect();
    page.line(&[(Ink::Faint, &format!("{:26}{numbers}", ""))]);
}

/// Observers that see the same share a line when there are many.
fn lines(page: &mut Page, seen: &Picture<'_>, observers: &[usize], shown: &[NodeId]) {
    let unicode = page.look().unicode;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for observer in observers {
        let signs: String = shown
            .iter()
            .flat_map(|member| [' ', sign(seen, *observer, *member, unicode)])
            .collect();
        let key = if observers.len() > SHOWN_MAX { signs } else { format!("{signs}\0{observer}") };
        if !groups.contains_key(&key) {
            order.push(key.clone());
        }
        groups.entry(key).or_default().push(*observer);
    }
    for key in order.iter().take(SHOWN_MAX) {
        let by = &groups[key];
        let first = seen.sighting(by[0]).from.to_string();
        let name = if by.len() == 1 { first } else { format!("{} nodes", by.len()) };
        let signs = key.split('\0').next().unwrap_or_default();
        page.line(&[(Ink::Plain, &format!("  {name:24}")), (Ink::Plain, signs)]);
    }
    if order.len() > SHOWN_MAX {
        let more = format!("  and {} more kinds of view", order.len() - SHOWN_MAX);
        page.line(&[(Ink::Faint, &more)]);
    }
}

fn columns(page: &mut Page, seen: &Picture<'_>, shown: &[NodeId], all: usize) {
    for (at, member) in shown.iter().enumerate() {
        let head = format!("  {:>2} ", at + 1);
        page.line(&[(Ink::Faint, &head), (Ink::Plain, &seen.name(*member))]);
    }
    if all > shown.len() {
        let rest = format!("     {} more members are not shown", all - shown.len());
        page.line(&[(Ink::Faint, &rest)]);
    }
}
