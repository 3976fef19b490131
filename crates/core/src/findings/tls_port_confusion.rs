//! Clients that speak TLS are told ports at which no TLS is spoken.

use super::settings::{insiders, names};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{NodeId, Product, Version};
use crate::observation::{Fields, Picture, Sighting};
use crate::scenario::{Act, Scenario, Server};

/// Why a client is told such a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// Before 7.2 a node announces one port only: the plain one, as long as its bus is plain.
    PlainBus,
    /// Before 7.2 `cluster-announce-port` stands for the TLS port too.
    PlainAnnounced,
    /// Since 7.2 a node without `tls-port` is told with port 0.
    NoTlsPort,
}

finding! {
    /// ## What it means
    /// Clients reach some nodes over TLS, and the map that they are given (`CLUSTER SLOTS`,
    /// `MOVED`) leads them to ports at which no TLS is spoken, or to port 0. The first command goes
    /// well, the first one for another slot fails: `wrong version number`, a handshake without an
    /// end, `dial tcp :0`. Clients without TLS notice nothing.
    ///
    /// ## How it comes about
    /// `tls-port` was set for clients and `tls-cluster` left at `no`: before Redis 7.2 the nodes
    /// tell each other one port only, and with a plain bus that is the plain one. Or
    /// `cluster-announce-port` was set without `cluster-announce-tls-port`. Since 7.2 every node
    /// tells both ports, and a node without `tls-port` is shown with port 0.
    ///
    /// ## What we look at
    /// `tls-port`, `tls-cluster`, `port`, the announced ports and the version of every node that
    /// shows its settings; and, where we look over TLS ourselves, the ports in `CLUSTER SLOTS`.
    ///
    /// ## The repair
    /// Upgrade to 7.2 or later, where a plain bus tells both ports. Or give the whole cluster
    /// `tls-cluster yes`, with all nodes down together. A missing `tls-port` or
    /// `cluster-announce-tls-port` is set on the nodes that lack it.
    ///
    /// ## Repair safety
    /// An upgrade node by node keeps the plain port served all the while. `tls-cluster` cannot be
    /// switched node by node: the two kinds of bus do not understand each other.
    ///
    /// ## By hand
    /// `redis-cli --tls -p <tls-port> CLUSTER SLOTS` shows what clients are told. Until it is
    /// mended, let clients use the plain port, or a client that maps ports itself.
    pub struct TlsPortConfusion { cause: Cause, nodes: Vec<NodeId>, told: u16 }
    group: Security, severity: Error, after: [TlsBusMismatch],
    obstacle: "which port is told to whom follows from the version and from settings that must \
               change on all nodes together",
    since: "0.1",
}

