//! A replica whose primary wants a password that it does not have.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
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
    /// the replica's `masterauth` is set and the same. Secrets are compared, never shown. Where
    /// `masteruser` is set: whether its login differs from one that works at a primary with the
    /// same users, and whether the primary counts refused logins (`acl_access_denied_auth`). Names
    /// and passwords are not kept, so that this is a suspicion; the replica's log has the proof
    /// (`WRONGPASS`).
    ///
    /// ## The repair
    /// Set `masterauth` (and `masteruser`, where ACL users are in use) on every node. A user that
    /// is missing on the primary comes back from the ACL file that the other nodes have.
    ///
    /// ## Repair safety
    /// The replica reconnects and catches up; nothing is lost while the primary lives.
    ///
    /// ## By hand
    /// `CONFIG SET masterauth` on all nodes, then `CONFIG REWRITE`, and the same in the template
    /// that the nodes are made from.
    pub struct ReplicaAuthFailed { replica: NodeId, primary: NodeId, lack: Lack }
    group: Replication, severity: Error, after: [AddressReusedByForeignNode],
    settles: true, repair: [Login], since: "0.1",
}

impl Finding for ReplicaAuthFailed {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let (Some(info), Some(primary)) = (seen.info_of(replica), seen.primary_of(replica))
            else {
                continue;
            };
            let down = info.is("role", "slave") && info.is("master_link_status", "down");
            let Some(lack) = lack_of(seen, replica, primary).filter(|_| down) else { continue };
            let mut evidence = Vec::new();
            if let Some(sighting) = seen.proved(replica) {
                let text = format!("has no link, and {}", lack.at_the_replica());
                evidence.push(Evidence::first_hand(sighting, text));
            }
            if let Some(sighting) = seen.proved(primary) {
                evidence.push(match &lack {
                    Lack::Login { works_at } => Evidence::hearsay(
                        sighting,
                        format!("has the users that let {} in with another login", works_at),
                    ),
                    Lack::Unset | Lack::Other => {
                        Evidence::first_hand(sighting, "requirepass is set")
                    }
                });
            }
            let subject = Subject::nodes([replica, primary]);
            let guess = matches!(lack, Lack::Login { .. });
            let pushed = out.push(Self { replica, primary, lack }, subject, evidence);
            if guess {
                pushed.doubt(
                    "names and passwords of ACL users are not read: another login may be as good",
                );
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let (replica, primary) = (seen.name(self.replica), seen.name(self.primary));
        let why = match &self.lack {
            Lack::Unset => format!("{replica} has no masterauth, and {primary} wants a password"),
            Lack::Other => format!("{replica} has another masterauth than {primary} wants"),
            Lack::Login { works_at } => {
                format!("{replica} has another masteruser or masterauth than {works_at}")
            }
        };
        let cannot = match &self.lack {
            Lack::Unset | Lack::Other => "cannot",
            Lack::Login { .. } => "has no link and probably cannot",
        };
        format!("a replica {cannot} log in to its primary: {why}")
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let never = "turn requirepass off to make it work: everybody in the network gets in";
        let up = "master_link_status:up; then the same on every node, because roles change";
        let replica = seen.endpoint(self.replica);
        if matches!(self.lack, Lack::Login { .. }) {
            return ByHand::of(Risk::Reversible)
                .command(seen.endpoint(self.primary), "ACL LIST")
                .command(replica, "CONFIG GET masteruser")
                .check("which is wrong: the name or the password at the replica, or the user at the primary (lost, or off)")
                .then(
                    "a wrong name or password: CONFIG SET masteruser and masterauth at the replica, then \
                     CONFIG REWRITE. A lost user: create it at the primary with the rules it has \
                     on the other nodes, then ACL SAVE or CONFIG REWRITE",
                )
                .check(up)
                .never(never);
        }
        ByHand::of(Risk::Reversible)
            .command(replica.clone(), "CONFIG SET masterauth <the password>")
            .command(replica, "CONFIG REWRITE")
            .check(up)
            .never(never)
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1).option("--requirepass s3cret").password("s3cret").wait(Until::Field(
            3,
            "master_link_status",
            "down",
        ))
    }
}

