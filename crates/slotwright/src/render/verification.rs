//! The checks of `verify` as a page: one line each, what went wrong folded beneath.

use slotwright_core::observation::{Observation, Picture};
use slotwright_core::verify::{Check, Outcome, Verification, What};

use super::page::{Ink, Look, Page};
use super::text::count;

/// Columns of the name of a check.
const NAME: usize = 14;
/// Owners of slots that get a line.
const OWNERS_SHOWN: usize = 16;
/// Details of one check that are shown; `-o json` has more.
const DETAILS_SHOWN: usize = 8;

/// Draws `slotwright verify`.
pub fn draw(look: Look, after: &Observation, found: &Verification) -> String {
    let mut page = Page::new(look);
    checks(&mut page, after, found);
    for note in &after.notes {
        page.hang(&[(Ink::Faint, "note  ")], Ink::Faint, note);
    }
    page.gap();
    footer(&mut page, found);
    page.finish()
}

/// The checks, and who holds how many keys.
pub fn checks(page: &mut Page, after: &Observation, found: &Verification) {
    for check in &found.checks {
        row(page, check);
    }
    distribution(page, &Picture::new(after), found);
}

/// The outcome on one line, for `--quiet`.
pub fn outcome(look: Look, found: &Verification) -> String {
    let mut page = Page::new(look);
    footer(&mut page, found);
    page.finish()
}

/// A sign that is read without colour as well.
const fn sign(outcome: &Outcome, unicode: bool) -> (Ink, &'static str) {
    match (outcome, unicode) {
        (Outcome::Passed(_), true) => (Ink::Good, "✓ "),
        (Outcome::Passed(_), false) => (Ink::Good, "+ "),
        (Outcome::Failed(_), true) => (Ink::Bad, "✗ "),
        (Outcome::Failed(_), false) => (Ink::Bad, "X "),
        (Outcome::Unknown(_), _) => (Ink::Warn, "? "),
    }
}

fn row(page: &mut Page, check: &Check) {
    let sign = sign(&check.outcome, page.look().unicode);
    let name = format!("{:NAME$}", check.what.title());
    page.hang(&[sign, (Ink::Strong, &name)], Ink::Plain, check.outcome.says());
    let indent = " ".repeat(NAME + 2);
    for detail in check.details.iter().take(DETAILS_SHOWN) {
        page.hang(&[(Ink::Plain, &indent), (Ink::Faint, "- ")], Ink::Plain, detail);
    }
    if check.details.len() > DETAILS_SHOWN {
        let more = format!("{indent}and more (-o json)");
        page.line(&[(Ink::Faint, &more)]);
    }
}

fn distribution(page: &mut Page, seen: &Picture<'_>, found: &Verification) {
    if found.distribution.is_empty() {
        return;
    }
    page.gap().line(&[(Ink::Strong, "        keys         slots  owner")]);
    let all: u64 = found.distribution.iter().map(|share| share.keys).sum();
    for share in found.distribution.iter().take(OWNERS_SHOWN) {
        let percent = (u128::from(share.keys) * 100).checked_div(all.into()).unwrap_or(0);
        let (keys, slots, name) = (share.keys, share.slots, seen.name(share.node));
        let line = format!("{keys:>12}  {percent:>3} %  {slots:>5}  {name}");
        page.line(&[(Ink::Plain, &line)]);
    }
    if found.distribution.len() > OWNERS_SHOWN {
        let more = found.distribution.len() - OWNERS_SHOWN;
        page.line(&[(Ink::Faint, &format!("{:>12}  {}", "", count(more, "more owner")))]);
    }
}

fn footer(page: &mut Page, found: &Verification) {
    let number =
        |is: fn(&Outcome) -> bool| found.checks.iter().filter(|check| is(&check.outcome)).count();
    let failed = number(|outcome| matches!(outcome, Outcome::Failed(_)));
    let unknown = number(|outcome| matches!(outcome, Outcome::Unknown(_)));
    let all = count(found.checks.len(), "check");
    let dry = match found.check(What::Canary) {
        Some(_) => "",
        None => "; no key was written",
    };
    if failed > 0 {
        let text = format!("{failed} of {all} failed, {unknown} cannot be told{dry}");
        page.line(&[(Ink::Bad, "failed  "), (Ink::Plain, &text)]);
    } else if unknown > 0 {
        let text = format!("{unknown} of {all} cannot be told, the others passed{dry}");
        page.line(&[(Ink::Warn, "unknown  "), (Ink::Plain, &text)]);
    } else {
        let text = format!("all of {all} passed{dry}");
        page.line(&[(Ink::Good, "ok  "), (Ink::Plain, &text)]);
    }
}
