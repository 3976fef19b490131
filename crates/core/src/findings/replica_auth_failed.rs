//! A replica whose primary wants a password that it does not have.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A replica cannot log in to its primary, so it copies nothing: `MASTER aborted replication
    /// with an error: NOAUTH Authentication required.` or `Unable to AUTH to MASTER: -WRONGPASS`.
    /// The cluster looks healthy until the primary dies; then the replica is empty or too old.
    ///
    /// ## How it comes about
    /// `requirepass` was set or rotated without `masterauth`, or the ACL user of `masteruser` is
    /// missing on the primary. Each node needs both, because roles change.
    ///
    /// ## What we look at
    /// `master_link_status:down` at the replica, whether its primary wants a password, and whether
    /// the replica's `masterauth` is set and the same. Secrets are compared, never shown.
    ///
    /// ## The repair
    /// Set `masterauth` (and `masteruser`, where ACL users are in use) on every node.
    ///
    /// ## Repair safety
    /// The replica reconnects and catches up; nothing is lost while the primary lives.
    ///
    /// ## By hand
    /// `CONFIG SET masterauth` on all nodes, then `CONFIG REWRITE`, and the same in the template
    /// that the nodes are made from.
    pub struct ReplicaAuthFailed { replica: NodeId, primary: NodeId, unset: bool }
    group: Replication, severity: Error, after: [AddressReusedByForeignNode],
    settles: true, since: "0.1",
}

impl Finding for ReplicaAuthFailed {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let (Some(info), Some(primary)) = (seen.info_of(replica), seen.primary_of(replica))
            else {
                continue;
            };
            let (Some(ours), Some(theirs)) = (seen.config_of(replica), seen.config_of(primary))
            else {
                continue;
            };
            let wanted = theirs.get("requirepass").unwrap_or_default();
            let given = ours.get("masterauth").unwrap_or_default();
            let by_user = !ours.get("masteruser").unwrap_or_default().is_empty();
            let down = info.is("role", "slave") && info.is("master_link_status", "down");
            if !down || wanted.is_empty() || wanted == given || (by_user && !given.is_empty()) {
                continue;
            }
            let unset = given.is_empty();
            let mut evidence = Vec::new();
            if let Some(sighting) = seen.proved(replica) {
                let text = if unset { "masterauth is not set" } else { "masterauth differs" };
                evidence.push(Evidence::first_hand(sighting, format!("has no link, and {text}")));
            }
            if let Some(sighting) = seen.proved(primary) {
                evidence.push(Evidence::first_hand(sighting, "requirepass is set"));
            }
            let subject = Subject::nodes([replica, primary]);
            out.push(Self { replica, primary, unset }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let what = if self.unset { "has no masterauth" } else { "has another masterauth" };
        format!(
            "a replica cannot log in to its primary: {} {what}, and {} wants a password",
            seen.name(self.replica),
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::Reversible)
            .command(seen.endpoint(self.replica), "CONFIG SET masterauth <the password>")
            .command(seen.endpoint(self.replica), "CONFIG REWRITE")
            .check("master_link_status:up; then the same on every node, because roles change")
            .never("turn requirepass off to make it work: everybody in the network gets in")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1).option("--requirepass s3cret").password("s3cret").wait(Until::Field(
            3,
            "master_link_status",
            "down",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn with(masterauth: &str, link: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.config(0, "requirepass", "secret-1").config(3, "masterauth", masterauth);
        sketch.info(3, "master_link_status", link);
        sketch
    }

    #[test]
    fn a_missing_or_other_masterauth_is_found() {
        for masterauth in ["", "secret-2"] {
            let found = with(masterauth, "down").detect::<ReplicaAuthFailed>(&ENTRY);
            assert_eq!(found.len(), 1, "{found:#?}");
        }
    }

    #[test]
    fn the_right_one_or_a_link_that_stands_is_not() {
        assert_eq!(with("secret-1", "down").detect::<ReplicaAuthFailed>(&ENTRY), []);
        assert_eq!(with("", "up").detect::<ReplicaAuthFailed>(&ENTRY), []);
    }
}
