//! Writes the file of a new finding, with everything a reviewer will ask for.

use std::path::Path;

use anyhow::{Context, bail};

const TEMPLATE: &str = r#"//! ONE SENTENCE: the pattern, not the remedy.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    ///
    /// ## How it comes about
    ///
    /// ## What we look at
    ///
    /// ## The repair
    ///
    /// ## Repair safety
    ///
    /// ## By hand
    pub struct NAME { node: NodeId }
    group: Slots, severity: Error, after: [],
    obstacle: "WHY NO COMMAND OF OURS MENDS IT",
    since: "VERSION",
}

impl Finding for NAME {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (node, _) in seen.members() {
            let Some(sighting) = seen.proved(node) else { continue };
            out.push(
                Self { node },
                Subject::node(node),
                [Evidence::first_hand(sighting, "WHAT IT SAYS")],
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!("WHAT IS WRONG at {}", seen.name(self.node))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::ReadOnly).command(seen.endpoint(self.node), "CLUSTER INFO")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn the_smallest_observation_that_fires() {
        let found = Sketch::healthy(3, 1).detect::<NAME>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
    }

    #[test]
    fn the_nearest_that_must_not() {
        assert_eq!(Sketch::healthy(3, 1).detect::<NAME>(&ENTRY), []);
    }
}
"#;

/// Writes `findings/<name>.rs` and regenerates what is derived.
pub fn run(root: &Path, name: &str) -> anyhow::Result<()> {
    let legal = |c: char| c.is_ascii_lowercase() || c == '-';
    if name.is_empty() || !name.chars().all(legal) {
        bail!("a finding is named like half-moved-slot: the pattern, in kebab case");
    }
    let file = root.join("crates/core/src/findings").join(format!("{}.rs", name.replace('-', "_")));
    if file.exists() {
        bail!("{} exists", file.display());
    }
    let camel: String = name.split('-').map(capital).collect();
    let version = env!("CARGO_PKG_VERSION").rsplit_once('.').map_or("0.1", |(minor, _)| minor);
    let text = TEMPLATE.replace("NAME", &camel).replace("VERSION", version);
    std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    eprintln!("xtask: wrote {}; fill in the words in capitals", file.display());
    crate::codegen::run(root, false)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_type() {
        assert_eq!("half-moved-slot".split('-').map(capital).collect::<String>(), "HalfMovedSlot");
    }
}
