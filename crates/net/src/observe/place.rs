//! What is known of one client address, and whether credentials may go there (rule 23).

use std::collections::BTreeSet;

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::observation::Sighting;

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
    /// The node does not know its own IP: a probe of its bus would teach it.
    pub(super) bus_withheld: bool,
    pub(super) stage: Stage,
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
            bus_withheld: false,
            stage: Stage::Waiting,
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

    /// The bus that goes with the address showed this id.
    pub(super) fn bus_shows(&mut self, id: NodeId) {
        self.proved |= self.claims.iter().any(|claim| claim.id == id);
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
    fn the_bus_proves_only_the_id_that_a_table_gives() {
        let mut place = Place::new(false);
        place.claim(NodeId::made_up(1), None);
        place.bus_shows(NodeId::made_up(2));
        assert!(!place.is_trusted());
        place.bus_shows(NodeId::made_up(1));
        assert!(place.is_trusted());
    }
}
