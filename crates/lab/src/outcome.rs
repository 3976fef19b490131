//! How a scenario went, and the table of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use slotwright_core::diagnose::Found;
use slotwright_core::scenario::Server;

use crate::error::{Doing, Error, Result};
use crate::place::make_folder;
use crate::recover::{Healing, How, Must};

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The code was the top root cause, and no other root cause above Info stood beside it.
    Passed,
    /// The scenario cannot happen on this server, and why.
    NotApplicable(String),
    /// Another judgement was given; the text says in what it differs.
    Missed(String),
    /// The cluster could not be built or broken as the scenario says.
    Broken(String),
}

/// What one run of one scenario gave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The code of the finding whose scenario it is.
    pub code: String,
    /// The server.
    pub server: Server,
    /// The version that the server told.
    pub version: String,
    /// How it ended.
    pub verdict: Verdict,
    /// The root causes above Info in the last look, gravest first.
    pub roots: Vec<Found>,
    /// What took how long.
    pub timings: Timings,
    /// How its recovery went, where that was wanted and the judgement was right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healing: Option<Healing>,
}

/// What took how long.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timings {
    /// Until the healthy cluster stood.
    pub build_ms: u64,
    /// The acts.
    pub break_ms: u64,
    /// From the last act until the judgement was final.
    pub find_ms: u64,
}

impl Outcome {
    /// Whether nothing is wrong with it.
    pub fn is_fine(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::NotApplicable(_))
            && self.healing.as_ref().is_none_or(Healing::is_fine)
    }
}

/// Writes outcomes to a file, for programs.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, outcomes: &[Outcome]) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let text = serde_json::to_string_pretty(outcomes)
        .map_err(|error| Error::Scenario(format!("an outcome cannot be written: {error}")))?;
    std::fs::write(path, text + "\n").doing(|| format!("writing {}", path.display()))
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When the file cannot be read or was written by something else.
pub fn read(path: &Path) -> Result<Vec<Outcome>> {
    let text = std::fs::read_to_string(path).doing(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| Error::Missing {
        what: format!("{} holds no outcomes: {error}", path.display()),
        hint: "Run all scenarios again.".to_owned(),
    })
}

/// Writes [`track_record`] to a file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_track_record(path: &Path, outcomes: &[Outcome]) -> Result<()> {
    std::fs::write(path, track_record(outcomes)).doing(|| format!("writing {}", path.display()))
}

/// The table of `docs/track-record.md`: code by server.
pub fn track_record(outcomes: &[Outcome]) -> String {
    let codes: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.code.as_str()).collect();
    let cells: BTreeMap<(&str, Server), &Outcome> =
        outcomes.iter().map(|outcome| ((outcome.code.as_str(), outcome.server), outcome)).collect();
    let mut text = String::from(HEAD);
    let (mut reasons, mut refusals) = (Vec::new(), BTreeSet::new());
    for code in &codes {
        let _infallible = write!(text, "| [{code}](findings/{code}.md) |");
        for server in Server::ALL {
            let outcome = cells.get(&(code, server));
            if let Some(Verdict::NotApplicable(why)) = outcome.map(|outcome| &outcome.verdict) {
                reasons.push(format!("- {code} on {}: {why}", server.name()));
            }
            let healing = outcome.and_then(|outcome| outcome.healing.as_ref());
            if let Some(Must::Refuse(why)) = healing.map(|healing| &healing.must) {
                refusals.insert(format!("- {code}: {why}"));
            }
            let _infallible = write!(text, " {} |", outcome.map_or("not run", |one| cell(one)));
        }
        text.push('\n');
    }
    let row = |name: &str, of: fn(&&Outcome) -> bool, among: fn(&&Outcome) -> bool| {
        let counts = Server::ALL.map(|server| {
            let all = || outcomes.iter().filter(|o| o.server == server).filter(among);
            format!("{} of {}", all().filter(of).count(), all().count())
        });
        format!("| {name} | {} |\n", counts.join(" | "))
    };
    text += &row(
        "found, of those applicable",
        |o| matches!(o.verdict, Verdict::Passed),
        |o| !matches!(o.verdict, Verdict::NotApplicable(_)),
    );
    if outcomes.iter().any(|outcome| outcome.healing.is_some()) {
        text += &row(
            "healed, of those that a command mends",
            |o| o.healing.as_ref().is_some_and(|healing| healing.how == How::Healed),
            |o| o.healing.as_ref().is_some_and(|healing| healing.must == Must::Heal),
        );
        text += &row(
            "rightly refused, of all others",
            |o| o.healing.as_ref().is_some_and(Healing::is_fine),
            |o| o.healing.as_ref().is_some_and(|healing| healing.must != Must::Heal),
        );
    }
    if !refusals.is_empty() {
        let all: Vec<String> = refusals.into_iter().collect();
        let _infallible =
            write!(text, "\n## Refused in their own scenario\n\n{}\n", all.join("\n"));
    }
    if !reasons.is_empty() {
        let _infallible = write!(text, "\n## Not applicable\n\n{}\n", reasons.join("\n"));
    }
    text
}

