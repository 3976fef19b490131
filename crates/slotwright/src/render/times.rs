//! How long each node took to answer, for `check -vv`.

use slotwright_core::observation::{Observation, Silence};

use super::page::{Ink, Look, Page};
use super::text::count;

/// Nodes that get a line; the slowest come first, and the rest is fast.
const SHOWN_MAX: usize = 40;

/// Draws the table, the slowest first.
pub fn draw(look: Look, seen: &Observation) -> String {
    let mut page = Page::new(look);
    page.gap().line(&[(Ink::Strong, "answer times"), (Ink::Faint, "  (the slowest first)")]);
    let mut all: Vec<_> = seen.sightings.iter().collect();
    all.sort_by(|a, b| b.took_ms.cmp(&a.took_ms).then_with(|| a.from.cmp(&b.from)));
    for sighting in all.iter().take(SHOWN_MAX) {
        let took = format!("  {:>6} ms  {}", sighting.took_ms, sighting.from);
        let why = sighting.nodes.silence().map(|why| format!("  {}", Silence::describe(why)));
        page.line(&[(Ink::Plain, &took), (Ink::Warn, &why.unwrap_or_default())]);
    }
    if all.len() > SHOWN_MAX {
        let more = format!("  and {} that took no longer", count(all.len() - SHOWN_MAX, "node"));
        page.line(&[(Ink::Faint, &more)]);
    }
    page.finish()
}
