//! A node tells clients an old address of its own; its peers know better.

use super::whereabouts::{is_at, meet};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeAddress, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{At, Scenario, Until};

finding! {
    /// ## What it means
    /// A node moved, its peers know where it is, but it still believes in its own old address and
    /// tells it to clients in `CLUSTER SLOTS`. Clients that took the slot map from this node fail
    /// on *its* slots; clients that took it from another node work. So the trouble comes and goes
    /// by the seed that a client happened to ask.
    ///
    /// ## How it comes about
    /// A node reads its own IP from `nodes.conf` and changes it only when somebody sends it a
    /// MEET, when `cluster-announce-ip` is set, or when it is empty. A ping does not change it. So
    /// after a restart with a new IP it stays old for ever (Redis 7.0 and 8.2, Valkey 9.1).
    ///
    /// Clients log `ECONNREFUSED`, `EHOSTUNREACH` or `Unable to connect` with the old address.
    ///
    /// ## What we look at
    /// The node's own row against the address where it answered and where its peers' links to it
    /// stand.
    ///
    /// ## The repair
    /// From **another** node send `CLUSTER MEET` with this node's present address: the receiver of
    /// a MEET takes its own address from the connection.
    ///
    /// ## Repair safety
    /// A MEET of a known id changes nothing else.
    ///
    /// ## By hand
    /// The command is printed. `CONFIG SET cluster-announce-ip` works too, but then it is pinned
    /// and must be written anew at each start: a value left over from the last pod is
    /// `ANNOUNCE_ADDRESS_WRONG`.
    pub struct SelfAddressStale { ids: Vec<NodeId> }
    group: Addressing, severity: Error,
    after: [
        AllAddressesStale, PeerAddressStale, DuplicateNodeIdLive, ClonedClusterHijack,
        AnnounceAddressWrong, AddressPermutedNoaddr, LoopbackAddress, HostnameAsAnnounceIp,
        IllegalAddress, DualStackMismatch, NodeIdentityLost,
    ],
    repair: [Meet], since: "0.1",
}

impl Finding for SelfAddressStale {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut ids = Vec::new();
        let mut evidence = Vec::new();
        for (id, member) in seen.members() {
            let (Some(sighting), Some(own)) = (seen.proved(id), seen.own_row(id)) else { continue };
            let Some(claimed) = own.address.client() else { continue };
            if is_at(seen, id, &own.address) || answers_without_a_name(seen, &own.address) {
                continue;
            }
            let known = member.rows.iter().find(|one| is_at(seen, id, &seen.row(one.row).address));
            let Some(known) = known else { continue };
            ids.push(id);
            evidence.push(Evidence::first_hand(
                sighting,
                format!("tells clients that {} is at {claimed}", id.short()),
            ));
            evidence.extend(known.by.first().map(|n| {
                let at = &seen.row(known.row).address;
                Evidence::hearsay(seen.sighting(*n), format!("{} is at {at}", id.short()))
            }));
        }
        if !ids.is_empty() {
            let subject = Subject::nodes(ids.iter().copied());
            out.push(Self { ids }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.ids.iter().take(3).map(|id| seen.name(*id)).collect();
        let more = self.ids.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let old = self.ids.first().and_then(|id| seen.own_row(*id)?.address.client());
        let old = old.map_or_else(String::new, |at| format!(" (such as {at})"));
        format!(
            "{} {} clients an old address{old} as its own, where it no longer is: {}{more}",
            if self.ids.len() == 1 {
                "a node".to_owned()
            } else {
                format!("{} nodes", self.ids.len())
            },
            if self.ids.len() == 1 { "tells" } else { "tell" },
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible);
        for id in &self.ids {
            let other = seen
                .members()
                .map(|(id, _)| id)
                .find(|other| other != id && seen.proved(*other).is_some());
            steps = steps.command(other.and_then(|id| seen.endpoint(id)), meet(seen, *id));
        }
        steps.check("CLUSTER NODES at the node itself shows its present address as myself").never(
            "delete nodes.conf to get rid of the address: the node loses its identity and slots",
        )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .stop(2)
            .start(2, At::Fresh)
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), "{ip2}:".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), "{ip2}:".to_owned()))
            .wait(Until::State(2, "ok"))
            .wait(Until::State(0, "ok"))
            .wait(Until::NoFlag { on: 0, about: 2, flag: "fail?" })
            .wait(Until::NoFlag { on: 1, about: 2, flag: "fail?" })
            .wait(Until::NoFlag { on: 2, about: 0, flag: "fail?" })
            .wait(Until::NoFlag { on: 2, about: 1, flag: "fail?" })
    }
}

/// Somebody answers at the claimed address but does not tell who it is: it may be the node.
fn answers_without_a_name(seen: &Picture<'_>, address: &NodeAddress) -> bool {
    address
        .client()
        .and_then(|at| seen.sighting_at(&at))
        .and_then(|number| seen.sighting(number).ping.silence())
        .is_some_and(Silence::somebody_answered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn the_peers_know_better() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "10.0.9.3");
        sketch.rows_about(2, |row| row.address.ip = "10.0.9.3".to_owned());
        let found = sketch.detect::<SelfAddressStale>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("10.0.0.3:6379"), "{}", found[0].message);
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains(r#""MEET", "10.0.9.3", "6379""#), "{steps}");
    }

    #[test]
    fn through_a_tunnel_nobody_knows_the_address_we_dial() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "127.0.0.1");
        assert_eq!(sketch.detect::<SelfAddressStale>(&ENTRY), []);
    }
}
