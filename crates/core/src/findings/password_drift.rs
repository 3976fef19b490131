//! Nodes that we can log in to have different passwords for the default user.

use super::settings::{Split, by_setting, split};
use crate::diagnose::{ByHand, Finding, Risk, Sink, Subject};
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The password of the default user (`requirepass`) is not the same on all nodes, or some
    /// nodes have none. Clients that follow a `MOVED` to such a node are refused (`NOAUTH`,
    /// `WRONGPASS`), or get in where they should not; replicas fail after a failover, because
    /// `masterauth` fits one primary and not the next; `MIGRATE` with `AUTH` fails towards some
    /// nodes.
    ///
    /// ## How it comes about
    /// A rotation that stopped half way, a node restarted from an old file after `CONFIG SET`, a
    /// new node from a template without the password.
    ///
    /// ## What we look at
    /// `requirepass` of every node that let us in and shows its settings. Only whether two are
    /// equal is kept, never the password. A node that refuses us is reported by `AUTH_MISMATCH`.
    ///
    /// ## The repair
    /// Decide which password is meant. Add it beside the present one on the nodes that stand apart
    /// (`ACL SETUSER default >PASSWORD`), set `masterauth` on all nodes, roll the clients, then
    /// remove the old one.
    ///
    /// ## Repair safety
    /// Adding a password breaks nobody. `CONFIG SET requirepass` replaces all passwords of the
    /// default user at once, and those who use the old one fail at their next connection.
    ///
    /// ## By hand
    /// The printed commands, with the intended password in place of the words in capitals. Never
    /// remove a password before clients and `masterauth` have the other.
    pub struct PasswordDrift { split: Split, some_open: bool }
    group: Security, severity: Warning, after: [AuthMismatch, ReplicaAuthFailed],
    obstacle: "some nodes take another password than the others, and which one is meant only a person \
               knows",
    since: "0.1",
}

impl Finding for PasswordDrift {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let values = by_setting(seen, "requirepass");
        let Some(split) = split("requirepass", &values) else { return };
        let some_open = values.contains_key("");
        let (subject, evidence) = (Subject::nodes(split.nodes()), split.evidence(seen));
        out.push(Self { split, some_open }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let apart: Vec<_> = self.split.nodes().collect();
        let names = super::settings::names(seen, &apart);
        if self.some_open {
            format!("some nodes want a password and others none; {names} differ from the rest")
        } else {
            format!("the password of the default user differs between nodes: {names} stand apart")
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let line = "ACL SETUSER default >THE-INTENDED-PASSWORD";
        self.split
            .nodes()
            .fold(ByHand::of(Risk::Reversible), |steps, id| steps.command(seen.endpoint(id), line))
            .then("on every node: CONFIG SET masterauth THE-INTENDED-PASSWORD")
            .check(
                "every client and every replica can log in everywhere with the intended password",
            )
            .then("then remove the old one: ACL SETUSER default <THE-OLD-PASSWORD")
            .then("write the password into the source of the settings: Secret or file")
            .never("remove a password before clients and masterauth have the other")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send(2, "CONFIG SET requirepass one").password("one")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_node_with_another_secret_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.config(n, "requirepass", if n == 2 { "secret-2" } else { "secret-1" });
        }
        let found = sketch.detect::<PasswordDrift>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(2)));
        assert!(found[0].message.contains("stand apart"), "{}", found[0].message);
    }

    #[test]
    fn the_same_secret_or_none_everywhere_is_no_drift() {
        let mut sketch = Sketch::healthy(3, 0);
        (0..3).for_each(|n| {
            sketch.config(n, "requirepass", "secret-1");
        });
        assert_eq!(sketch.detect::<PasswordDrift>(&ENTRY), []);
        (0..3).for_each(|n| {
            sketch.config(n, "requirepass", "");
        });
        assert_eq!(sketch.detect::<PasswordDrift>(&ENTRY), []);
    }
}