impl Finding for TlsPortConfusion {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let ids = insiders(seen);
        let ports: Vec<u64> =
            ids.iter().filter_map(|id| seen.config_of(*id).map(tls_port)).collect();
        if ports.iter().all(|port| *port == 0) {
            return;
        }
        for cause in [Cause::PlainBus, Cause::PlainAnnounced, Cause::NoTlsPort] {
            let mut nodes = Vec::new();
            let mut told = None;
            let mut evidence = Vec::new();
            for id in &ids {
                let Some(sighting) = seen.proved(*id) else { continue };
                let Some((port, text)) = wrong(seen, sighting, cause) else { continue };
                nodes.push(*id);
                told.get_or_insert(port);
                evidence.push(Evidence::first_hand(sighting, text));
            }
            let Some(told) = told else { continue };
            evidence.extend(told_over_tls(seen, &nodes));
            // A rollout that has not reached all nodes leads to this for a while.
            let partly = ports.contains(&0);
            let severity = if partly { Severity::Warning } else { Severity::Error };
            let subject = Subject::nodes(nodes.iter().copied());
            out.push(Self { cause, nodes, told }, subject, evidence).severity(severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let why = match self.cause {
            Cause::PlainBus => "before 7.2 a plain bus tells the plain port only",
            Cause::PlainAnnounced => "cluster-announce-port stands for the TLS port as well",
            Cause::NoTlsPort => "they have no tls-port, and others have",
        };
        format!(
            "TLS clients are told ports without TLS (such as {}): {why}: {}",
            self.told,
            names(seen, &self.nodes)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let set = |steps: ByHand, what: &str| {
            self.nodes.iter().fold(steps, |steps, id| steps.command(seen.endpoint(*id), what))
        };
        let steps = match self.cause {
            Cause::PlainBus => ByHand::of(Risk::ReadOnly)
                .then(
                    "upgrade all nodes to 7.2 or later, replicas first: there a plain bus tells \
                     both ports",
                )
                .then(
                    "or stop all nodes together and start them with tls-cluster yes and \
                     tls-replication yes: then the bus tells the TLS port, and the plain one to \
                     plain clients",
                )
                .never("switch tls-cluster node by node: the two kinds of bus do not connect")
                .never(
                    "set cluster-announce-port to the TLS port: replicas and plain clients are \
                     sent there too",
                ),
            Cause::PlainAnnounced => set(
                ByHand::of(Risk::Reversible)
                    .then("find the TLS port at which clients reach each node from outside"),
                "CONFIG SET cluster-announce-tls-port <that port>",
            ),
            Cause::NoTlsPort => set(
                ByHand::of(Risk::Reversible).then(
                    "give these nodes a certificate of the authority of the others \
                     (tls-cert-file, tls-key-file, tls-ca-cert-file)",
                ),
                "CONFIG SET tls-port <the port of the others>",
            ),
        };
        steps.check("CLUSTER SLOTS, asked over TLS, shows the TLS port of every node")
    }

    fn scenario() -> Scenario {
        let words = "CONFIG SET tls-cert-file server.crt tls-key-file server.key \
                     tls-ca-cert-file ca.crt tls-auth-clients no tls-port 6390";
        let healthy = Scenario::of(3, 1)
            .not_on(Server::Redis82, "this build speaks no TLS")
            .not_on(Server::Valkey91, "this build speaks no TLS");
        (0..6)
            .fold(healthy, |scenario, node| scenario.act(Act::Certificate(node)).send(node, words))
    }
}

fn tls_port(config: &Fields) -> u64 {
    config.number("tls-port").unwrap_or(0)
}

/// The port that a node lets TLS clients be told, and why that is wrong.
fn wrong(seen: &Picture<'_>, sighting: &Sighting, cause: Cause) -> Option<(u16, String)> {
    let config = sighting.config.get()?;
    let Version { product, release } = seen.version(sighting)?;
    let tells_both = product == Product::Valkey || release >= (7, 2, 0);
    let (tls, plain) = (tls_port(config), config.number("port")?);
    let announced = config.number("cluster-announce-port").unwrap_or(0);
    let announced_tls = config.number("cluster-announce-tls-port").unwrap_or(0);
    let bus = config.get("tls-cluster")?;
    let (port, text) = match cause {
        Cause::PlainBus if !tells_both && tls > 0 && bus == "no" => {
            let port = if announced > 0 { announced } else { plain };
            // Who announces its TLS port in that place has found a way of its own.
            let is_plain = port != tls && (announced == 0 || announced == plain);
            is_plain.then(|| (port, format!("tls-port {tls}, tls-cluster no: tells port {port}")))
        }
        Cause::PlainAnnounced if !tells_both && tls > 0 && bus == "yes" => {
            let is_plain = announced > 0 && announced_tls == 0 && announced == plain;
            let text =
                format!("tls-port {tls}, cluster-announce-port {announced}, none for TLS clients");
            is_plain.then_some((announced, text))
        }
        Cause::NoTlsPort if tells_both && tls == 0 && announced_tls == 0 => {
            Some((0, "tls-port 0: TLS clients are told port 0".to_owned()))
        }
        _ => None,
    }?;
    Some((u16::try_from(port).ok()?, text))
}

/// What those say who were asked over TLS: of one of these nodes each.
fn told_over_tls(seen: &Picture<'_>, nodes: &[NodeId]) -> Vec<Evidence> {
    let over_tls = seen.sightings().filter(|(_, sighting)| sighting.certificate.get().is_some());
    over_tls
        .filter_map(|(_, sighting)| {
            let told = sighting.slots.get()?.iter().flat_map(|range| &range.nodes);
            let (id, port) =
                told.filter_map(|node| Some((node.id?, node.port))).find(|(id, port)| {
                    let tls = seen.config_of(*id).map_or(0, tls_port);
                    nodes.contains(id) && u64::from(*port) != tls
                })?;
            let text = format!("tells us, over TLS, port {port} of {}", seen.name(id));
            Some(Evidence::first_hand(sighting, text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn with(settings: &[(&str, &str)], version: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.info(n, "redis_version", version).config(n, "port", "6379");
            for (name, value) in settings {
                sketch.config(n, name, value);
            }
        }
        sketch
    }

    fn found(sketch: &Sketch) -> Vec<(Severity, String)> {
        let found = sketch.detect::<TlsPortConfusion>(&ENTRY);
        found.into_iter().map(|found| (found.severity, found.message)).collect()
    }

    #[test]
    fn a_plain_bus_tells_the_plain_port() {
        let found = found(&with(&[("tls-port", "6390"), ("tls-cluster", "no")], "7.0.15"));
        assert_eq!((found.len(), found[0].0), (1, Severity::Error), "{found:#?}");
        assert!(found[0].1.contains("(such as 6379)"), "{}", found[0].1);
    }

    #[test]
    fn the_plain_port_announced_for_both_is_found() {
        let words =
            [("tls-port", "6390"), ("tls-cluster", "yes"), ("cluster-announce-port", "6379")];
        assert_eq!(found(&with(&words, "7.0.15")).len(), 1);
        let mut both = words.to_vec();
        both.push(("cluster-announce-tls-port", "30001"));
        assert_eq!(found(&with(&both, "7.0.15")), []);
    }

    #[test]
    fn a_newer_node_without_a_tls_port_is_told_as_none() {
        let mut sketch = with(&[("tls-port", "6390"), ("tls-cluster", "no")], "8.2.3");
        assert_eq!(found(&sketch), []);
        sketch.config(2, "tls-port", "0");
        let found = found(&sketch);
        assert_eq!((found.len(), found[0].0), (1, Severity::Warning), "{found:#?}");
        assert!(found[0].1.contains("10.0.0.3:6379"), "{}", found[0].1);
    }

    #[test]
    fn no_tls_or_tls_everywhere_is_no_confusion() {
        assert_eq!(found(&with(&[("tls-port", "0"), ("tls-cluster", "no")], "7.0.15")), []);
        assert_eq!(found(&with(&[("tls-port", "6390"), ("tls-cluster", "yes")], "7.0.15")), []);
        let announced = [("tls-port", "6390"), ("tls-cluster", "no")];
        let mut own_way = announced.to_vec();
        own_way.push(("cluster-announce-port", "6390"));
        assert_eq!(found(&with(&own_way, "7.0.15")), []);
    }
}
