//! Who sees whom: observers as lines, members as columns.

use std::collections::BTreeMap;

use slotwright_core::model::{Flag, NodeId};
use slotwright_core::observation::{LinkState, Picture};

use super::page::{Ink, Page};

/// Members that fit beside a name on 80 columns, and observers on a screen. Beyond this, only what
/// is not in order is shown, and observers that see the same share a line.
const SHOWN_MAX: usize = 24;

/// Columns of a number with its blanks, of a short id, and at least of a name.
const NUMBER: usize = 5;
const ID: usize = 8;
const NAME_MIN: usize = 12;

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
    let views = views(seen, &observers, &shown, unicode);
    let names = room_for_names(page, &views, shown.len());
    head(page, names, &shown);
    let named = lines(page, &views, names, &shown);
    let fine = if unicode { "·" } else { "." };
    let legend = format!(
        "{fine} fine  ? suspected  x failed  - no link  @ no address  h handshake  = itself  \
         blank: unknown"
    );
    page.hang(&[(Ink::Plain, "  ")], Ink::Faint, &legend);
    columns(page, seen, &shown, &named, members.len());
}

fn in_order_of_address(seen: &Picture<'_>) -> Vec<NodeId> {
    let mut members: Vec<NodeId> = seen.members().map(|(id, _)| id).collect();
    // 10.0.0.9 before 10.0.0.10.
    members.sort_by_cached_key(|id| {
        let at = seen.endpoint(*id);
        let ip = at.as_ref().and_then(|at| at.host.parse::<std::net::IpAddr>().ok());
        (ip, at, *id)
    });
    members
}

/// One line: how the observers are called, which column is theirs, what they see.
struct View {
    name: String,
    column: Option<usize>,
    signs: String,
}

/// Observers that see the same share a line when there are many.
fn views(seen: &Picture<'_>, observers: &[usize], shown: &[NodeId], unicode: bool) -> Vec<View> {
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
    let view = |key: &String| {
        let by = &groups[key];
        let first = by[0];
        let is_first = |member: &NodeId| sign(seen, first, *member, unicode) == '=';
        let (name, column) = match by.len() {
            1 => (seen.sighting(first).from.to_string(), shown.iter().position(is_first)),
            many => (format!("{many} nodes"), None),
        };
        let signs = key.split('\0').next().unwrap_or_default().to_owned();
        View { name, column, signs }
    };
    let mut views: Vec<View> = order.iter().map(view).collect();
    // In the order of the columns; those that have none come first.
    views.sort_by_key(|view| view.column);
    views
}

/// Columns for the names: the widest, or what the signs leave.
fn room_for_names(page: &Page, views: &[View], shown: usize) -> usize {
    let widest = views.iter().map(|view| page.width_of(&view.name)).max().unwrap_or(0);
    let left = page.look().width.saturating_sub(NUMBER + 2 + 2 * shown);
    widest.min(left.max(NAME_MIN))
}

fn head(page: &mut Page, names: usize, shown: &[NodeId]) {
    let numbers: String = (1..=shown.len()).map(|n| format!("{n:>2}")).collect();
    page.line(&[(Ink::Faint, &format!("{:width$}{numbers}", "", width = NUMBER + names + 1))]);
}

/// The lines, each with the number of its observer's own column and, where there is room, its id.
/// Returns the columns that were named so.
fn lines(page: &mut Page, views: &[View], names: usize, shown: &[NodeId]) -> Vec<usize> {
    let with_id = NUMBER + names + 1 + 2 * shown.len() + 2 + ID <= page.look().width;
    for view in views.iter().take(SHOWN_MAX) {
        let number = view.column.map_or_else(String::new, |at| (at + 1).to_string());
        let number = format!("  {number:>2} ");
        let name = format!("{} ", page.fitted(&view.name, names));
        let id = view.column.filter(|_| with_id).map(|at| format!("  {}", shown[at].short()));
        page.line(&[
            (Ink::Faint, &number),
            (Ink::Plain, &name),
            (Ink::Plain, &view.signs),
            (Ink::Faint, &id.unwrap_or_default()),
        ]);
    }
    if views.len() > SHOWN_MAX {
        let more = format!("  and {} more kinds of view", views.len() - SHOWN_MAX);
        page.line(&[(Ink::Faint, &more)]);
    }
    let lines = views.iter().take(SHOWN_MAX);
    lines.filter_map(|view| view.column.filter(|_| with_id)).collect()
}

/// The columns whose node has no line of its own.
fn columns(page: &mut Page, seen: &Picture<'_>, shown: &[NodeId], named: &[usize], all: usize) {
    for (at, member) in shown.iter().enumerate().filter(|(at, _)| !named.contains(at)) {
        let head = format!("  {:>2} ", at + 1);
        page.line(&[(Ink::Faint, &head), (Ink::Plain, &seen.name(*member))]);
    }
    if all > shown.len() {
        let rest = format!("     {} more members are not shown", all - shown.len());
        page.line(&[(Ink::Faint, &rest)]);
    }
}
