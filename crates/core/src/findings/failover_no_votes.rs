//! A replica that asks for votes again and again and is not elected.

use super::coverage::{failed_by, is_majority};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Server, Until};

/// Elections that a replica may lose before it is a finding. One is lost by chance: two replicas
/// asked at once, or a voter had not heard yet that the primary is down.
const LOST_BY_CHANCE: u64 = 1;

/// Where the votes are lost, as far as the voters' counters show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    /// No voter has received a request.
    OnTheWayThere,
    /// They have received requests and sent no vote.
    AtTheVoters,
    /// They have sent votes.
    OnTheWayBack,
    /// No voter tells.
    Unknown,
}

finding! {
    /// ## What it means
    /// A primary is dead, the majority says so, and its replica stands for election: `Starting a
    /// failover election for epoch <n>`, then `Failover attempt expired.`, and again after four
    /// node timeouts. The votes do not come, so the slots stay down.
    ///
    /// ## How it comes about
    /// The requests or the votes do not arrive: the path between the replica and the voters is
    /// cut in one direction. Or voters refuse, and their logs say why: `its master is up`, `already
    /// voted for epoch`, `can't vote about this master before`, `I don't know its master`.
    ///
    /// ## What we look at
    /// The requests for votes that the replica has sent since it started
    /// (`cluster_stats_messages_auth-req_sent`), and by how much the current epoch is ahead of
    /// every config epoch: each lost election raises the one and not the other. Of the voters, the
    /// requests that they have received and the votes that they have sent.
    ///
    /// ## The repair
    /// Bring the primary back: nothing is lost. Else repair the path between the replica and the
    /// voters, and the next election wins. `CLUSTER FAILOVER FORCE` asks the same voters.
    ///
    /// ## Repair safety
    /// A primary that comes back loses nothing. A forced failover loses what had not been
    /// replicated, and asks the majority, which protects against two owners.
    ///
    /// ## By hand
    /// Read the voters' logs for `Failover auth denied`. No line at all: the request does not
    /// arrive. `Failover auth granted` there and `Failover attempt expired` at the replica: the
    /// votes do not arrive.
    pub struct FailoverNoVotes { replica: NodeId, primary: NodeId, lost: u64, gap: Where }
    group: Replication, severity: Critical, after: [
        QuorumLost, AllAddressesStale, PeerAddressStale, MinorityPartition, ReplicaTooStale,
        FailoverDisabled, FailoverBlockedByEpoch, TooFewVoters, BusPortBlocked, BusOneWayPartition,
        MembershipAsymmetric, ClusterSplitIslands, MtuBlackhole, TlsBusMismatch,
        DuplicateNodeIdLive, PrimaryNoaddrMasked, ReplicationChainOrCycle,
    ],
    settles: true, repair: [Promote], since: "0.1",
}

