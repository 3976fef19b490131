//! A node announces, by its settings, an address at which it cannot be reached.

use super::whereabouts::{Place, numeric, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Member, Picture};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// `cluster-announce-ip` (or `-port`, `-bus-port`) of a node is set, the others dial what it
    /// says, and nobody of that id answers there. To its peers the node is dead; clients are sent
    /// to the wrong place as well.
    ///
    /// ## How it comes about
    /// The value was written for an earlier pod and kept in a config file; a Service or load
    /// balancer is announced that does not forward the bus, or forwards it to another pod; a host
    /// port changed; `cluster-announce-bus-port` is missing where the bus port is mapped (its
    /// default is the real bus port and never follows from `cluster-announce-port`).
    ///
    /// The state flips from `ok` to `fail` about one node timeout after each restart.
    ///
    /// ## What we look at
    /// The settings of each node that answers, the address that the others record for it, and that
    /// they get no answer there; or that another node answers at the address that is set, which the
    /// others then drop (`noaddr`). Of a node that answers nobody: that the others do not even
    /// suspect it, four node timeouts after its last pong, because it goes on dialling them. Then
    /// it is suspected only, since a firewall before it looks the same.
    ///
    /// ## The repair
    /// `CONFIG SET` the right value: it counts at once and spreads with the next pings. Then mend
    /// the template that wrote it, and try a restart. `recover` sets the IP at which it reaches the
    /// node, where it reaches the others at the addresses that they use among themselves.
    ///
    /// ## Repair safety
    /// Nothing but the address changes.
    ///
    /// ## By hand
    /// The commands are printed. Never announce one address for several nodes.
    pub struct AnnounceAddressWrong { id: NodeId, announced: Endpoint, names: Vec<&'static str> }
    group: Addressing, severity: Error,
    after: [
        LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch,
        DuplicateNodeIdLive, ClonedClusterHijack,
    ],
    settles: true, repair: [Readdress], since: "0.1",
}

const SETTINGS: [&str; 4] = [
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-tls-port",
    "cluster-announce-bus-port",
];

impl Finding for AnnounceAddressWrong {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            if let Some(finding) = Self::unseen(seen, id, member) {
                let evidence = not_reached(seen, id, member, &finding.announced);
                let subject = Subject::node(id).with_slots(seen.slots_of(id));
                out.push(finding, subject, evidence).doubt("its settings were not seen");
                continue;
            }
            let (Some(sighting), Some(config)) = (seen.proved(id), seen.config_of(id)) else {
                continue;
            };
            let set: Vec<(&'static str, &str)> = SETTINGS
                .iter()
                .filter_map(|name| Some((*name, config.get(name)?)))
                .filter(|(_, value)| !value.is_empty() && *value != "0")
                .collect();
            let dialled_there = || if set.is_empty() { None } else { wrong(seen, member) };
            let taken = of_another(seen, id, &set);
            let there = taken.as_ref().map(|(at, _)| (at.clone(), Vec::new()));
            let Some((first, by)) = there.or_else(dialled_there) else { continue };
            let mut evidence: Vec<Evidence> = set
                .iter()
                .map(|(name, value)| Evidence::first_hand(sighting, format!("{name} is {value}")))
                .collect();
            evidence.extend(dialled(seen, id, &by, &first));
            evidence.extend(taken.map(|(at, other)| {
                Evidence::first_hand(
                    seen.sighting(other),
                    format!("answers at {at} and is another"),
                )
            }));
            let names = set.iter().map(|(name, _)| *name).collect();
            let subject = Subject::node(id).with_slots(seen.slots_of(id));
            out.push(Self { id, announced: first, names }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        if self.names.is_empty() {
            return format!(
                "{} answers nobody there, and the others hear it all the same: it is not down, it \
                 runs elsewhere and announces this address",
                seen.name(self.id)
            );
        }
        let there = seen.sighting_at(&self.announced).and_then(|observer| seen.id_of(observer));
        let there = match there.filter(|other| *other != self.id) {
            Some(other) => format!("which is the address of another node ({})", other.short()),
            None => "where it does not answer the others".to_owned(),
        };
        format!(
            "{} announces {} by {}, {there}",
            seen.name(self.id),
            self.announced,
            self.names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible);
        if self.names.is_empty() {
            let id = self.id;
            return steps
                .then(format!(
                    "find where it runs: the process that answers CLUSTER MYID with {id}"
                ))
                .then("name that address beside the others, and look again")
                .check(
                    "CONFIG GET cluster-announce-* there; if they are right, whether packets may pass \
                     to its client port and its bus port: a firewall before it looks the same",
                )
                .never("promote its replica by FORCE or TAKEOVER: it lives, and takes writes")
                .never("CLUSTER FORGET it: it dials the others and comes back");
        }
        let (at, here) = (seen.endpoint(self.id), numeric(seen, self.id));
        for name in &self.names {
            let value = match (*name, &here) {
                ("cluster-announce-ip", Some(here)) => here.host.clone(),
                ("cluster-announce-ip", None) => "<its IP>".to_owned(),
                _ => "0".to_owned(),
            };
            steps = steps.command(at.clone(), format!("CONFIG SET {name} {value}"));
        }
        steps
            .check("CLUSTER NODES at the others shows the present address, connected")
            .then("mend the template or start script that wrote the old value, and try a restart")
            .never("announce one address (a Service, a load balancer) for several nodes")
            .never("CLUSTER MEET while the setting is wrong: the next ping brings the wrong address back")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send(2, "CONFIG SET cluster-announce-ip 127.0.255.77")
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), "127.0.255.77".to_owned()))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

