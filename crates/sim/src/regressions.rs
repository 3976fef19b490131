//! Scripts that once failed, as files: `crates/sim/scripts/*.json`.
//!
//! `cargo xtask sim --replay SEED` prints the shortened script of a failure in this form. One
//! without a bug must hold; one with a bug must be violated, so that the checker which saw it keeps
//! seeing it.

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

    /// Runs it, and says what is not as it must be.
    pub fn try_out(&self) -> Result<(), String> {
        let violations = run(&self.script, self.bug).violations;
        match self.bug {
            None if !violations.is_empty() => Err(violations.join("; ")),
            Some(bug) if violations.is_empty() => Err(format!("{bug:?} is not caught")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_script_that_once_failed_is_as_it_must_be() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let mut count = 0;
        for file in folder.read_dir().expect("the folder of scripts") {
            let path = file.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("a text");
            let regression = Regression::parse(&text).expect("a script");
            if let Err(what) = regression.try_out() {
                panic!("{}: {}: {what}", path.display(), regression.why);
            }
            assert_eq!(regression.text().expect("JSON"), text, "{} is not tidy", path.display());
            count += 1;
        }
        assert!(count > 0, "no script in {}", folder.display());
    }
}
