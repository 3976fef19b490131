//! Addresses that were named as the way into the cluster, where nobody answers and nobody belongs.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::Endpoint;
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
    /// answer records a member there. A named member that is down is `NODE_DOWN`.
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
    pub struct ClientSeedsUnreachable { dead: Vec<(Endpoint, Silence)>, all: bool }
    group: Clients, severity: Warning, after: [
        AllAddressesStale, PeerAddressStale, SelfAddressStale, NodeIdentityLost, GhostNodeEntries,
        AnnounceAddressWrong, MinorityPartition, ShardDown, NodeDown,
    ],
    obstacle: "nobody is there to get a command: the address is wrong, or its process does not run, \
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
        let evidence: Vec<Evidence> = dead
            .iter()
            .map(|(at, why)| Evidence::ours(format!("{at}: {}", why.describe())))
            .collect();
        let subject =
            dead.iter().fold(Subject::default(), |all, (at, _)| all.with_address(Some(at.clone())));
        let severity = if all { Severity::Error } else { Severity::Warning };
        out.push(Self { dead, all }, subject, evidence).severity(severity);
    }

    fn message(&self, _: &Picture<'_>) -> String {
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
