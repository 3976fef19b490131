//! The network splits the nodes into groups that do not hear each other.

use super::hearing::{Cut, cut, ears};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, Cut as Fault, Port, Scenario, Until};

finding! {
    /// ## What it means
    /// The nodes live, but they fall into groups: within a group all hear each other, across
    /// nobody hears anybody. A group with the majority of the slot-owning primaries goes on and
    /// lets its replicas take over the shards of the other side. A group without it says
    /// `cluster_state:fail`; its clients get `CLUSTERDOWN The cluster is down`.
    ///
    /// ## How it comes about
    /// A zone, rack, switch, tunnel or CNI plugin failed, or a policy cuts one group of hosts off.
    /// Valkey 8.1 and later log `I am part of a minority partition`.
    ///
    /// ## What we look at
    /// Every node's own links and flags about the other nodes that answer us. The majority flags
    /// the other side `fail`; the minority flags the majority `fail?` and never `fail`, for want
    /// of a quorum. We reach both sides; the nodes do not reach each other.
    ///
    /// ## The repair
    /// Mend the network. The old primaries of the minority come back, learn who owns their slots
    /// now, and become replicas; writes they took after the cut and did not replicate are
    /// discarded. They wait up to five seconds before they say `ok`.
    ///
    /// ## Repair safety
    /// Nothing in the servers is changed. If writes on the minority side matter, export its keys
    /// before the network is mended.
    ///
    /// ## By hand
    /// Find what the group has in common (zone, host, network) and mend that. Never `CLUSTER
    /// FAILOVER TAKEOVER` in the minority while the majority lives: both sides then take writes
    /// for the same slots, and one side's are dropped later.
    pub struct MinorityPartition { sides: Vec<Vec<NodeId>>, majority: Option<usize> }
    group: Bus, severity: Critical,
    after: [
        AllAddressesStale, AnnounceAddressWrong, PeerAddressStale, SourceAddressMismatch,
        LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch,
        DuplicateNodeIdLive, ClonedClusterHijack, TlsBusMismatch, TlsCertInvalid,
    ],
    settles: true,
    obstacle: "the network between the groups is cut, and no command to a server mends it",
    since: "0.1",
}

impl Finding for MinorityPartition {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(ears) = ears(seen) else { return };
        let Cut::Groups(sides) = cut(seen, &ears) else { return };
        let voters = seen.voters();
        let majority = sides.iter().position(|side| {
            2 * side.iter().filter(|id| voters.contains(id)).count() > voters.len()
        });
        let evidence: Vec<Evidence> = ears
            .iter()
            .filter_map(|ear| {
                let (observer, _) = ear.unheard.first()?;
                let says = format!(
                    "does not hear {} ({} hear it, {} do not)",
                    ear.id.short(),
                    ear.heard.len(),
                    ear.unheard.len()
                );
                Some(Evidence::first_hand(seen.sighting(*observer), says))
            })
            .collect();
        let subject = Subject::cluster().with_nodes(sides.iter().flatten().copied());
        out.push(Self { sides, majority }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let tell = |side: &Vec<NodeId>| {
            let names: Vec<String> = side.iter().take(3).map(|id| seen.name(*id)).collect();
            let more = side.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", names.join(", "))
        };
        let cut_off: Vec<String> = self
            .sides
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != self.majority.unwrap_or(0))
            .map(|(_, side)| tell(side))
            .collect();
        let who = match self.majority {
            Some(_) => "the majority goes on without",
            None => "and no side has a majority; cut off from the largest group:",
        };
        format!(
            "the network splits the nodes into {} groups, {who} {}",
            self.sides.len(),
            cut_off.join("; ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::ReadOnly);
        for (number, side) in self.sides.iter().enumerate() {
            let at: Vec<String> = side
                .iter()
                .filter_map(|id| seen.endpoint(*id))
                .take(20)
                .map(|at| at.to_string())
                .collect();
            let word = if Some(number) == self.majority { "the majority" } else { "a minority" };
            steps = steps.check(format!("group {} ({word}): {}", number + 1, at.join(" ")));
        }
        steps
            .then("mend the network between the groups: client and bus ports, both ways")
            .check("CLUSTER NODES shows connected everywhere; wait two node timeouts more")
            .never("CLUSTER FAILOVER TAKEOVER in the minority: both sides take writes, and one side's are dropped")
            .never("CLUSTER FORGET of the other side, CLUSTER RESET of any node")
    }

    fn scenario() -> Scenario {
        let (small, large) = (vec![0, 4], vec![1, 2, 3, 5]);
        let sever = |from: &[usize], to: &[usize]| Act::Sever {
            from: from.to_vec(),
            to: to.to_vec(),
            port: Port::Both,
            cut: Fault::Drop,
        };
        Scenario::of(3, 1)
            .in_namespace()
            .act(sever(&small, &large))
            .act(sever(&large, &small))
            .wait(Until::State(0, "fail"))
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .wait(Until::Flag { on: 1, about: 4, flag: "fail" })
            .wait(Until::Field(3, "role", "master"))
            .wait(Until::State(1, "ok"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    fn split(small: &[usize], total: usize) -> Sketch {
        let mut sketch = Sketch::healthy(3, total / 3 - 1);
        for a in 0..total {
            for b in (0..total).filter(|b| small.contains(&a) != small.contains(b)) {
                let flag = if small.contains(&a) { Flag::Suspected } else { Flag::Failed };
                sketch.row(a, b, |row| {
                    row.flags = row.flags.with(flag);
                    row.link = LinkState::Disconnected;
                });
            }
        }
        sketch
    }

    #[test]
    fn two_groups_and_the_majority_is_named() {
        let found = split(&[0, 4], 6).detect::<MinorityPartition>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("the majority goes on without"), "{}", found[0].message);
        assert!(found[0].message.contains("10.0.0.1:6379"), "{}", found[0].message);
    }

    #[test]
    fn one_isolated_node_is_a_minority_too() {
        assert_eq!(split(&[2], 3).detect::<MinorityPartition>(&ENTRY).len(), 1);
    }

    #[test]
    fn a_dead_node_is_no_partition() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(0, crate::observation::Silence::TimedOut, None);
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        assert_eq!(sketch.detect::<MinorityPartition>(&ENTRY), []);
    }
}
