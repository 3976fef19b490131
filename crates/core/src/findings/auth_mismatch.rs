//! Some nodes, or all, refuse the credentials that we were given.

use super::client_port::{Door, doors, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::Endpoint;
use crate::observation::{Picture, Silence};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// Nodes of the cluster refuse our user and password (`NOAUTH Authentication required.`,
    /// `WRONGPASS invalid username-password pair or user is disabled.`). If others accept them,
    /// every client with these credentials works on some slots and fails on others, and tools that
    /// talk to all nodes stop half way.
    ///
    /// ## How it comes about
    /// A password was changed on some nodes only; a Secret was updated and the processes were not;
    /// a node was restarted from an old configuration after a `CONFIG SET`; a user exists on some
    /// nodes only (ACLs are not replicated); or no password was given to us at all.
    ///
    /// ## What we look at
    /// The first reply of every node to the same credentials. Bus links do not use passwords, so
    /// the cluster can say `ok` meanwhile. Replication does: look at `masterauth` and `masteruser`
    /// too.
    ///
    /// ## The repair
    /// Find out which password is the intended one. Then add it beside the old one on the nodes
    /// that lack it, roll the clients, and remove the old one. A user may have several passwords
    /// at once: `ACL SETUSER default >new`.
    ///
    /// ## Repair safety
    /// Adding a password breaks nobody. Replacing one (`CONFIG SET requirepass`) breaks clients
    /// and replicas that still use the old one when they next connect.
    ///
    /// ## By hand
    /// `AUTH` by hand against each node, then `ACL SETUSER` as printed. Never switch the password
    /// off to get in.
    pub struct AuthMismatch { refused: Vec<Endpoint>, accepted: usize }
    group: Security, severity: Error, after: [AddressReusedByForeignNode],
    obstacle: "some nodes take another password than the rest, and we know no other: \
               give them the same, or name the one that all take",
    since: "0.1",
}

impl Finding for AuthMismatch {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut subject = Subject::default();
        let (mut refused, mut evidence, mut accepted) = (Vec::new(), Vec::new(), 0);
        for door in doors(seen) {
            let Some(text) = refusal(&door) else {
                accepted += usize::from(door.sighting.nodes.get().is_some());
                continue;
            };
            if door.ids.is_empty() && !door.is_named(seen) {
                continue;
            }
            refused.push(door.sighting.from.clone());
            evidence.push(Evidence::first_hand(door.sighting, quote(text)));
            subject = subject
                .with_nodes(door.ids.iter().copied())
                .with_address(Some(door.sighting.from.clone()));
        }
        if !refused.is_empty() {
            out.push(Self { refused, accepted }, subject, evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let first: Vec<String> = self.refused.iter().take(3).map(Endpoint::to_string).collect();
        let more = self.refused.len().saturating_sub(first.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let list = first.join(", ");
        let verb = if self.refused.len() == 1 { "refuses" } else { "refuse" };
        if self.accepted == 0 {
            format!("no node accepts the credentials that we were given: {list}{more} {verb} them")
        } else {
            format!("{list}{more} {verb} the credentials that {} other nodes accept", self.accepted)
        }
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible);
        if self.accepted == 0 {
            return steps
                .then(
                    "look again with the right credentials: --user and --password-file, or \
                     REDISCLI_AUTH in the environment",
                )
                .never("switch the password off to get in");
        }
        self.refused
            .iter()
            .fold(steps, |steps, at| {
                steps
                    .then(format!("log in to {at} with the password that it has now"))
                    .command(Some(at.clone()), "ACL SETUSER default >THE-INTENDED-PASSWORD")
            })
            .check("clients and replicas can log in with the intended password everywhere")
            .then("set masterauth to the intended password on every node, then remove the old one")
            .then("write the intended password into the source of the settings: Secret or file")
            .never("switch the password off to get in")
            .never("remove the old password before every client and masterauth has the new one")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send(2, "CONFIG SET requirepass other")
    }
}

/// The refusal of our credentials by the server itself; not ours to send them.
fn refusal<'a>(door: &Door<'a>) -> Option<&'a str> {
    match door.sighting.ping.silence()? {
        Silence::AuthFailed(text)
            if ["NOAUTH", "WRONGPASS", "ERR AUTH"].iter().any(|word| text.starts_with(word)) =>
        {
            Some(text)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn refuse(sketch: &mut Sketch, n: usize) {
        let text = "NOAUTH Authentication required.".to_owned();
        sketch.silence(n, Silence::AuthFailed(text), None);
    }

    #[test]
    fn one_node_that_refuses_is_told_apart_from_all() {
        let mut sketch = Sketch::healthy(3, 0);
        refuse(&mut sketch, 2);
        let found = sketch.detect::<AuthMismatch>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("that 2 other nodes accept"), "{}", found[0].message);
        assert!(found[0].subject.nodes.contains(&Sketch::id(2)));

        let mut sketch = Sketch::healthy(3, 0);
        (0..3).for_each(|n| refuse(&mut sketch, n));
        let mut seen = sketch.build();
        seen.named = vec![Sketch::at(0)];
        let mut found = Vec::new();
        crate::diagnose::run::<AuthMismatch>(&Picture::new(&seen), &ENTRY, &mut found);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.starts_with("no node accepts"), "{}", found[0].message);
    }

    #[test]
    fn credentials_that_we_kept_to_ourselves_are_no_mismatch() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::AuthFailed("we withheld the credentials".to_owned()), None);
        assert_eq!(sketch.detect::<AuthMismatch>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 1).detect::<AuthMismatch>(&ENTRY), []);
    }
}
