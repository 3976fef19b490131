//! A command that clients or tools need does not exist on a node: renamed or taken away.

use std::collections::BTreeMap;

use super::client_port::{Door, doors, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::Endpoint;
use crate::observation::{Picture, Said, Silence};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A node answers `ERR unknown command` to a command that every server of this kind has.
    /// Without `CLUSTER` no cluster client can start. Without `CONFIG` tools cannot read or change
    /// settings, and some clients and operators stop half way.
    ///
    /// ## How it comes about
    /// `rename-command` in the configuration (an old way to lock a server, superseded by ACLs), a
    /// managed service that hides commands, or a proxy in front that does not know them. If only
    /// some nodes do it, their configurations differ.
    ///
    /// ## What we look at
    /// The replies to `CLUSTER NODES`, `CLUSTER INFO`, `CONFIG GET` and `INFO`, which all versions
    /// have. Subcommands that came later are not judged.
    ///
    /// ## The repair
    /// Take `rename-command` out of the configuration and use ACLs in its place, then restart the
    /// nodes one after the other, replicas first. It cannot be changed while a server runs.
    ///
    /// ## Repair safety
    /// Restarting one node after the other, each only when the last one is back in sync, loses
    /// nothing. Renamed commands in an append-only file or a script would not be understood after
    /// the change: look for them first.
    ///
    /// ## By hand
    /// Look for `rename-command` in the files of the nodes. Never rename a command on some nodes
    /// only: replicas do not understand what their primary sends under another name.
    pub struct CommandRenamed { command: &'static str, on: Vec<Endpoint> }
    group: Security, severity: Warning, after: [AddressReusedByForeignNode, NotRedis],
    obstacle: "rename-command is read at the start only: the nodes must be restarted without it",
    since: "0.1",
}

impl Finding for CommandRenamed {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut missing: BTreeMap<&'static str, (Vec<Endpoint>, Subject, Vec<Evidence>)> =
            BTreeMap::new();
        for door in doors(seen) {
            for (command, text) in unknown(&door) {
                let (on, subject, evidence) = missing.entry(command).or_default();
                on.push(door.sighting.from.clone());
                evidence.push(Evidence::first_hand(door.sighting, quote(text)));
                *subject = std::mem::take(subject)
                    .with_nodes(door.ids.iter().copied())
                    .with_address(Some(door.sighting.from.clone()));
            }
        }
        for (command, (on, subject, evidence)) in missing {
            let severity = if command == "CLUSTER" { Severity::Error } else { Severity::Warning };
            out.push(Self { command, on }, subject, evidence).severity(severity);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let first: Vec<String> = self.on.iter().take(3).map(Endpoint::to_string).collect();
        let more = self.on.len().saturating_sub(first.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("the command {} does not exist on {}{more}", self.command, first.join(", "))
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::Reversible)
            .then(format!("look for rename-command {} in the nodes' configuration", self.command))
            .then("take it out, lock the command with ACLs in its place (ACL SETUSER app -config)")
            .then("restart the nodes one after the other, replicas first")
            .check("before each next one: cluster_state:ok and the restarted node is in sync again")
            .never("rename a command on some nodes only")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).option("--rename-command CONFIG HIDDEN-CONFIG")
    }
}

/// The commands that this server does not know, with its words.
fn unknown<'a>(door: &Door<'a>) -> Vec<(&'static str, &'a str)> {
    fn refused<T>(said: &Said<T>) -> Option<&str> {
        match said {
            Said::Nothing(Silence::Error(text)) if text.starts_with("ERR unknown command") => {
                Some(text)
            }
            _ => None,
        }
    }
    let sighting = door.sighting;
    [
        ("CLUSTER", refused(&sighting.nodes).or_else(|| refused(&sighting.cluster_info))),
        ("CONFIG", refused(&sighting.config)),
        ("INFO", refused(&sighting.info)),
    ]
    .into_iter()
    .filter_map(|(command, text)| Some((command, text?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_missing_config_is_a_warning_for_all_nodes_together() {
        let mut sketch = Sketch::healthy(3, 0);
        for node in &mut sketch.nodes {
            let text = "ERR unknown command 'CONFIG', with args beginning with: 'GET'".to_owned();
            node.sighting.config = Said::Nothing(Silence::Error(text));
        }
        let found = sketch.detect::<CommandRenamed>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].severity, found[0].evidence.len()), (Severity::Warning, 3));
    }

    #[test]
    fn a_subcommand_of_a_later_version_is_not_judged() {
        let mut sketch = Sketch::healthy(3, 0);
        let text = "ERR unknown subcommand 'SHARDS'. Try CLUSTER HELP.".to_owned();
        sketch.nodes[0].sighting.shards = Said::Nothing(Silence::Error(text.clone()));
        sketch.nodes[0].sighting.cluster_info = Said::Nothing(Silence::Error(text));
        assert_eq!(sketch.detect::<CommandRenamed>(&ENTRY), []);
    }
}
