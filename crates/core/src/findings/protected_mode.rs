//! A node that lets in nobody but its own host.

use super::client_port::{doors, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::Endpoint;
use crate::observation::{Picture, Silence};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The node has no password and runs in protected mode: every connection that does not come
    /// from its own host is answered with `DENIED Redis is running in protected mode ...` and
    /// closed. Replicas on other hosts are refused as well. The bus is not affected, so the
    /// cluster says `ok` from inside and no client gets in. What is tried on the host itself
    /// works.
    ///
    /// ## How it comes about
    /// `protected-mode yes` is the default, and a file without `requirepass` was used outside one
    /// host; or the password was taken away with `CONFIG SET requirepass ""`.
    ///
    /// ## What we look at
    /// The first reply of the client port to our own connection.
    ///
    /// ## The repair
    /// Give the nodes a password (`requirepass` and `masterauth`, the same everywhere), or switch
    /// protected mode off if the network keeps strangers away.
    ///
    /// ## Repair safety
    /// A password set on a running node is asked of new connections only. Without password and
    /// protected mode, anyone who reaches the port can read, delete, and take over the host.
    ///
    /// ## By hand
    /// On the node's own host, over loopback: the printed commands. Never switch it off on a node
    /// that can be reached from the internet.
    pub struct ProtectedMode { denied: Vec<Endpoint> }
    group: Security, severity: Error, after: [AddressReusedByForeignNode],
    obstacle: "it answers over loopback only until it has a password: that is set on its own host",
    since: "0.1",
}

impl Finding for ProtectedMode {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut subject = Subject::default();
        let (mut denied, mut evidence) = (Vec::new(), Vec::new());
        for door in doors(seen) {
            let text = match door.trouble() {
                Some(Silence::Denied(text)) if text.starts_with("DENIED") => text,
                _ => continue,
            };
            denied.push(door.sighting.from.clone());
            evidence.push(Evidence::first_hand(door.sighting, quote(text)));
            subject = subject
                .with_nodes(door.ids.iter().copied())
                .with_address(Some(door.sighting.from.clone()));
        }
        if !denied.is_empty() {
            out.push(Self { denied }, subject, evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let first: Vec<String> = self.denied.iter().take(3).map(Endpoint::to_string).collect();
        let more = self.denied.len().saturating_sub(first.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more} run in protected mode and let in only their own host", first.join(", "))
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        self.denied
            .iter()
            .fold(ByHand::of(Risk::Reversible), |steps, at| {
                steps.then(format!(
                    "on the host of {at}, over loopback: CONFIG SET masterauth PASSWORD, then \
                     CONFIG SET requirepass PASSWORD; the same password on all nodes",
                ))
            })
            .then("give the clients the password, and write it into the source of the settings")
            .then(
                "or, only where the network keeps strangers away: CONFIG SET protected-mode no on \
                 each of them, over loopback",
            )
            .never("protected-mode no without a password on a port that the internet can reach")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).in_namespace().send(2, "CONFIG SET protected-mode yes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_denied_connection_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        let text = "DENIED Redis is running in protected mode because protected mode is enabled";
        sketch.silence(2, Silence::Denied(text.to_owned()), None);
        let found = sketch.detect::<ProtectedMode>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(2)));
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("internet")));
    }

    #[test]
    fn a_missing_permission_is_another_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        let text = "NOPERM this user has no permissions to run the 'ping' command";
        sketch.silence(2, Silence::Denied(text.to_owned()), None);
        assert_eq!(sketch.detect::<ProtectedMode>(&ENTRY), []);
    }
}
