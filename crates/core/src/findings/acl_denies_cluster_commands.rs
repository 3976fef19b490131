//! The user may not run the commands with which every cluster client learns the slot map.

use super::client_port::{Door, doors, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::Endpoint;
use crate::observation::{Picture, Said, Silence};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The user that we log in as is refused `CLUSTER SLOTS`, `CLUSTER NODES` or `CLUSTER INFO`
    /// (`NOPERM User app has no permissions to run the 'cluster|slots' command`). If the
    /// application uses the same user, its client cannot start: ioredis `Failed to refresh slots
    /// cache`, redis-py `Cluster mode is not enabled on this node`, which is misleading, Lettuce
    /// `Cannot retrieve cluster partitions`.
    ///
    /// ## How it comes about
    /// An ACL with `-@admin -@dangerous`, or with a list of data commands only. Up to 6.2 the
    /// whole `CLUSTER` command is in `@admin`; from 7.0 each subcommand has its own permission.
    ///
    /// ## What we look at
    /// The replies of every node to those commands. That this user may not run `CONFIG` or `ACL`
    /// is right for an application and is not reported here.
    ///
    /// ## The repair
    /// `ACL SETUSER app +cluster|slots +cluster|shards +cluster|nodes +cluster|info +readonly
    /// +asking +ping +info` on every node: ioredis needs `slots` and `info`, Lettuce `nodes` and
    /// `info`, StackExchange.Redis `nodes`, most others `slots` or `shards`; `readonly` for reads
    /// from replicas, `asking` while slots move. On 6.2: `+cluster`.
    ///
    /// ## Repair safety
    /// These subcommands only read. `+cluster` as a whole also allows `FORGET`, `RESET` and
    /// `ADDSLOTS`, so do not give it where subcommands can be named.
    ///
    /// ## By hand
    /// The printed commands, as a user who may change ACLs; then `ACL SAVE` or the source of the
    /// settings, because ACLs are neither replicated nor kept by themselves. Never `+@all` to be
    /// done with it.
    pub struct AclDeniesClusterCommands {
        user: Option<String>, denied: Vec<Endpoint>, commands: Vec<&'static str>,
    }
    group: Security, severity: Error, after: [AddressReusedByForeignNode],
    obstacle: "what a user may do is for whoever owns the ACLs to say: widening it by ourselves would \
               open more than was meant",
    since: "0.1",
}

impl Finding for AclDeniesClusterCommands {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut subject = Subject::default();
        let (mut denied, mut evidence, mut commands) = (Vec::new(), Vec::new(), Vec::new());
        let mut user = None;
        for door in doors(seen) {
            let refused = refusals(&door);
            let Some((_, text)) = refused.first() else { continue };
            if user.is_none() {
                user = door.sighting.whoami.get().cloned().or_else(|| user_in(text));
            }
            denied.push(door.sighting.from.clone());
            evidence.push(Evidence::first_hand(door.sighting, quote(text)));
            commands.extend(refused.iter().map(|(command, _)| *command));
            subject = subject
                .with_nodes(door.ids.iter().copied())
                .with_address(Some(door.sighting.from.clone()));
        }
        commands.sort_unstable();
        commands.dedup();
        if !denied.is_empty() {
            out.push(Self { user, denied, commands }, subject, evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "the user {} may not run {} on {} of the nodes: a cluster client cannot start with it",
            self.user.as_deref().map_or_else(|| "that we log in as".to_owned(), quote),
            self.commands.join(", "),
            self.denied.len()
        )
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let user = self.user.as_deref().filter(|user| is_plain(user)).unwrap_or("THE-USER");
        let line = format!(
            "ACL SETUSER {user} +cluster|slots +cluster|shards +cluster|nodes +cluster|info \
             +readonly +asking +ping +info"
        );
        self.denied
            .iter()
            .fold(
                ByHand::of(Risk::Reversible).then("log in as a user who may change ACLs"),
                |steps, at| steps.command(Some(at.clone()), &line),
            )
            .check("on Redis 6.2 name the whole command instead: +cluster")
            .then("ACL SAVE, or CONFIG REWRITE, or the source of the settings, on every node")
            .never("+@all to be done with it: an application needs no FLUSHALL and no CONFIG")
    }

    fn scenario() -> Scenario {
        let mut scenario = Scenario::of(3, 0)
            .send_all("ACL SETUSER app on >word ~* &* +@all -cluster")
            .password("word");
        scenario.look.user = Some("app".to_owned());
        scenario
    }
}

/// The commands that clients need and that were refused for want of a permission.
fn refusals<'a>(door: &Door<'a>) -> Vec<(&'static str, &'a str)> {
    fn denied<T>(said: &Said<T>) -> Option<&str> {
        match said {
            Said::Nothing(Silence::Denied(text)) if text.starts_with("NOPERM") => Some(text),
            _ => None,
        }
    }
    let sighting = door.sighting;
    [
        ("CLUSTER SLOTS", denied(&sighting.slots)),
        ("CLUSTER NODES", denied(&sighting.nodes)),
        ("CLUSTER INFO", denied(&sighting.cluster_info)),
    ]
    .into_iter()
    .filter_map(|(command, text)| Some((command, text?)))
    .collect()
}

/// The name in `NOPERM User app has no permissions ...`.
fn user_in(text: &str) -> Option<String> {
    let rest = text.strip_prefix("NOPERM User ")?;
    rest.split_once(" has no permissions").map(|(user, _)| user.to_owned())
}

/// Whether a name can stand in a command line as it is.
fn is_plain(user: &str) -> bool {
    !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Step;
    use crate::observation::sketch::Sketch;

    const NOPERM: &str = "NOPERM User app has no permissions to run the 'cluster|slots' command";

    #[test]
    fn a_user_without_cluster_slots_is_named() {
        let mut sketch = Sketch::healthy(3, 0);
        for node in &mut sketch.nodes {
            node.sighting.slots = Said::Nothing(Silence::Denied(NOPERM.to_owned()));
            node.sighting.whoami = Said::default();
        }
        let found = sketch.detect::<AclDeniesClusterCommands>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.starts_with("the user app may not run CLUSTER SLOTS on 3"));
        assert!(matches!(&found[0].by_hand.steps[1],
            Step::Command { argv, .. } if argv[2] == "app"));
    }

    #[test]
    fn config_is_not_needed_by_clients() {
        let mut sketch = Sketch::healthy(3, 0);
        for node in &mut sketch.nodes {
            node.sighting.config = Said::Nothing(Silence::Denied(NOPERM.to_owned()));
        }
        assert_eq!(sketch.detect::<AclDeniesClusterCommands>(&ENTRY), []);
    }

    #[test]
    fn a_hostile_user_name_does_not_enter_a_command() {
        let mut sketch = Sketch::healthy(3, 0);
        let text = "NOPERM User x; FLUSHALL has no permissions to run".to_owned();
        sketch.nodes[0].sighting.nodes = Said::Nothing(Silence::Denied(text));
        sketch.nodes[0].table = None;
        sketch.nodes[0].sighting.whoami = Said::default();
        let found = sketch.detect::<AclDeniesClusterCommands>(&ENTRY);
        assert!(matches!(&found[0].by_hand.steps[1],
            Step::Command { argv, .. } if argv[2] == "THE-USER"));
    }
}
