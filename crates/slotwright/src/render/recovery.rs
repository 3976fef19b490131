//! The end of a recovery as a page.

use slotwright_core::plan::Refusal;

use super::page::{Ink, Page};
use super::plan::refusals;
use super::text::count;

/// What there is to say.
#[derive(Debug)]
pub struct Lines<'a> {
    /// How it ended.
    pub word: &'a str,
    /// Whether that is good.
    pub fine: bool,
    /// Rounds in which something was sent.
    pub rounds: u32,
    /// Keys of all primaries before and after, where they could be counted.
    pub keys: (Option<u64>, Option<u64>),
    /// What is left, and why.
    pub refusals: &'a [Refusal],
    /// Where the journal is.
    pub journal: &'a str,
}

/// Draws it.
pub fn draw(page: &mut Page, lines: &Lines<'_>) {
    let ink = if lines.fine { Ink::Good } else { Ink::Bad };
    let rounds = match lines.rounds {
        0 => "nothing was sent".to_owned(),
        rounds => count(usize::try_from(rounds).unwrap_or(usize::MAX), "round"),
    };
    page.line(&[
        (Ink::Strong, "cluster  "),
        (ink, lines.word),
        (Ink::Plain, &format!("   {rounds}")),
    ]);
    if let (Some(before), Some(after)) = lines.keys {
        let twice = if lines.fine && after < before {
            ": one that two primaries held counts twice before"
        } else {
            ""
        };
        let text = format!("{before} before, {after} after{twice}");
        page.line(&[(Ink::Faint, "keys     "), (Ink::Plain, &text)]);
    }
    refusals(page, lines.refusals);
    page.line(&[(Ink::Faint, "journal  "), (Ink::Plain, lines.journal)]);
}
