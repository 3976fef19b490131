//! `explain`: the cause behind evidence that a person pasted.
//!
//! The pastes become clean lines, the lines become what they hold ([`seen`]), and each row of the
//! table of causes ([`causes`]) says how well it fits. The best one is the answer, the next are the
//! alternatives, each with the one check that tells them apart.
//!
//! Invariant: the same pastes give the same explanation; no text makes it panic; time is linear in
//! the length of the text. Deliberately absent: guessing. What nothing fits is called unknown, with
//! what to ask next.

mod ask;
mod cause;
mod causes;
mod clock;
mod degree;
mod envelope;
mod events;
mod figures;
mod footers;
mod infos;
mod known;
mod libraries;
mod lines;
mod observed;
mod others;
mod platform;
mod proof;
mod prose;
mod readings;
mod redirects;
mod refuted;
mod reply;
mod ruled_out;
mod sayings;
mod seen;
mod stated;
mod table;
mod template;
mod versions;
mod views;
mod wordings;
mod works;

use serde::{Deserialize, Serialize};

use cause::{Cause, Hit};
use seen::Seen;

pub use cause::Side;

/// A piece of evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paste {
    /// Where it comes from: a file's name, or `-`.
    pub name: String,
    /// The text.
    pub text: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The most likely cause; `None` when nothing in the pastes points at one.
    pub cause: Option<Explained>,
    /// What else it could be, likeliest first.
    pub alternatives: Vec<Alternative>,
    /// Whether the cluster itself is to be repaired, in one sentence.
    pub health: String,
    /// Figures that the pastes show, whatever the cause.
    pub shown: Vec<String>,
    /// What to ask for next when nothing fits.
    pub ask_for: Vec<String>,
    /// What was recognised.
    pub recognised: Vec<String>,
    /// What could not be read, or was passed over.
    pub unread: Vec<String>,
}

/// A cause with its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explained {
    /// The stable code.
    pub code: String,
    /// One line.
    pub title: String,
    /// How sure.
    pub confidence: Confidence,
    /// Who has to change something.
    pub side: Side,
    /// What happened, in plain words.
    pub cause: String,
    /// The lines that show it.
    pub quotes: Vec<Quote>,
    /// The one check that settles it.
    pub check: String,
    /// Safe steps, in order.
    pub fix: Vec<String>,
    /// What must not be done.
    pub never: Vec<String>,
}

/// How sure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// It fits, and so do others; the check decides.
    Possible,
    /// It fits better than the others.
    Likely,
    /// The paste shows it.
    Shown,
}

/// A line of a paste.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quote {
    /// The name of the paste.
    pub paste: String,
    /// The line, from 1.
    pub line: usize,
    /// The text, without control characters; lines that belong together are one text.
    pub text: String,
}

/// Another cause that may be meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alternative {
    /// The stable code.
    pub code: String,
    /// One line.
    pub title: String,
    /// The one check that separates it from the first.
    pub check: String,
}

/// Below this, a fit is no alternative worth naming.
const SCORE_MIN: u8 = 30;

/// Words of the subject, in small letters. A text without any of them may be about anything, so
/// only what is said in so many words counts in it.
const SUBJECT: &[&str] = &[
    "glide_shared",
    "redis",
    "valkey",
    "cluster",
    "slot",
    "replica",
    "master",
    "sentinel",
    "6379",
    "moved ",
    "(error) ",
    "root nodes",
    "claims to be slave",
    "errorreply",
    "replyerror",
    "clientoffline",
    "allconnectionsunavailable",
    "crossslot",
    "lettuce",
    "startup nodes",
    "max retries per request",
    "jedis",
    "statefulset",
    "pvc",
    "noscript",
    "aof",
    "rdb",
    "maxmemory",
    "oomkilled",
];

/// The least score that counts without any of these words.
const SCORE_ALONE: u8 = 78;