fn cell(outcome: &Outcome) -> &'static str {
    match (&outcome.verdict, outcome.healing.as_ref().map(|h| (&h.how, h.is_fine()))) {
        (Verdict::NotApplicable(_), _) => "not applicable",
        (Verdict::Missed(_), _) => "**missed**",
        (Verdict::Broken(_), _) => "**not staged**",
        (Verdict::Passed, None) => "found",
        (Verdict::Passed, Some((How::Healed, true))) => "found, healed",
        (Verdict::Passed, Some((How::Refused(_), true))) => "found, refused",
        (Verdict::Passed, Some((How::Lost(_), _))) => "found, **keys lost**",
        (Verdict::Passed, Some(_)) => "found, **not healed**",
    }
}

const HEAD: &str = "\
# Track record

Generated by `cargo xtask test` from a run of every finding's own scenario on real servers; do not
edit. *Found*: the code was the top root cause, and no other root cause above Info was reported
beside it. *Healed*: `recover` mended it without a hand, every node says ok, and the owner of each
slot has every key that was there, with its value. *Refused*: `recover` said why no command of ours
mends it, and every key is still there.

| code | Redis 7.0.15 | Redis 8.2.3 | Valkey 9.1.2 |
|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: &str, server: Server, verdict: Verdict) -> Outcome {
        Outcome {
            code: code.to_owned(),
            server,
            version: "1".to_owned(),
            verdict,
            roots: Vec::new(),
            timings: Timings::default(),
            healing: None,
        }
    }

    #[test]
    fn the_table_has_a_cell_for_each_server_and_a_reason_for_each_gap() {
        let outcomes = [
            outcome("A", Server::Redis70, Verdict::Passed),
            outcome("A", Server::Redis82, Verdict::NotApplicable("it heals".to_owned())),
            outcome("A", Server::Valkey91, Verdict::Missed("B came first".to_owned())),
            outcome("B", Server::Redis70, Verdict::Passed),
        ];
        let text = track_record(&outcomes);
        assert!(text.contains("(findings/A.md) | found | not applicable | **missed** |"), "{text}");
        assert!(text.contains("(findings/B.md) | found | not run | not run |"), "{text}");
        assert!(text.contains("| 2 of 2 | 0 of 0 | 0 of 1 |"), "{text}");
        assert!(text.contains("- A on redis-8.2: it heals"), "{text}");
    }

    #[test]
    fn outcomes_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/results.json");
        let outcomes = [outcome("A", Server::Valkey91, Verdict::Broken("x".to_owned()))];
        write(&path, &outcomes).expect("written");
        assert_eq!(read(&path).expect("read"), outcomes);
    }
}
