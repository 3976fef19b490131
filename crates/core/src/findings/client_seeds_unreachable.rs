//! Addresses that were named as the way into the cluster, where nobody answers and nobody belongs.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{Act, At, Scenario};

finding! {
    /// ## What it means
    /// An address that was given as a seed does not accept connections, and no node records a
    /// member there. If it is the only seed, no client finds the cluster: ioredis `Failed to
    /// refresh slots cache` with `ECONNREFUSED` or `ETIMEDOUT`, Jedis `Could not initialize
    /// cluster slots cache`, Lettuce `Unable to establish a connection to Redis Cluster`. With
    /// other seeds, clients start slower, and fail on the day when the other seeds are away.
    ///
    /// ## How it comes about
    /// A service without ready endpoints, a wrong port or namespace, a firewall or a network
    /// policy, an address of a node that was removed or came back elsewhere, all processes down at
    /// once.
    ///
    /// ## What we look at
    /// Our own connection attempt to each address that was named, and whether any node that did
    /// answer records a member there; and whether a member answers on the bus of that host that the
    /// others have elsewhere: it moved, and only its client port is shut. A named member that is
    /// down is `NODE_DOWN`.
    ///
    /// ## The repair
    /// Name addresses that exist: several, in different failure domains. If none answers at all,
    /// the way to the servers, or the servers, are the fault: look from the host of a server.
    ///
    /// ## Repair safety
    /// Only the list of seeds changes.
    ///
    /// ## By hand
    /// `nc -vz HOST PORT` from here and from the host of a server; `kubectl get endpointslices`.
    /// Never create a new cluster because the old one does not answer: its data may be whole.
    pub struct ClientSeedsUnreachable {
        dead: Vec<(Endpoint, Silence)>, all: bool, moved: Option<(NodeId, Endpoint)>,
    }
    group: Clients, severity: Warning, after: [
        AllAddressesStale, PeerAddressStale, SelfAddressStale, NodeIdentityLost, GhostNodeEntries,
        AnnounceAddressWrong, MinorityPartition, ShardDown, NodeDown,
    ],
    obstacle: "no command gets through to it: the address is wrong, or its process does not run, \
               or the way to it is shut",
    since: "0.1",
}

impl Finding for ClientSeedsUnreachable {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let all = seen.observers().next().is_none();
        let mut dead: Vec<(Endpoint, Silence)> = Vec::new();
        for at in &seen.observation().named {
            let Some(sighting) = seen.sighting_at(at).map(|number| seen.sighting(number)) else {
                continue;
            };
            let why = match sighting.ping.silence() {
                Some(why @ (Silence::Refused | Silence::TimedOut | Silence::NoRoute)) => why,
                // Beside others that answer, a node that hangs is a finding of its own.
                Some(why @ Silence::NoReply) if all => why,
                _ => continue,
            };
            if seen.believed_at(at).next().is_none() {
                dead.push((at.clone(), why.clone()));
            }
        }
        dead.sort();
        dead.dedup();
        if dead.is_empty() {
            return;
        }
        let mut evidence: Vec<Evidence> = dead
            .iter()
            .map(|(at, why)| Evidence::ours(format!("{at}: {}", why.describe())))
            .collect();
        let moved = dead.iter().find_map(|(at, _)| moved_to(seen, at));
        let mut subject =
            dead.iter().fold(Subject::default(), |all, (at, _)| all.with_address(Some(at.clone())));
        if let Some((id, at)) = &moved {
            subject.nodes.insert(*id);
            evidence.push(Evidence::ours(format!("{at}: the bus answers as {}", id.short())));
        }
        let severity = if all || moved.is_some() { Severity::Error } else { Severity::Warning };
        out.push(Self { dead, all, moved }, subject, evidence).severity(severity);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        if let Some((id, at)) = &self.moved {
            let old = seen.usual_row(*id).and_then(|row| row.address.client());
            let old = old.map_or_else(|| "no address".to_owned(), |old| old.to_string());
            return format!(
                "the client port of {} at {at} is shut to us; its bus answers there, and the others \
                 still seek it at {old}",
                id.short()
            );
        }
        let named = self.dead.iter().take(3).map(|(at, why)| format!("{at} ({})", why.describe()));
        let list = named.collect::<Vec<_>>().join(", ");
        let more = self.dead.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if self.all {
            format!("no node that was named shows the cluster; nobody answers at {list}{more}")
        } else {
            format!("nobody answers at {list}{more}, and no node records a member there")
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let witness = seen.observers().next().map(|number| seen.sighting(number).from.clone());
        if let Some((id, at)) = &self.moved {
            return ByHand::of(Risk::Reversible)
                .then(format!("open the client port {} of {} to this host", at.port, at.host))
                .command(witness, format!("CLUSTER MEET {} {}", at.host, at.port))
                .check(format!("CLUSTER NODES shows {} at {at}, connected", id.short()))
                .never(format!("CLUSTER FORGET of {}: it lives, at another address", id.short()));
        }
        let steps = ByHand::of(Risk::ReadOnly)
            .then("from the host of a server: does it run, and on which address and port does it listen?")
            .then("between here and there: the service's endpoints, the firewall, the network policy");
        let steps = if self.all { steps } else { steps.command(witness, "CLUSTER NODES") };
        steps
            .then("name several addresses that exist as seeds, in different failure domains")
            .never(
                "create a new cluster because the old one does not answer: its data may be whole",
            )
    }

