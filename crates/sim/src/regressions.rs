//! Scripts that are kept, as files: `crates/sim/scripts/*.json`. Most of them once failed; some
//! reach what random schedules hardly ever reach ([`crate::marks`]).
//!
//! `cargo xtask sim --replay SEED` prints the shortened script of a failure in this form, and `sim
//! --find MARK` one that brings up a mark. One without a bug must hold; one with a bug must be
//! violated, so that the checker which saw it keeps seeing it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::trial::{Bug, Script, run};

/// A file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Regression {
    /// What it shows, and what was wrong.
    pub why: String,
    /// The bug that is planted, if it is about a checker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<Bug>,
    /// The marks that it is kept for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    /// The schedule.
    pub script: Script,
}

impl Regression {
    /// The text of the file.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is no script.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// All files of a folder, by name, with their texts.
    ///
    /// # Errors
    /// When a file cannot be read or is no script.
    pub fn all(folder: &Path) -> io::Result<Vec<(String, String, Self)>> {
        let mut all: Vec<(String, String, Self)> = Vec::new();
        for file in folder.read_dir()? {
            let path = file?.path();
            let text = std::fs::read_to_string(&path)?;
            let one = Self::parse(&text)
                .map_err(|e| io::Error::other(format!("{}: {e}", path.display())))?;
            all.push((path.file_stem().unwrap_or_default().to_string_lossy().into(), text, one));
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(all)
    }

    /// Runs it: the marks that came up.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn try_out(&self) -> Result<BTreeMap<String, u64>, String> {
        let trial = run(&self.script, self.bug);
        match self.bug {
            None if !trial.violations.is_empty() => return Err(trial.violations.join("; ")),
            Some(bug) if trial.violations.is_empty() => {
                return Err(format!("{bug:?} is not caught"));
            }
            _ => {}
        }
        match self.reaches.iter().find(|mark| !trial.marks.contains_key(*mark)) {
            None => Ok(trial.marks),
            Some(mark) => Err(format!("does not reach any more: {mark}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_is_kept_is_as_it_must_be() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let all = Regression::all(&folder).expect("the folder of scripts");
        assert!(!all.is_empty(), "no script in {}", folder.display());
        for (name, text, regression) in all {
            if let Err(what) = regression.try_out() {
                panic!("{name}: {}: {what}", regression.why);
            }
            assert_eq!(regression.text().expect("JSON"), text, "{name} is not tidy");
        }
    }
}
