//! A process that exists and whose event loop does not run: the kernel connects, nobody answers.

use super::client_port::{doors, peers_on, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{Act, Scenario, Until};

finding! {
    /// ## What it means
    /// The address accepts connections (the kernel does that) and nothing is ever answered,
    /// neither to clients nor on the bus. Clients run into their timeouts: ioredis `timeout`,
    /// Jedis `Read timed out`, StackExchange.Redis `Timeout performing GET`. The others hold the
    /// node for `fail?` or `fail` while their links to it may stay connected.
    ///
    /// ## How it comes about
    /// The process is stopped (SIGSTOP, cgroup freezer, a paused virtual machine), swaps, waits
    /// for a disk that hangs (fsync on a network volume, state D), forks a very large heap, or is
    /// busy with one long command: `KEYS *`, a huge `DEL` or `SMEMBERS`, a script in its first
    /// seconds (before `busy-reply-threshold` it does not even answer `-BUSY`), `DEBUG SLEEP`.
    ///
    /// ## What we look at
    /// A connection that came about and a `PING` without any reply within the deadline; the same
    /// on its bus port; and what the other nodes hold it for. If the bus does answer, the process
    /// is fine and something stands before its client port. If the bus port is closed, another
    /// program sits at the client port (`NOT_REDIS`).
    ///
    /// ## The repair
    /// Find out what it does (process state, `top`, `dmesg`, the disk), and let it go on: SIGCONT,
    /// unfreeze, wait for the disk. If its storage hangs for good, make sure that it cannot come
    /// back on the same volume, then promote a replica.
    ///
    /// ## Repair safety
    /// Looking is safe. A node that was failed over and then wakes up believes for a moment that
    /// it still is the primary; what it accepts until the others tell it otherwise is lost. So
    /// fence first, promote then.
    ///
    /// ## By hand
    /// `ps -o stat,wchan`, `cat /proc/PID/stack`, after it wakes `SLOWLOG GET`. Never start a
    /// second process on the same directory while this one exists.
    pub struct NodeHung { at: Endpoint, id: NodeId, peers: String }
    group: Process, severity: Error, after: [
        MinorityPartition, MtuBlackhole, BusOneWayPartition, ReplicationChainOrCycle,
    ],
    settles: true,
    obstacle: "its process does not run on: a signal, its disk or its host must wake it, no command \
               reaches it",
    since: "0.1",
}

impl Finding for NodeHung {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let Some(id) = door.id().filter(|_| door.trouble() == Some(&Silence::NoReply)) else {
                continue;
            };
            let bus = match door.bus(seen) {
                None => None,
                Some(Err(why @ (Silence::NoReply | Silence::TimedOut))) => Some(why),
                Some(Ok(_) | Err(_)) => continue,
            };
            let at = door.sighting.from.clone();
            let verdict = peers_on(seen, id);
            let (missed, peers) = (verdict.is_bad(), verdict.describe());
            let mut evidence = verdict.evidence;
            evidence.push(Evidence::ours(format!("{at} accepts a connection and answers nothing")));
            if let Some(why) = &bus {
                evidence.push(Evidence::ours(format!("its bus port: {}", why.describe())));
            }
            let pushed = out.push(Self { at, id, peers }, door.subject(), evidence);
            if bus.is_none() && !missed {
                pushed.doubt("only its client port was tried, and no other node objects to it");
            }
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "{} hangs: it accepts connections and answers nothing, and {}",
            place(&self.at, Some(self.id)),
            self.peers
        )
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::ReadOnly)
            .then(format!(
                "on the host of {}: ps -o pid,stat,wchan,cmd for the server. T is stopped (kill \
                 -CONT), D waits for a disk, R computes",
                self.at
            ))
            .then("look at dmesg, swap and the latency of the volume that it writes to")
            .then("let it go on, or mend the disk")
            .command(Some(self.at.clone()), "SLOWLOG GET 10")
            .check("the others no longer flag it; a long command shows in the slow log")
            .then(
                "if it cannot be woken and its slots are not served: end that process for good, \
                 make sure nothing restarts it, then CLUSTER FAILOVER FORCE on its best replica",
            )
            .never("start a second process on the same directory while this one exists")
            .never("promote a replica while the hung process may wake up and take writes")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1).act(Act::Freeze(5)).wait(Until::Flag { on: 0, about: 5, flag: "fail" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Certainty;
    use crate::model::Flag;
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_silent_connection_that_the_others_miss_too_is_hung() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::NoReply, Some(Silence::NoReply));
        sketch.flagged(5, Flag::Failed, LinkState::Connected);
        let found = sketch.detect::<NodeHung>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].certainty, Certainty::Certain);
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("second process")));
    }

    #[test]
    fn a_node_whose_bus_answers_does_not_hang() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::NoReply, None);
        assert_eq!(sketch.detect::<NodeHung>(&ENTRY), []);
    }

    #[test]
    fn a_stand_in_without_a_bus_is_no_hung_node() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::NoReply, Some(Silence::Refused));
        assert_eq!(sketch.detect::<NodeHung>(&ENTRY), []);
    }
}
