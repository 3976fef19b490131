//! What is known of one client address, and whether credentials may go there (rule 23).

use std::collections::BTreeSet;

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::observation::Sighting;

use super::questions::Depth;

/// How far the conversation with an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not dialled: it is not proved that credentials may go there.
    Waiting,
    /// Being asked, with or without credentials.
    Running { login: bool },
    /// The sighting is there.
    Done { login: bool },
}

/// A client address that the user named or that a table lists.
pub(super) struct Place {
    named: bool,
    proved: bool,
    claims: Vec<Claim>,
    /// Bus addresses that go with it.
    pub(super) bus: BTreeSet<Endpoint>,
    /// Ids that they showed.
    shown: BTreeSet<NodeId>,
    /// The node does not know its own IP: a probe of its bus would teach it.
    pub(super) bus_withheld: bool,
    pub(super) stage: Stage,
    /// How much it is asked, once it was dialled.
    pub(super) depth: Option<Depth>,
    pub(super) sighting: Option<Box<Sighting>>,
}

/// That an id lives there, and two of the trusted nodes that say so.
struct Claim {
    id: NodeId,
    first: Option<Endpoint>,
}

/// Ids that one address is given by tables; more is a sign of somebody making them up.
const CLAIMS_MAX: usize = 16;

impl Place {
    pub(super) fn new(named: bool) -> Self {
        Self {
            named,
            proved: false,
            claims: Vec::new(),
            bus: BTreeSet::new(),
            shown: BTreeSet::new(),
            bus_withheld: false,
            stage: Stage::Waiting,
            depth: None,
            sighting: None,
        }
    }

    /// Whether credentials may go there.
    pub(super) fn is_trusted(&self) -> bool {
        self.named || self.proved
    }

    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    pub(super) fn name(&mut self) {
        self.named = true;
    }

    /// A table lists the address for an id. `witness` is the address of the node that says so, if
    /// it is trusted itself. Two such witnesses prove the address.
    pub(super) fn claim(&mut self, id: NodeId, witness: Option<&Endpoint>) {
        let full = self.claims.len() >= CLAIMS_MAX;
        match self.claims.iter_mut().find(|claim| claim.id == id) {
            Some(claim) => match (&claim.first, witness) {
                (Some(first), Some(other)) if first != other => self.proved = true,
                (None, Some(witness)) => claim.first = Some(witness.clone()),
                _ => {}
            },
            None if !full => {
                self.claims.push(Claim { id, first: witness.cloned() });
            }
            None => {}
        }
    }

    /// The bus that goes with the address showed this id. Alone that proves nothing: whoever is
    /// named by a liar can show what the liar says.
    pub(super) fn bus_shows(&mut self, id: NodeId) {
        self.shown.insert(id);
    }

    /// Ids that the bus showed and a trusted node gives to the address, with that node.
    pub(super) fn shown_as_claimed(&self) -> Vec<(NodeId, Endpoint)> {
        let shown = self.claims.iter().filter(|claim| self.shown.contains(&claim.id));
        shown.filter_map(|claim| Some((claim.id, claim.first.clone()?))).collect()
    }

    /// Credentials may go there from now on.
    pub(super) fn prove(&mut self) {
        self.proved = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claim_proves_nothing_and_two_of_one_node_neither() {
        let (a, b) = (Endpoint::new("10.0.0.1", 1), Endpoint::new("10.0.0.2", 1));
        let mut place = Place::new(false);
        place.claim(NodeId::made_up(1), Some(&a));
        place.claim(NodeId::made_up(1), Some(&a));
        place.claim(NodeId::made_up(1), None);
        place.claim(NodeId::made_up(2), Some(&b));
        assert!(!place.is_trusted(), "two nodes must list it for the same id");
        place.claim(NodeId::made_up(1), Some(&b));
        assert!(place.is_trusted());
    }

    #[test]
    fn the_bus_speaks_for_the_id_that_a_trusted_table_gives() {
        let (id, other) = (NodeId::made_up(1), NodeId::made_up(2));
        let witness = Endpoint::new("10.0.0.1", 1);
        let mut place = Place::new(false);
        place.claim(id, None);
        place.bus_shows(other);
        place.bus_shows(id);
        assert_eq!(place.shown_as_claimed(), [], "nobody who is trusted says so");
        place.claim(id, Some(&witness));
        assert_eq!(place.shown_as_claimed(), [(id, witness)]);
        assert!(!place.is_trusted());
    }
}