/// What a replica lacks in order to log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lack {
    /// It has no `masterauth`.
    Unset,
    /// It has another password than its primary wants.
    Other,
    /// It logs in with a `masteruser`, and otherwise than another replica does with success.
    Login {
        /// That other replica.
        works_at: Endpoint,
    },
}

impl Lack {
    fn at_the_replica(&self) -> String {
        match self {
            Self::Unset => "masterauth is not set".to_owned(),
            Self::Other => "masterauth differs".to_owned(),
            Self::Login { .. } => "its masteruser or masterauth is another".to_owned(),
        }
    }
}

/// A login other than this that works at a primary with the same users. Nothing when this login
/// works somewhere, or when the primary has refused nobody.
fn other_login(seen: &Picture<'_>, primary: NodeId, ours: (&str, &str)) -> Option<Lack> {
    let refused = seen.info_of(primary).and_then(|info| info.number("acl_access_denied_auth"));
    if refused == Some(0) {
        return None;
    }
    let users = seen.proved(primary)?.acl.get()?;
    let mut others = Vec::new();
    for (id, _) in seen.members() {
        let up = seen.info_of(id).is_some_and(|info| info.is("master_link_status", "up"));
        let theirs = seen.primary_of(id).and_then(|id| seen.proved(id)?.acl.get());
        let (true, true, Some(config)) = (up, theirs == Some(users), seen.config_of(id)) else {
            continue;
        };
        let login = ["masteruser", "masterauth"].map(|name| config.get(name).unwrap_or_default());
        if login == [ours.0, ours.1] {
            return None;
        }
        others.extend(seen.endpoint(id));
    }
    others.into_iter().next().map(|works_at| Lack::Login { works_at })
}

/// What the settings of both ends lack, as far as they can be compared.
fn lack_of(seen: &Picture<'_>, replica: NodeId, primary: NodeId) -> Option<Lack> {
    let (ours, theirs) = (seen.config_of(replica)?, seen.config_of(primary)?);
    let wanted = theirs.get("requirepass").unwrap_or_default();
    let given = ours.get("masterauth").unwrap_or_default();
    let user = ours.get("masteruser").unwrap_or_default();
    // `masteruser` without `masterauth` is not used at all (`syncWithMaster`).
    if !user.is_empty() && !given.is_empty() {
        return other_login(seen, primary, (user, given));
    }
    match given {
        _ if wanted.is_empty() || wanted == given => None,
        "" => Some(Lack::Unset),
        _ => Some(Lack::Other),
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

    /// Three shards whose replicas log in as a user, and all primaries have the same users.
    fn by_user() -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for n in 0..3 {
            let mut users = crate::observation::Fields::default();
            users.set("copy", "rules-1");
            sketch.nodes[n].sighting.acl = crate::observation::Said::This(users);
            sketch.config(n, "requirepass", "");
        }
        for n in 3..6 {
            sketch.config(n, "masteruser", "secret-2").config(n, "masterauth", "secret-3");
            sketch.info(n, "master_link_status", "up");
        }
        sketch.info(3, "master_link_status", "down");
        sketch
    }

    #[test]
    fn another_login_than_one_that_works_is_suspected() {
        for name in ["masteruser", "masterauth"] {
            let mut sketch = by_user();
            sketch.config(3, name, "secret-9");
            let found = sketch.detect::<ReplicaAuthFailed>(&ENTRY);
            assert_eq!(found.len(), 1, "{found:#?}");
            assert!(found[0].message.contains("than 10.0.0.5:6379"), "{}", found[0].message);
            sketch.info(0, "acl_access_denied_auth", "0");
            assert_eq!(sketch.detect::<ReplicaAuthFailed>(&ENTRY), [], "nobody was refused");
        }
    }

    #[test]
    fn a_login_that_works_elsewhere_is_not() {
        assert_eq!(by_user().detect::<ReplicaAuthFailed>(&ENTRY), []);
        // The other primaries have other users: their logins say nothing here.
        let mut sketch = by_user();
        sketch.config(3, "masteruser", "secret-9");
        sketch.nodes[0].sighting.acl =
            crate::observation::Said::This(crate::observation::Fields::default());
        assert_eq!(sketch.detect::<ReplicaAuthFailed>(&ENTRY), []);
    }
}