impl Finding for FailoverNoVotes {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for primary in seen.voters() {
            let failed = failed_by(seen, primary);
            if !is_majority(seen, primary, &failed) || seen.is_alive(primary) {
                continue;
            }
            for replica in seen.replicas_of(primary) {
                let Some((lost, evidence)) = lost_elections(seen, replica) else { continue };
                let (gap, mut all) = voters_say(seen, primary);
                all.push(evidence);
                all.extend(failed.iter().cloned());
                let subject = Subject::nodes([replica, primary]).with_slots(seen.slots_of(primary));
                out.push(Self { replica, primary, lost, gap }, subject, all);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let why = match self.gap {
            Where::OnTheWayThere => "its requests reach no voter",
            Where::AtTheVoters => "the voters refuse it",
            Where::OnTheWayBack => "the voters have sent votes, which do not reach it",
            Where::Unknown => "the votes do not come",
        };
        format!(
            "the replica of a dead primary has lost {} elections: {why}: {} for {}",
            self.lost,
            seen.name(self.replica),
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let replica = seen.endpoint(self.replica);
        let hand = ByHand::of(Risk::MayLoseData).then(format!(
            "bring {} back on its own data: nothing is lost",
            seen.name(self.primary)
        ));
        let voters = seen.voters().into_iter().filter(|id| *id != self.primary);
        let voters: Vec<String> = voters.map(|id| seen.name(id)).collect();
        hand.then(format!(
            "read the logs of the voters ({}) for 'Failover auth denied' and its reason; no line: \
             the replica's requests do not arrive, 'granted': their votes do not",
            voters.join(", ")
        ))
        .then("open the bus between the replica and the voters in both directions".to_owned())
        .check("the primary cannot come back, and is off for certain; only then go on")
        .command(replica.clone(), "INFO replication")
        .check("slave_repl_offset is the greatest among its replicas, and its keys are there")
        .command(replica, "CLUSTER FAILOVER FORCE")
        .check("all nodes show it as master with the slots")
        .never(format!(
            "TAKEOVER while {} may still run: two owners take writes, and those of one are lost",
            seen.name(self.primary)
        ))
        .never("give the slots to other primaries: the replica has the keys")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            // Votes do not reach the replica.
            .send(3, "DEBUG DROP-CLUSTER-PACKET-FILTER 6")
            .kill(0)
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .wait(Until::Flag { on: 3, about: 0, flag: "fail" })
            .within_ms(30_000)
            .beyond_repair(&Server::ALL, "the replica goes on dropping the votes that it asks for")
    }
}

/// What the counters of the voters say of requests and votes.
fn voters_say(seen: &Picture<'_>, dead: NodeId) -> (Where, Vec<Evidence>) {
    let (mut received, mut sent, mut told) = (0, 0, Vec::new());
    for voter in seen.voters().into_iter().filter(|id| *id != dead) {
        let Some(sighting) = seen.proved(voter) else { continue };
        let Some(info) = sighting.cluster_info.get() else { continue };
        // A counter that is zero is not shown.
        let count = |name: &str| info.number(name).unwrap_or(0);
        let requests = count("cluster_stats_messages_auth-req_received");
        let votes = count("cluster_stats_messages_auth-ack_sent");
        received += requests;
        sent += votes;
        let text = format!("has received {requests} requests for votes and sent {votes} votes");
        told.push(Evidence::first_hand(sighting, text));
    }
    let gap = match (told.is_empty(), received, sent) {
        (true, ..) => Where::Unknown,
        (false, 0, _) => Where::OnTheWayThere,
        (false, _, 0) => Where::AtTheVoters,
        _ => Where::OnTheWayBack,
    };
    (gap, told)
}

/// The elections that a replica lost since the last one that anybody won, if they are too many.
fn lost_elections(seen: &Picture<'_>, replica: NodeId) -> Option<(u64, Evidence)> {
    let sighting = seen.proved(replica)?;
    let info = sighting.cluster_info.get()?;
    let current = info.number("cluster_current_epoch")?;
    let observer = seen.sighting_at(&sighting.from)?;
    let newest = seen.view(observer).map(|(row, _)| row.epoch.0).max()?;
    let gap = current.saturating_sub(newest);
    // One request is a message to each node that it has a link to, the dead one not among them.
    let asked = info.number("cluster_stats_messages_auth-req_sent")?;
    let peers = info.number("cluster_known_nodes")?.saturating_sub(1).max(1);
    let lost = gap.min(asked.div_ceil(peers));
    let text = format!(
        "asked for votes ({asked} messages), and its current epoch {current} is ahead of every \
         config epoch (at most {newest})"
    );
    (lost > LOST_BY_CHANCE).then(|| (lost, Evidence::first_hand(sighting, text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn election(current: &str, asked: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(0, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        sketch.cluster_info(3, "cluster_current_epoch", current);
        sketch.cluster_info(3, "cluster_known_nodes", "6");
        sketch.cluster_info(3, "cluster_stats_messages_auth-req_sent", asked);
        sketch
    }

    #[test]
    fn elections_that_nobody_won_are_found() {
        let found = election("99", "12").detect::<FailoverNoVotes>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("has lost 3 elections"), "{}", found[0].message);
    }

    #[test]
    fn the_voters_counters_tell_where_the_votes_are_lost() {
        let mut sketch = election("99", "12");
        let said = |sketch: &Sketch| sketch.detect::<FailoverNoVotes>(&ENTRY)[0].message.clone();
        assert!(said(&sketch).contains("its requests reach no voter"), "{}", said(&sketch));
        sketch.cluster_info(1, "cluster_stats_messages_auth-req_received", "3");
        assert!(said(&sketch).contains("the voters refuse it"), "{}", said(&sketch));
        sketch.cluster_info(2, "cluster_stats_messages_auth-ack_sent", "3");
        assert!(said(&sketch).contains("do not reach it"), "{}", said(&sketch));
    }

    #[test]
    fn the_first_election_is_given_time() {
        assert_eq!(election("99", "4").detect::<FailoverNoVotes>(&ENTRY), []);
    }

    #[test]
    fn requests_of_an_election_that_was_won_do_not_count() {
        assert_eq!(election("3", "40").detect::<FailoverNoVotes>(&ENTRY), []);
    }

    #[test]
    fn a_primary_that_answers_is_not_dead() {
        let mut sketch = election("99", "12");
        sketch.bus = Sketch::healthy(3, 1).bus;
        assert_eq!(sketch.detect::<FailoverNoVotes>(&ENTRY), []);
    }
}
