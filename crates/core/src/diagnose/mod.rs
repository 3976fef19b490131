//! The engine: run every finding, order what they found, fold consequences beneath root causes.
//!
//! Pure and deterministic: the same observation gives the same report, byte for byte, whatever the
//! order in which the answers arrived.

mod by_hand;
mod evidence;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use by_hand::{ByHand, Risk, Step};
pub use evidence::{Evidence, Subject, Witness};
pub use report::{Certainty, Found, Report, RootCause, Settling, Severity};

use crate::findings;
use crate::observation::{Observation, Picture};
use crate::plan::Repair;
use crate::scenario::Scenario;

/// A finding: one way in which a cluster is broken. One file each, in [`crate::findings`].
pub trait Finding: Sized {
    /// Looks for the pattern. Pure; pushes each occurrence with its evidence.
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>);

    /// What was found, in one sentence. Ids come last.
    fn message(&self, seen: &Picture<'_>) -> String;

    /// What a person should do, with real addresses and ids.
    fn by_hand(&self, seen: &Picture<'_>) -> ByHand;

    /// How to break a cluster so that this is its root cause. Data; the lab carries it out.
    fn scenario() -> Scenario;
}

/// Takes what a finding detects.
#[derive(Debug)]
pub struct Sink<F> {
    pushed: Vec<Pushed<F>>,
}

/// One occurrence; the calls on it refine it.
#[derive(Debug)]
pub struct Pushed<F> {
    finding: F,
    subject: Subject,
    evidence: Vec<Evidence>,
    severity: Option<Severity>,
    doubt: Option<String>,
}

impl<F> Pushed<F> {
    /// Another severity than the finding's own.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = Some(severity);
        self
    }

    /// Why this is only suspected although the evidence fits.
    pub fn doubt(&mut self, why: impl Into<String>) -> &mut Self {
        self.doubt = Some(why.into());
        self
    }
}

impl<F> Sink<F> {
    /// One occurrence: the finding, what it is about, and who said what.
    pub fn push(
        &mut self,
        finding: F,
        subject: Subject,
        evidence: impl IntoIterator<Item = Evidence>,
    ) -> &mut Pushed<F> {
        self.pushed.push(Pushed {
            finding,
            subject,
            evidence: evidence.into_iter().collect(),
            severity: None,
            doubt: None,
        });
        let last = self.pushed.len() - 1;
        &mut self.pushed[last]
    }
}

/// A finding as a row of the table in [`crate::findings`]. Made by the `finding!` macro.
#[derive(Debug)]
pub struct Entry {
    /// The name of the type, `HalfMovedSlot`.
    pub name: &'static str,
    /// What it belongs to; the groups of the catalogue.
    pub group: Group,
    /// How bad it is, unless an occurrence says otherwise.
    pub severity: Severity,
    /// Names of findings that explain this one where they concern the same nodes or slots.
    pub after: &'static [&'static str],
    /// True for what a healthy cluster may show for a moment: it counts when seen twice.
    pub settles: bool,
    /// Which parts of the planner mend it; none when no command to a server does.
    pub repair: &'static [Repair],
    /// Why no command of ours mends it, and whose deed it is; empty where a part of the planner
    /// does.
    pub obstacle: &'static str,
    /// The version of slotwright that brought it.
    pub since: &'static str,
    /// The lines of its documentation.
    pub doc: &'static [&'static str],
    /// Detects, and erases the type.
    pub detect: fn(&Picture<'_>, &'static Entry, &mut Vec<Found>),
    /// How to see it on a real server.
    pub scenario: fn() -> Scenario,
}

/// What kind of trouble a finding is about.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Addressing and identity.
    Addressing,
    /// The cluster bus.
    Bus,
    /// Slots and epochs.
    Slots,
    /// Replication and failover.
    Replication,
    /// Process, persistence, memory.
    Process,
    /// Configuration.
    Configuration,
    /// Security.
    Security,
    /// Clients and the endpoints they are told.
    Clients,
    /// Operations gone wrong.
    Operations,
    /// Data in the wrong place.
    Data,
}

impl Entry {
    /// `HALF_MOVED_SLOT` for `HalfMovedSlot`. Stable for ever.
    pub fn code(&self) -> String {
        code_of(self.name)
    }

    /// The first sentence below *What it means*.
    pub fn summary(&self) -> String {
        let paragraph: Vec<&str> = self
            .doc
            .iter()
            .map(|line| line.trim())
            .skip_while(|line| !line.starts_with("## What it means"))
            .skip(1)
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty())
            .collect();
        let text = paragraph.join(" ");
        text.split_once(". ").map_or(text.clone(), |(first, _)| format!("{first}."))
    }
}

/// `HALF_MOVED_SLOT` for `HalfMovedSlot`.
pub fn code_of(name: &str) -> String {
    let mut code = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
    }
    code
}

/// Runs one finding and erases its type. Called through [`Entry::detect`].
pub fn run<F: Finding>(seen: &Picture<'_>, entry: &'static Entry, out: &mut Vec<Found>) {
    let mut sink = Sink::<F> { pushed: Vec::new() };
    F::detect(seen, &mut sink);
    for pushed in sink.pushed {
        let witnesses = evidence::witnesses(&pushed.evidence);
        let doubt = pushed.doubt.or_else(|| {
            let thin = witnesses < 2 && !pushed.evidence.iter().any(Evidence::is_first_hand);
            thin.then(|| "only one witness says so".to_owned())
        });
        out.push(Found {
            code: entry.code(),
            group: entry.group,
            severity: pushed.severity.unwrap_or(entry.severity),
            certainty: doubt.map_or(Certainty::Certain, Certainty::Suspected),
            settles: entry.settles,
            message: pushed.finding.message(seen),
            by_hand: pushed.finding.by_hand(seen),
            subject: pushed.subject,
            evidence: pushed.evidence,
        });
        #[cfg(test)]
        out.iter().next_back().into_iter().for_each(tests::assert_harmless);
    }
}

/// Judges an observation.
pub fn diagnose(seen: &Observation) -> Report {
    judge(&Picture::new(seen))
}

/// [`diagnose`], for whoever has the index of the observation already.
pub fn judge(picture: &Picture<'_>) -> Report {
    let mut found = Vec::new();
    for entry in findings::ALL {
        (entry.detect)(picture, entry, &mut found);
    }
    report::assemble(picture, found)
}

/// A finding, and the codes that explain it directly.
pub(crate) struct Known {
    pub(crate) entry: &'static Entry,
    causes: Vec<String>,
    /// The longest chain of causes above it.
    depth: usize,
}

/// All findings by code: made once, because a report asks for each a hundred times.
static BY_CODE: LazyLock<BTreeMap<String, Known>> = LazyLock::new(|| {
    let depths = report::depths(findings::ALL);
    let known = findings::ALL.iter().map(|entry| {
        let causes = entry.after.iter().map(|name| code_of(name)).collect();
        let depth = depths.get(entry.name).copied().unwrap_or(0);
        (entry.code(), Known { entry, causes, depth })
    });
    known.collect()
});

/// The finding of a code.
pub(crate) fn known(code: &str) -> Option<&'static Known> {
    BY_CODE.get(code)
}