/// Explains.
pub fn explain(pastes: &[Paste]) -> Explanation {
    let (lines, mut unread) = lines::clean(pastes);
    let seen = Seen::gather(lines);
    unread.extend(seen.unread.clone());
    let mut hits: Vec<(&'static Cause, Hit)> =
        causes::all().filter_map(|cause| Some((cause, (cause.when)(&seen)?))).collect();
    sayings::add(&mut hits, &seen);
    prose::add(&mut hits, &seen);
    refuted::apply(&mut hits, &seen);
    hits.retain(|(_, hit)| hit.score >= SCORE_MIN);
    if seen.log_lines == 0 && !seen.has(SUBJECT) && !seen.has_prompt() {
        hits.retain(|(_, hit)| hit.score >= SCORE_ALONE);
    }
    let roots = observed::root_causes(&seen);
    hits.extend(observed::hits(&roots, &hits, &seen));
    hits.sort_by_key(|(_, hit)| std::cmp::Reverse(hit.score));
    let common = figures::facts(&seen);
    for (_, hit) in &mut hits {
        for (name, value) in &common {
            hit.facts.entry(name).or_insert_with(|| value.clone());
        }
    }
    let recognised = readings::recognised(&seen);
    if recognised.is_empty() && hits.is_empty() && !seen.lines.is_empty() {
        unread.push("No format that is known was found in the text.".to_owned());
    }
    let mut cause = hits.first().map(|(cause, hit)| explained(cause, hit, &seen, pastes));
    // Nobody is well whose own INFO says otherwise.
    if let Some(root) = observed::against_health(&roots, cause.as_ref()) {
        cause = Some(observed::explained(root, &seen));
    }
    if let Some(cause) = &mut cause {
        for same in roots.iter().filter(|root| root.code == cause.code) {
            cause.cause.push(' ');
            cause.cause.push_str(&same.message);
        }
    }
    let cause = cause.or_else(|| roots.first().map(|root| observed::explained(root, &seen)));
    Explanation {
        health: footers::health(&seen, cause.as_ref()),
        alternatives: others::alternatives(&hits, &common, cause.as_ref(), &roots, &seen),
        ask_for: if hits.is_empty() { figures::ask_for(&seen) } else { Vec::new() },
        shown: footers::unsaid(figures::shown(&seen), cause.as_ref()),
        cause,
        recognised,
        unread,
    }
}

fn explained(cause: &Cause, hit: &Hit, seen: &Seen, pastes: &[Paste]) -> Explained {
    let fill = |text: &str| template::fill(text, &hit.facts);
    let mut story = fill(cause.cause);
    for note in &hit.notes {
        story.push(' ');
        story.push_str(note);
    }
    if let Some(order) = envelope::ranked(cause.code, hit, seen) {
        story.push(' ');
        story.push_str(&order);
    }
    for note in known::notes(cause.code, seen) {
        story.push(' ');
        story.push_str(note);
    }
    let sure = confidence(hit.score);
    let doubt = degree::doubt(cause.code, hit, seen).filter(|_| sure == Confidence::Shown);
    if let Some(other) = doubt.filter(|other| !other.is_empty()) {
        story.push(' ');
        story.push_str(other);
    }
    Explained {
        code: cause.code.to_owned(),
        title: fill(cause.title),
        confidence: if doubt.is_some() { Confidence::Likely } else { sure },
        side: hit.side.unwrap_or(cause.side),
        quotes: proof::quotes(hit, &[cause.title, cause.cause], &story, seen, pastes),
        cause: story,
        check: fill(hit.check.as_deref().unwrap_or(cause.check)),
        fix: steps(cause, hit, seen),
        never: cause.never.iter().map(|what| fill(what)).collect(),
    }
}

/// What this very paste asks for, then what always holds, then what is particular to a product.
fn steps(cause: &Cause, hit: &Hit, seen: &Seen) -> Vec<String> {
    if hit.whole {
        return hit.steps.clone();
    }
    let known = known::steps(cause.code, seen).into_iter().map(str::to_owned);
    let library: Vec<String> = libraries::steps(cause.code, seen).map(str::to_owned).collect();
    // Whoever has the step of their library needs those of others no more.
    let others = |step: &&&str| !library.is_empty() && libraries::is_for_others(step);
    let fixed = cause.fix.iter().filter(|step| !others(step));
    let fixed = fixed.map(|step| template::fill(step, &hit.facts));
    let all = hit.steps.iter().chain(&library).cloned().chain(fixed).chain(known);
    platform::possible(all.map(|step| stated::marked(step, seen)).collect(), seen)
}

const fn confidence(score: u8) -> Confidence {
    match score {
        85.. => Confidence::Shown,
        65..85 => Confidence::Likely,
        _ => Confidence::Possible,
    }
}
