//! What was found, ordered, with consequences folded beneath their root causes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ByHand, Entry, Evidence, Group, Subject};
use crate::observation::Picture;

/// How bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing is wrong.
    Info,
    /// Nothing fails yet; one more fault, or the next restart, will.
    Warning,
    /// Something fails now: a copy, a part of the clients, a safety net.
    Error,
    /// Keys cannot be read or written now, or data is being lost.
    Critical,
}

/// How sure.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The evidence leaves no other reading.
    Certain,
    /// It fits, but not enough was seen; the text says what is missing.
    Suspected(String),
}

/// One occurrence of a finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Found {
    /// The stable code, `HALF_MOVED_SLOT`.
    pub code: String,
    /// The kind of trouble.
    pub group: Group,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// A healthy cluster may show this for a moment.
    #[serde(default)]
    pub settles: bool,
    /// One sentence.
    pub message: String,
    /// What it is about.
    pub subject: Subject,
    /// Who said what.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub by_hand: ByHand,
}

/// A finding that no other finding explains, with those that it explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootCause {
    /// The cause.
    pub found: Found,
    /// What follows from it, gravest first.
    pub consequences: Vec<Found>,
}

/// What one look showed and may pass by itself: enough of its report to judge the next by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settling(Vec<(String, Subject)>);

impl Settling {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a finding counts: it does not pass by itself, or it was there before.
    pub fn confirms(&self, found: &Found) -> bool {
        let same = |(code, subject): &(String, Subject)| {
            *code == found.code && subject.touches(&found.subject)
        };
        !found.settles || self.0.iter().any(same)
    }
}

/// The judgement of one observation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// When the look began: milliseconds since 1970.
    pub at_ms: u64,
    /// Root causes, gravest first.
    pub roots: Vec<RootCause>,
    /// How many members anybody names.
    pub known: usize,
    /// How many of them showed their own table.
    pub answered: usize,
}

impl Report {
    /// The gravest severity of all root causes.
    pub fn worst(&self) -> Option<Severity> {
        self.roots.iter().map(|root| root.found.severity).max()
    }

    /// All findings, root causes first, each followed by its consequences.
    pub fn all(&self) -> impl Iterator<Item = &Found> {
        self.roots.iter().flat_map(|root| std::iter::once(&root.found).chain(&root.consequences))
    }

    /// The same report with only some findings. A consequence whose root cause goes away becomes a
    /// root cause: hiding the cause must not hide what follows from it.
    #[must_use]
    pub fn keeping(mut self, wanted: impl Fn(&Found) -> bool) -> Self {
        let mut roots = Vec::new();
        for root in self.roots {
            let left: Vec<Found> = root.consequences.into_iter().filter(&wanted).collect();
            if wanted(&root.found) {
                roots.push(RootCause { found: root.found, consequences: left });
            } else {
                roots.extend(
                    left.into_iter().map(|found| RootCause { found, consequences: Vec::new() }),
                );
            }
        }
        self.roots = roots;
        self
    }

    /// The same report with only some findings, and with nothing that follows from a root cause
    /// which is not among them: who mends does not mend a consequence while its cause is in doubt.
    #[must_use]
    pub(crate) fn without_roots(mut self, wanted: impl Fn(&Found) -> bool) -> Self {
        self.roots.retain(|root| wanted(&root.found));
        for root in &mut self.roots {
            root.consequences.retain(&wanted);
        }
        self
    }

    /// The report without findings that settle by themselves ([`Found::settles`]) and that the look
    /// before did not have. What such a finding explained stands for itself again.
    #[must_use]
    pub fn confirmed_by(self, before: Option<&Self>) -> Self {
        let before = before.map(Self::settling).unwrap_or_default();
        self.keeping(|found| before.confirms(found))
    }

    /// What of this report counts when the next one has it, too.
    pub fn settling(&self) -> Settling {
        let settling = self.all().filter(|found| found.settles);
        Settling(settling.map(|found| (found.code.clone(), found.subject.clone())).collect())
    }

    /// Whether every member showed its own table: only then is silence of the report good news.
    pub const fn is_complete(&self) -> bool {
        self.known > 0 && self.known == self.answered
    }
}

