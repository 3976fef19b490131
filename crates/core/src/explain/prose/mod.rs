//! What people say in their own words: the problem as a sentence, without any program's message.
//!
//! Lines of prose become sentences in a plain spelling ([`sentences`]), and each row of the tables
//! ([`clients`], [`servers`], [`application`]) knows a statement by its shape: groups of words, one
//! of each of which must be said. A statement finds its cause, adds its sentence to one that was
//! found otherwise, and says which others it makes less likely.
//!
//! Invariant: what is only told is never more than likely; a line of a server that proves a cause
//! goes before it.

mod application;
mod clients;
mod sentences;
mod servers;
#[cfg(test)]
mod tests;
mod words;

use super::cause::{Cause, Hit};
use super::causes;
use super::seen::Seen;
use sentences::{Shape, Window};

/// One statement.
pub(super) struct Statement {
    /// The code of the cause that it speaks for; empty when it only speaks against others.
    code: &'static str,
    /// How surely it does, alone. Below 85: likely at most.
    score: u8,
    /// The shapes, one of which must be said.
    shapes: &'static [Shape],
    /// Words in that place which make it another statement.
    not: &'static [&'static str],
    /// What the rest of the paste must allow.
    when: fn(&Seen) -> bool,
    /// What it means here, as a sentence of the story.
    means: &'static str,
    /// The check that settles it; empty when the cause's own does.
    check: &'static str,
    /// Steps that come first.
    steps: &'static [&'static str],
    /// Causes that it makes less likely, each with by how much.
    over: &'static [(&'static str, u8)],
}

/// A statement without particulars, for the tables to start from.
const PLAIN: Statement = Statement {
    code: "",
    score: 0,
    shapes: &[],
    not: &[],
    when: |_| true,
    means: "",
    check: "",
    steps: &[],
    over: &[],
};

/// Every statement.
fn all() -> impl Iterator<Item = &'static Statement> {
    clients::STATEMENTS.iter().chain(servers::STATEMENTS).chain(application::STATEMENTS)
}

/// Whether somebody says this of a cause, in his own words.
pub(super) fn says(seen: &Seen, code: &str) -> bool {
    let windows = sentences::windows(&seen.lines);
    all().any(|one| one.code == code && said(one, &windows, seen).is_some())
}

/// The lines that say a statement.
fn said(statement: &Statement, windows: &[Window], seen: &Seen) -> Option<Vec<usize>> {
    let found = windows
        .iter()
        .find_map(|w| statement.shapes.iter().find_map(|shape| w.says(shape, statement.not)))?;
    (statement.when)(seen).then_some(found)
}

/// Adds what is told to the causes that were found, and the causes that only words name.
pub(super) fn add(hits: &mut Vec<(&'static Cause, Hit)>, seen: &Seen) {
    let windows = sentences::windows(&seen.lines);
    if windows.is_empty() {
        return;
    }
    for statement in all() {
        let Some(lines) = said(statement, &windows, seen) else { continue };
        for (code, points) in statement.over {
            for (_, hit) in hits.iter_mut().filter(|(cause, _)| cause.code == *code) {
                hit.score = hit.score.saturating_sub(*points);
            }
        }
        let Some(cause) = causes::all().find(|cause| cause.code == statement.code) else {
            continue;
        };
        match hits.iter_mut().find(|(cause, _)| cause.code == statement.code) {
            Some((_, hit)) => speak(hit, statement, lines),
            None => {
                let mut hit = Hit::default();
                speak(&mut hit, statement, lines);
                hits.push((cause, hit));
            }
        }
    }
}

fn speak(hit: &mut Hit, statement: &Statement, lines: Vec<usize>) {
    hit.score = hit.score.max(statement.score);
    *hit = std::mem::take(hit).quotes(lines);
    if !statement.means.is_empty() {
        hit.notes.insert(0, statement.means.to_owned());
    }
    if hit.check.is_none() && !statement.check.is_empty() {
        hit.check = Some(statement.check.to_owned());
    }
    let new = statement.steps.iter().map(|step| (*step).to_owned());
    hit.steps.extend(new);
}
