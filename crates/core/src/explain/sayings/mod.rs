//! What servers, tools and client libraries say in their own words, and which cause each saying
//! speaks for.
//!
//! The tables follow the programs' own texts, one file for each place where they are said, so that
//! a line is understood when it is pasted alone. A saying finds its cause, or adds its sentence
//! to a cause that was found by other signs.
//!
//! Deliberately absent: lines of a healthy life (a save that succeeded, a vote that was granted).

mod bus;
mod clients;
mod files;
mod migration;
mod replies;
mod start;
mod sync;
mod tools;

use super::cause::{Cause, Hit};
use super::causes;
use super::lines::Line;
use super::seen::Seen;

/// One saying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saying {
    /// The code of the cause it speaks for.
    code: &'static str,
    /// How surely it does, alone.
    score: u8,
    /// Texts in small letters, one of which a line must have. `*` stands for anything.
    texts: &'static [&'static str],
    /// What it means, and what is to be done; empty when the cause's own text says it.
    means: &'static str,
}

/// A saying.
const fn say(
    code: &'static str,
    score: u8,
    texts: &'static [&'static str],
    means: &'static str,
) -> Saying {
    Saying { code, score, texts, means }
}

/// Sentences that one cause takes from here.
const SENTENCES_MAX: usize = 2;

/// Every saying.
fn all() -> impl Iterator<Item = &'static Saying> {
    [
        start::SAYINGS,
        files::SAYINGS,
        sync::SAYINGS,
        bus::SAYINGS,
        migration::SAYINGS,
        replies::SAYINGS,
        tools::SAYINGS,
        clients::SAYINGS,
    ]
    .into_iter()
    .flatten()
}

/// Adds what the lines say to the causes that were found, and the causes that only they name.
pub(super) fn add(hits: &mut Vec<(&'static Cause, Hit)>, seen: &Seen) {
    let mut sentences: Vec<(&str, usize)> = Vec::new();
    for saying in all() {
        let Some(at) = seen.lines.iter().position(|line| is_said(saying, line)) else { continue };
        let told = sentences.iter().filter(|(code, _)| *code == saying.code).count();
        let note = if told < SENTENCES_MAX { saying.means } else { "" };
        if !note.is_empty() {
            sentences.push((saying.code, at));
        }
        if let Some((_, hit)) = hits.iter_mut().find(|(cause, _)| cause.code == saying.code) {
            hit.score = hit.score.max(saying.score);
            speak(hit, at, note);
        } else if let Some(cause) = causes::all().find(|cause| cause.code == saying.code) {
            let mut hit = Hit::of(saying.score);
            speak(&mut hit, at, note);
            hits.push((cause, hit));
        }
    }
}

fn speak(hit: &mut Hit, line: usize, note: &str) {
    if !hit.quotes.contains(&line) {
        hit.quotes.insert(0, line);
    }
    if !note.is_empty() {
        hit.notes.push(note.to_owned());
    }
}

fn is_said(saying: &Saying, line: &Line) -> bool {
    saying.texts.iter().any(|text| has_in_order(&line.lower, text))
}

/// Whether the parts of a text between its stars are in a line, in their order.
fn has_in_order(line: &str, text: &str) -> bool {
    let mut rest = line;
    text.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::explain::{Paste, explain};

    #[test]
    fn parts_are_found_in_their_order() {
        assert!(has_in_order("slot migration ab timed out.", "slot migration*timed out"));
        assert!(!has_in_order("timed out: slot migration", "slot migration*timed out"));
    }

    #[test]
    fn each_saying_is_in_small_letters_and_names_a_cause() {
        let codes: BTreeSet<&str> = causes::all().map(|cause| cause.code).collect();
        for saying in all() {
            assert!(codes.contains(saying.code), "{}", saying.code);
            assert!(!saying.texts.is_empty() && saying.score >= 30, "{saying:?}");
            for text in saying.texts {
                assert_eq!(&text.to_lowercase(), text);
                assert!(text.len() >= 6, "{text}: too short to mean one thing");
            }
        }
    }

    #[test]
    fn causes_of_sayings_read_well_without_figures() {
        for code in all().map(|saying| saying.code) {
            causes::reads_well_without_figures(code);
        }
    }

    /// The whole point: whoever pastes the one line is told what it means.
    #[test]
    fn each_saying_alone_is_answered_with_its_cause() {
        let mut wrong = Vec::new();
        for saying in all() {
            for text in saying.texts {
                let line = text.replace('*', " 17 ");
                let text = format!("7:M 03 Mar 2025 04:05:06.789 # {line}\n");
                let answer = explain(&[Paste { name: "log".to_owned(), text }]);
                let code = answer.cause.map(|cause| cause.code).unwrap_or_default();
                if code != saying.code {
                    wrong.push(format!("{line}: {} expected, {code} given", saying.code));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