/// Orders the findings and folds consequences beneath their causes.
///
/// A finding is a consequence when another one, named in its `after` (directly or through a chain
/// of `after`s), concerns a node, an address or a slot in common, or the whole cluster. It is
/// folded beneath the first root in the order of the report that explains it.
pub(super) fn assemble(picture: &Picture<'_>, mut found: Vec<Found>) -> Report {
    for one in &mut found {
        one.evidence.sort();
        one.evidence.dedup();
    }
    // Causes are listed before what they explain.
    let depth = |found: &Found| super::known(&found.code).map_or(0, |known| known.depth);
    let mut ranked: Vec<(usize, Found)> = found.into_iter().map(|one| (depth(&one), one)).collect();
    ranked.sort_by(|(a_depth, a), (b_depth, b)| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a_depth.cmp(b_depth))
            .then_with(|| {
                matches!(a.certainty, Certainty::Suspected(_))
                    .cmp(&matches!(b.certainty, Certainty::Suspected(_)))
            })
            .then_with(|| a.code.cmp(&b.code))
            .then_with(|| a.subject.cmp(&b.subject))
            .then_with(|| a.message.cmp(&b.message))
    });
    let found: Vec<Found> = ranked.into_iter().map(|(_, one)| one).collect();
    let mut causes: Vec<Option<usize>> = vec![None; found.len()];
    for effect in 0..found.len() {
        causes[effect] = cause_of(effect, &found, &causes);
    }
    let mut roots: Vec<RootCause> = Vec::new();
    let mut place: BTreeMap<usize, usize> = BTreeMap::new();
    let mut consequences = Vec::new();
    for (number, one) in found.into_iter().enumerate() {
        if causes[number].is_none() {
            place.insert(number, roots.len());
            roots.push(RootCause { found: one, consequences: Vec::new() });
        } else {
            consequences.push((number, one));
        }
    }
    for (number, one) in consequences {
        let mut root = number;
        // `cause_of` closes no circle, so this ends.
        while let Some(cause) = causes[root] {
            root = cause;
        }
        roots[place[&root]].consequences.push(one);
    }
    // A cause with a grave consequence stands before one that harms less by itself.
    roots.sort_by_key(|root| {
        let gravest = root.consequences.iter().map(|c| c.severity).max();
        std::cmp::Reverse(gravest.max(Some(root.found.severity)))
    });
    let silent = picture.silent_members().len();
    let known = picture.members().count();
    Report { at_ms: picture.observation().at_ms, roots, known, answered: known - silent }
}

/// The first finding that explains this one. One that is itself explained by it, directly or
/// through others, does not: of a circle one finding stays the root.
fn cause_of(effect: usize, found: &[Found], known: &[Option<usize>]) -> Option<usize> {
    let causes = ancestors(&found[effect].code);
    let leads_back = |cause: usize| {
        std::iter::successors(Some(cause), |next| known[*next]).any(|one| one == effect)
    };
    (0..found.len()).find(|cause| {
        *cause != effect
            && causes.contains(&found[*cause].code)
            && found[*cause].severity > Severity::Info
            && found[*cause].subject.touches(&found[effect].subject)
            && !leads_back(*cause)
    })
}

/// The codes that explain a code directly.
fn ancestors(code: &str) -> &'static [String] {
    super::known(code).map_or(&[], |known| known.causes.as_slice())
}

/// The longest chain of causes above each finding, by its name.
pub(super) fn depths(all: &'static [&'static Entry]) -> BTreeMap<&'static str, usize> {
    let after = all.iter().map(|entry| (entry.name, entry.after)).collect();
    let mut known = BTreeMap::new();
    for entry in all {
        depth(entry.name, &after, &mut known);
    }
    known
}

/// Each name is worked out once: the chains of a hundred findings are too many to walk each.
fn depth(
    name: &'static str,
    after: &BTreeMap<&'static str, &'static [&'static str]>,
    known: &mut BTreeMap<&'static str, usize>,
) -> usize {
    if let Some(depth) = known.get(name) {
        return *depth;
    }
    // What a circle of causes reads.
    known.insert(name, 0);
    let causes = after.get(name).copied().unwrap_or_default();
    let depth = causes.iter().map(|cause| 1 + depth(cause, after, known)).max().unwrap_or(0);
    known.insert(name, depth);
    depth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Risk;

    fn found(code: &str, settles: bool) -> Found {
        Found {
            code: code.to_owned(),
            group: Group::Slots,
            severity: Severity::Error,
            certainty: Certainty::Certain,
            settles,
            message: String::new(),
            subject: Subject::nodes([crate::model::NodeId::made_up(1)]),
            evidence: Vec::new(),
            by_hand: ByHand::of(Risk::ReadOnly),
        }
    }

    fn report(roots: Vec<RootCause>) -> Report {
        Report { at_ms: 0, roots, known: 1, answered: 1 }
    }

    #[test]
    fn what_settles_counts_when_it_is_seen_twice() {
        let passing = RootCause {
            found: found("PASSING", true),
            consequences: vec![found("LASTING", false), found("FLEETING", true)],
        };
        let look = report(vec![passing]);
        let first = look.clone().confirmed_by(None);
        let codes: Vec<&str> = first.all().map(|found| found.code.as_str()).collect();
        assert_eq!(codes, ["LASTING"], "what it explained stands for itself");
        assert_eq!(look.clone().confirmed_by(Some(&look)), look);
    }
}
