//! What the client port of an address did, whose address it is, and what the peers hold it for.
//!
//! Shared by the findings about processes, passwords and protocols. Invariant: nothing here decides
//! that something is wrong.

use std::collections::BTreeSet;

use crate::diagnose::{Evidence, Subject};
use crate::limits::QUOTE_BYTES_MAX;
use crate::model::{Endpoint, Flag, NodeId};
use crate::observation::{LinkState, Picture, Sighting, Silence};

/// How many witnesses that say the same are quoted; more prove nothing more.
const WITNESSES_QUOTED: usize = 3;

/// One client address and the ids that live there.
pub(super) struct Door<'a> {
    /// What it said.
    pub(super) sighting: &'a Sighting,
    /// The id that it proved, else those that others record for the address.
    pub(super) ids: BTreeSet<NodeId>,
}

/// All client addresses that were dialled, by address.
pub(super) fn doors<'a>(seen: &'a Picture<'_>) -> impl Iterator<Item = Door<'a>> {
    seen.sightings().map(|(number, sighting)| {
        let ids = match seen.id_of(number) {
            Some(id) => [id].into(),
            None => seen.believed_at(&sighting.from).collect(),
        };
        Door { sighting, ids }
    })
}

impl Door<'_> {
    /// Why `PING` was not answered with `PONG`, if it was put.
    pub(super) fn trouble(&self) -> Option<&Silence> {
        self.sighting.ping.silence().filter(|silence| **silence != Silence::NotAsked)
    }

    /// The address and the ids.
    pub(super) fn subject(&self) -> Subject {
        Subject::nodes(self.ids.iter().copied()).with_address(Some(self.sighting.from.clone()))
    }

    /// One of the ids, for a sentence.
    pub(super) fn id(&self) -> Option<NodeId> {
        self.ids.first().copied()
    }

    /// Whether the user named the address.
    pub(super) fn is_named(&self, seen: &Picture<'_>) -> bool {
        seen.observation().named.contains(&self.sighting.from)
    }

    /// What the bus port that belongs to the address did: `None` when it was not probed, `Ok` when
    /// it answered with a PONG.
    pub(super) fn bus(&self, seen: &Picture<'_>) -> Option<Result<NodeId, Silence>> {
        let port = self
            .id()
            .and_then(|id| seen.usual_row(id))
            .and_then(|row| row.address.bus())
            .map_or_else(|| self.sighting.from.port.checked_add(10_000), |bus| Some(bus.port))?;
        let said = seen.bus_at(&Endpoint::new(self.sighting.from.host.clone(), port))?;
        match (said.get(), said.silence()) {
            (Some(pong), _) => Some(Ok(pong.id)),
            (None, Some(Silence::NotAsked) | None) => None,
            (None, Some(silence)) => Some(Err(silence.clone())),
        }
    }
}

/// An address and the head of its id, for a sentence.
pub(super) fn place(at: &Endpoint, id: Option<NodeId>) -> String {
    id.map_or_else(|| at.to_string(), |id| format!("{at} ({})", id.short()))
}

/// A peer's words, cut to what a sentence can hold.
pub(super) fn quote(text: &str) -> String {
    let end = (0..=QUOTE_BYTES_MAX.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    if end == text.len() { text.to_owned() } else { format!("{}...", &text[..end]) }
}

/// What the other members hold an id for.
#[derive(Default)]
pub(super) struct Verdict {
    /// Observers with a `fail` flag.
    pub(super) failed: usize,
    /// Observers with `fail?`.
    pub(super) suspected: usize,
    /// Observers without a flag whose own link is down.
    pub(super) unlinked: usize,
    /// All other members who show a row about it.
    pub(super) observers: usize,
    /// Some of those who object to it.
    pub(super) evidence: Vec<Evidence>,
}

impl Verdict {
    /// Whether anybody objects.
    pub(super) const fn is_bad(&self) -> bool {
        self.failed + self.suspected + self.unlinked > 0
    }

    /// For a sentence.
    pub(super) fn describe(&self) -> String {
        if self.failed > 0 {
            format!("{} of {} other nodes hold it for failed", self.failed, self.observers)
        } else if self.suspected > 0 {
            format!("{} of {} other nodes suspect it", self.suspected, self.observers)
        } else if self.unlinked > 0 {
            format!("{} of {} other nodes have no bus link to it", self.unlinked, self.observers)
        } else {
            "no other node objects to it".to_owned()
        }
    }
}

/// What the other members hold an id for.
pub(super) fn peers_on(seen: &Picture<'_>, id: NodeId) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(member) = seen.member(id) else { return verdict };
    for shown in &member.rows {
        let row = seen.row(shown.row);
        verdict.observers += shown.by.len();
        let word = if row.flags.has(Flag::Failed) {
            verdict.failed += shown.by.len();
            "fail"
        } else if row.flags.has(Flag::Suspected) {
            verdict.suspected += shown.by.len();
            "fail?"
        } else if row.link == LinkState::Disconnected {
            verdict.unlinked += shown.by.len();
            "disconnected"
        } else {
            continue;
        };
        let room = WITNESSES_QUOTED.saturating_sub(verdict.evidence.len());
        for observer in shown.by.iter().take(room) {
            verdict.evidence.push(Evidence::hearsay(
                seen.sighting(*observer),
                format!("{} is {word}", seen.name(id)),
            ));
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_long_quote_is_cut_between_letters() {
        let text = "ü".repeat(QUOTE_BYTES_MAX);
        let cut = quote(&text);
        assert!(cut.ends_with("ü..."));
        assert!(cut.len() <= QUOTE_BYTES_MAX + 3);
        assert_eq!(quote("short"), "short");
    }

    #[test]
    fn peers_are_counted_by_their_gravest_word() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(0, 2, |row| row.flags = row.flags.with(Flag::Failed));
        sketch.row(1, 2, |row| row.link = LinkState::Disconnected);
        let seen = sketch.build();
        let verdict = peers_on(&Picture::new(&seen), Sketch::id(2));
        assert_eq!((verdict.failed, verdict.unlinked, verdict.observers), (1, 1, 2));
        assert_eq!(verdict.evidence.len(), 2);
    }
}