    fn scenario() -> Scenario {
        let spare = Act::Stranger {
            at: At::Fresh,
            options: vec!["--cluster-enabled".to_owned(), "yes".to_owned()],
            server: None,
        };
        Scenario::of(3, 0).act(spare).kill(3).naming(&[0, 3])
    }
}

/// The member that answers on the bus of a host that was named, if the others have it elsewhere,
/// and where that is.
fn moved_to(seen: &Picture<'_>, at: &Endpoint) -> Option<(NodeId, Endpoint)> {
    let mut there = seen.bus_answers().into_iter().filter(|(bus, told)| {
        bus.host == at.host && told.port == at.port && seen.proved(told.id).is_none()
    });
    let (_, told) = there.next()?;
    let elsewhere = seen.usual_row(told.id)?.address.client().as_ref() != Some(at);
    elsewhere.then(|| (told.id, at.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Observation, Said, Sighting};

    fn with_seed(sketch: &Sketch, why: Silence) -> Observation {
        let mut seen = sketch.build();
        let at = Endpoint::new("10.9.9.9", 6379);
        let mut sighting = Sighting::new(at.clone());
        sighting.ping = Said::Nothing(why);
        seen.sightings.push(sighting);
        seen.named = vec![Sketch::at(0), at];
        seen
    }

    fn found_in(seen: &Observation) -> Vec<crate::diagnose::Found> {
        let mut found = Vec::new();
        crate::diagnose::run::<ClientSeedsUnreachable>(&Picture::new(seen), &ENTRY, &mut found);
        found
    }

    #[test]
    fn a_dead_seed_beside_good_ones_is_a_warning() {
        let found = found_in(&with_seed(&Sketch::healthy(3, 0), Silence::Refused));
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Warning]);
        assert!(found[0].message.contains("10.9.9.9:6379 (connection refused)"));
    }

    #[test]
    fn dead_seeds_alone_are_an_error() {
        let mut sketch = Sketch::healthy(1, 0);
        sketch.nodes.clear();
        for why in [Silence::TimedOut, Silence::NoReply] {
            let found = found_in(&with_seed(&sketch, why));
            assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Error]);
        }
        assert_eq!(found_in(&with_seed(&Sketch::healthy(3, 0), Silence::NoReply)), []);
    }

    #[test]
    fn a_member_behind_a_shut_port_is_an_error_and_is_named() {
        let mut sketch = Sketch::healthy(3, 0);
        let id = sketch.nodes[2].sighting.myid.get().copied().expect("an id");
        sketch.silence(2, Silence::Refused, None);
        sketch.flagged(2, crate::model::Flag::Failed, crate::observation::LinkState::Disconnected);
        let mut seen = with_seed(&sketch, Silence::TimedOut);
        let probe = seen.bus.iter_mut().find(|probe| probe.address.host == Sketch::at(2).host);
        probe.expect("a probe of each").address.host = "10.9.9.9".to_owned();
        let found = found_in(&seen);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Error]);
        let told = &found[0].message;
        assert!(told.contains(&id.short()) && told.contains("seek it at 10.0.0.3:6379"), "{told}");
        assert!(found[0].subject.nodes.contains(&id));
    }

    #[test]
    fn a_member_that_is_down_and_a_seed_that_wants_a_password_are_other_findings() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(0, Silence::Refused, None);
        let mut seen = sketch.build();
        seen.named = vec![Sketch::at(0)];
        assert_eq!(found_in(&seen), []);
        let noauth = Silence::AuthFailed("NOAUTH Authentication required.".to_owned());
        assert_eq!(found_in(&with_seed(&Sketch::healthy(3, 0), noauth)), []);
    }
}