impl AnnounceAddressWrong {
    /// Of a member that answers nobody.
    fn unseen(seen: &Picture<'_>, id: NodeId, member: &Member) -> Option<Self> {
        if !seen.is_heard_from_elsewhere(id) {
            return None;
        }
        let announced =
            member.rows.first().and_then(|record| seen.row(record.row).address.client());
        Some(Self { id, announced: announced?, names: Vec::new() })
    }
}

/// Who has no link to a member at all.
fn not_reached(seen: &Picture<'_>, id: NodeId, member: &Member, at: &Endpoint) -> Vec<Evidence> {
    let by: Vec<usize> = member.rows.iter().flat_map(|record| &record.by).copied().collect();
    dialled(seen, id, &by, at).collect()
}

fn dialled(
    seen: &Picture<'_>,
    id: NodeId,
    by: &[usize],
    at: &Endpoint,
) -> impl Iterator<Item = Evidence> {
    by.iter().take(3).map(move |observer| {
        let says = format!("does not reach {} at {at}", id.short());
        Evidence::first_hand(seen.sighting(*observer), says)
    })
}

/// The address that the settings name, and who answers there, where that is another node: the
/// others then find somebody else, and drop the address (`noaddr`).
fn of_another(
    seen: &Picture<'_>,
    id: NodeId,
    set: &[(&'static str, &str)],
) -> Option<(Endpoint, usize)> {
    let value =
        |wanted: &str| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let port = match value("cluster-announce-port") {
        Some(port) => port.parse().ok()?,
        None => seen.endpoint(id)?.port,
    };
    let at = Endpoint::new(value("cluster-announce-ip")?, port);
    let there = seen.sighting_at(&at)?;
    seen.id_of(there).filter(|other| *other != id).map(|_| (at, there))
}

/// The address that the member's settings make others record, and those who get no answer there.
fn wrong(seen: &Picture<'_>, member: &Member) -> Option<(Endpoint, Vec<usize>)> {
    let announced =
        member.rows.iter().filter(|record| place(seen, seen.row(record.row)) == Place::Announced);
    let mut by = Vec::new();
    let mut first = None;
    for record in announced {
        by.extend(&record.by);
        first = first.or_else(|| seen.row(record.row).address.client());
    }
    Some((first?, by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn announcing(link: LinkState) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.config(2, "cluster-announce-ip", "10.0.7.7");
        sketch.rows_about(2, |row| {
            row.address.ip = "10.0.7.7".to_owned();
            row.link = link;
            if link == LinkState::Disconnected {
                row.flags = row.flags.with(Flag::Failed);
            }
        });
        sketch
    }

    #[test]
    fn the_announced_address_does_not_answer() {
        let found = announcing(LinkState::Disconnected).detect::<AnnounceAddressWrong>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains(r#""cluster-announce-ip", "10.0.0.3""#), "{steps}");
    }

    #[test]
    fn the_announced_address_is_that_of_another_node() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.config(2, "cluster-announce-ip", "10.0.0.1");
        sketch.rows_about(2, |row| {
            row.address.ip.clear();
            row.flags = row.flags.with(Flag::NoAddress);
            row.link = LinkState::Disconnected;
        });
        let report = sketch.report();
        let codes: Vec<&str> = report.roots.iter().map(|root| root.found.code.as_str()).collect();
        assert_eq!(codes, ["ANNOUNCE_ADDRESS_WRONG"], "{report:#?}");
        let found = &report.roots[0].found;
        assert!(found.message.contains("is the address of another node"), "{}", found.message);
        let steps = format!("{:?}", found.by_hand.steps);
        assert!(steps.contains(r#""cluster-announce-ip", "10.0.0.3""#), "{steps}");
        let mut own = Sketch::healthy(3, 0);
        own.config(2, "cluster-announce-ip", "10.0.0.3");
        assert_eq!(own.detect::<AnnounceAddressWrong>(&ENTRY), []);
    }

    #[test]
    fn who_answers_nobody_and_is_not_missed_announces_a_wrong_address() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.rows_about(2, |row| row.link = LinkState::Disconnected);
        let codes = |sketch: &Sketch| {
            let report = sketch.report();
            report.roots.iter().map(|root| root.found.code.clone()).collect::<Vec<_>>()
        };
        assert_eq!(codes(&sketch), ["NODE_DOWN"], "its last pong is fresh: it may have just died");
        sketch.quiet_for(2, 3_600_000);
        assert_eq!(codes(&sketch), ["ANNOUNCE_ADDRESS_WRONG"]);
        let found = sketch.detect::<AnnounceAddressWrong>(&ENTRY);
        assert!(found[0].by_hand.never.iter().any(|never| never.contains("TAKEOVER")));
        sketch.flagged(2, Flag::Suspected, LinkState::Disconnected);
        assert_eq!(codes(&sketch), ["NODE_DOWN"], "they miss it");
    }

    #[test]
    fn an_announced_address_that_works_for_the_peers_is_right() {
        assert_eq!(announcing(LinkState::Connected).detect::<AnnounceAddressWrong>(&ENTRY), []);
    }
}
