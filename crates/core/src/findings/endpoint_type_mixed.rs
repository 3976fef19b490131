//! Nodes tell clients different kinds of endpoints.

use super::settings::{Split, by_setting, split};
use crate::diagnose::{ByHand, Finding, Risk, Sink, Subject};
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// Some nodes answer `CLUSTER SLOTS` and `MOVED` with IPs, others with hostnames or with
    /// nothing (`cluster-preferred-endpoint-type` differs). A client knows the same node under two
    /// names, depending on which node it asked: it opens two pools, fails to verify certificates
    /// on one of them, or works from some networks only.
    ///
    /// ## How it comes about
    /// The setting was changed on some nodes, or only the template of new nodes was.
    ///
    /// ## What we look at
    /// `cluster-preferred-endpoint-type` of every node that shows its settings.
    ///
    /// ## The repair
    /// The same type on all nodes. For `hostname`, `cluster-announce-hostname` first, on all
    /// nodes: a node without one is told to clients as `?`.
    ///
    /// ## Repair safety
    /// It changes what clients are told from then on; connections stay open. Make sure that
    /// clients can resolve the names before switching to them.
    ///
    /// ## By hand
    /// The printed commands take the type that most nodes have for the intended one. Never switch
    /// to `hostname` before every node announces one.
    pub struct EndpointTypeMixed { split: Split }
    group: Clients, severity: Warning, after: [ClientNullOrUnknownEndpoint], repair: [Settle], since: "0.1",
}

const SETTING: &str = "cluster-preferred-endpoint-type";

impl Finding for EndpointTypeMixed {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        if let Some(split) = split(SETTING, &by_setting(seen, SETTING)) {
            let (subject, evidence) = (Subject::nodes(split.nodes()), split.evidence(seen));
            out.push(Self { split }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!("nodes tell clients different kinds of endpoints: {}", self.split.describe(seen))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let usual = &self.split.usual;
        let line = format!("CONFIG SET {SETTING} {usual}");
        let nameless = |id| {
            let config = seen.config_of(id);
            usual == "hostname"
                && config.is_none_or(|config| config.is("cluster-announce-hostname", ""))
        };
        self.split
            .nodes()
            .fold(
                ByHand::of(Risk::Reversible)
                    .check("clients can use the kind of endpoint that most nodes tell"),
                |steps, id| match (self.split.has_majority(), nameless(id)) {
                    (true, false) => steps.command(seen.endpoint(id), &line),
                    (true, true) => steps.then(format!(
                        "at {}: CONFIG SET cluster-announce-hostname first, then {line}",
                        seen.name(id)
                    )),
                    (false, _) => steps.then(format!(
                        "no type is that of most nodes: decide which is meant, and set it at {} \
                         or at the others",
                        seen.name(id)
                    )),
                },
            )
            .then("write the value into the source of the settings")
            .never("switch to hostname before every node announces one: clients are told \"?\"")
    }

    fn scenario() -> Scenario {
        // The nodes' IPs serve as their names: those resolve everywhere.
        let named = |scenario: Scenario, n: usize| {
            scenario.send(n, &format!("CONFIG SET cluster-announce-hostname {{ip{n}}}"))
        };
        let shown = |scenario: Scenario, n: usize| {
            let name = format!(",{{ip{n}}}");
            scenario.wait(Until::Answers(2, "CLUSTER NODES".to_owned(), name))
        };
        let scenario = (0..3).fold(Scenario::of(3, 0), named);
        (0..3).fold(scenario, shown).send(2, "CONFIG SET cluster-preferred-endpoint-type hostname")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_node_that_tells_hostnames_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.config(2, SETTING, "hostname");
        let found = sketch.detect::<EndpointTypeMixed>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("hostname on 10.0.0.3:6379"), "{}", found[0].message);
    }

    #[test]
    fn one_type_everywhere_is_no_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        (0..3).for_each(|n| {
            sketch.config(n, SETTING, "hostname");
        });
        assert_eq!(sketch.detect::<EndpointTypeMixed>(&ENTRY), []);
    }
}
