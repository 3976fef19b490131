//! Nodes want a password from clients, and would not know it themselves as replicas.

use super::settings::{insiders, names};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Fields, Picture, Role};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The cluster wants a password (`requirepass`), and some nodes have no `masterauth`, or
    /// another one. Today nothing need be wrong, because established replication links are not
    /// asked again, or because the node is a primary. At the next restart or failover the node
    /// becomes a replica that is refused: `MASTER aborted replication with an error: NOAUTH
    /// Authentication required.`, and its shard has no reserve any more.
    ///
    /// ## How it comes about
    /// `CONFIG SET requirepass` without `CONFIG SET masterauth`; a file with `requirepass` only on
    /// the nodes that were primaries when it was written.
    ///
    /// ## What we look at
    /// `masterauth`, `masteruser` and `requirepass` of every node that shows its settings, in a
    /// cluster that has replicas. Nodes with a `masteruser` of their own are left out: the
    /// password of that user is not visible.
    ///
    /// ## The repair
    /// `CONFIG SET masterauth` on every node, primaries included, and the same in the source of
    /// the settings. `recover` sets the password that you gave to it, if it logged in with that as
    /// the default user.
    ///
    /// ## Repair safety
    /// Safe: an established replication link is not cut by it.
    ///
    /// ## By hand
    /// The printed commands, with the password in place of the words in capitals. Never switch
    /// `requirepass` off instead.
    pub struct MasterauthMissing { ids: Vec<NodeId> }
    group: Security, severity: Warning, after: [ReplicaAuthFailed, PasswordDrift, AuthMismatch],
    repair: [Login], since: "0.1",
}

impl Finding for MasterauthMissing {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        if !seen.members().any(|(id, _)| seen.role(id) == Some(Role::Replica)) {
            return;
        }
        let settings: Vec<(NodeId, &Fields)> =
            insiders(seen).into_iter().filter_map(|id| Some((id, seen.config_of(id)?))).collect();
        let mut wanted: Vec<&str> = settings
            .iter()
            .filter_map(|(_, config)| config.get("requirepass"))
            .filter(|secret| !secret.is_empty())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return;
        }
        let ids: Vec<NodeId> = settings
            .iter()
            .filter(|(_, config)| lacks(config, &wanted))
            .map(|(id, _)| *id)
            .collect();
        if ids.is_empty() {
            return;
        }
        let evidence: Vec<Evidence> = ids
            .iter()
            .filter_map(|id| seen.proved(*id))
            .map(|s| Evidence::first_hand(s, "masterauth is not the password that nodes want"))
            .collect();
        let subject = Subject::nodes(ids.iter().copied());
        out.push(Self { ids }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} could not replicate after a restart or failover: their masterauth is not the \
             password that the nodes want",
            names(seen, &self.ids)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        self.ids
            .iter()
            .fold(ByHand::of(Risk::Reversible), |steps, id| {
                steps.command(seen.endpoint(*id), "CONFIG SET masterauth THE-PASSWORD")
            })
            .then("write it into the source of the settings, on primaries and replicas alike")
            .never("switch requirepass off instead: whoever reaches the port gets in")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1).send_all("CONFIG SET requirepass one").password("one")
    }
}

/// Whether a node could not log in to a primary that wants one of these passwords.
fn lacks(config: &Fields, wanted: &[&str]) -> bool {
    let own_user = config.get("masteruser").is_some_and(|user| !user.is_empty());
    !own_user && config.get("masterauth").is_some_and(|secret| !wanted.contains(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn locked(masterauth: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for n in 0..6 {
            sketch.config(n, "requirepass", "secret-1").config(n, "masterauth", masterauth);
        }
        sketch
    }

    #[test]
    fn a_missing_or_other_masterauth_is_found() {
        for masterauth in ["", "secret-2"] {
            let found = locked(masterauth).detect::<MasterauthMissing>(&ENTRY);
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].subject.nodes.len(), 6);
        }
    }

    #[test]
    fn the_right_one_a_user_of_its_own_or_no_password_is_no_finding() {
        assert_eq!(locked("secret-1").detect::<MasterauthMissing>(&ENTRY), []);
        let mut sketch = locked("secret-9");
        (0..6).for_each(|n| {
            sketch.config(n, "masteruser", "replicator");
        });
        assert_eq!(sketch.detect::<MasterauthMissing>(&ENTRY), []);
        let mut sketch = locked("");
        (0..6).for_each(|n| {
            sketch.config(n, "requirepass", "");
        });
        assert_eq!(sketch.detect::<MasterauthMissing>(&ENTRY), []);
    }
}
