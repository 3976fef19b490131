//! A node came back with a new id: its `nodes.conf` is gone, and nobody knows it.

use super::counted::brief;
use super::islands::{Island, islands, missing};
use super::whereabouts::meet;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Flag, NodeId, SlotSet};
use crate::observation::{Picture, Role, Sighting};
use crate::scenario::{Act, At, ConfEdit, Scenario, Until};

finding! {
    /// ## What it means
    /// A process runs where a member of the cluster should be, but under a new id that no member
    /// knows, and it knows nobody. The old id is gone: what it owned has no server until a replica
    /// takes over or the slots are given to the new id.
    ///
    /// ## How it comes about
    /// `nodes.conf` is missing or has zero bytes; the server takes both for a first start and
    /// makes a new identity without a warning. Reasons: the directory is not on a volume
    /// (emptyDir), a new volume, a wrong `dir` or `cluster-config-file`, an init script that
    /// deletes the file, or `CLUSTER RESET HARD`. The log says `No cluster configuration found,
    /// I'm` and the new id. If the data file survived, Redis up to 8.2 adds `I have keys for
    /// unassigned slot N. Taking responsibility for it.` and claims just the slots in which it has
    /// keys.
    ///
    /// The others flag the old id `fail?`, then `fail`; or, when the new process has the same
    /// address, `noaddr`, and up to Valkey 8.0 and on Redis the state stays `ok` meanwhile.
    /// Clients seeded to the new node say `Cluster slots list is empty.` (Jedis), `All slots are
    /// not covered` (redis-py), `redis: cluster has no nodes` (go-redis); ioredis loops in
    /// silence.
    ///
    /// ## What we look at
    /// A node that answers with an id that no other node lists and that lists only itself, beside
    /// a cluster that lists an id held by no process. The same address, or an entry without
    /// address, ties the two together. If the stranger claims slots that the lost id never had it
    /// is `ADDRESS_REUSED_BY_FOREIGN_NODE`.
    ///
    /// ## The repair
    /// Best: stop the process, put the old `nodes.conf` back (backup, old volume), start it. Where
    /// that is gone: if the shard lives on, join the node as a replica and forget the old id. If
    /// this node holds the only copy of the data, or a replica of the old id copies it already
    /// (replication follows an address, not an id), let the new id take the slots *before* it
    /// meets the others: `CLUSTER SET-CONFIG-EPOCH` above every epoch of the cluster, `CLUSTER
    /// ADDSLOTS` for the rest of the range, then MEET.
    ///
    /// ## Repair safety
    /// Putting the file back and joining an empty node lose nothing. With data on the new node, a
    /// MEET without the epoch first makes the members answer its claims with their own: it turns
    /// into a replica of the dead id, and what it holds is dropped at the next full sync.
    ///
    /// ## By hand
    /// The commands are printed for the case at hand. Never MEET a node with data and claims
    /// before its epoch is raised, and never let `--cluster fix` hand out the missing slots: the
    /// keys are deleted as foreign later.
    pub struct NodeIdentityLost { old: NodeId, new: NodeId }
    group: Addressing, severity: Error, after: [AddressReusedByForeignNode, ClonedClusterHijack],
    repair: [Rejoin], since: "0.1",
}

impl Finding for NodeIdentityLost {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let islands = islands(seen);
        let Some((main, others)) = islands.split_first() else { return };
        if main.ids.len() < 2 {
            return;
        }
        let mut gone = missing(seen, main);
        for new in others.iter().filter_map(alone) {
            let Some(sighting) = seen.proved(new) else { continue };
            let Some((tie, old)) = partner(seen, new, sighting, &gone) else { continue };
            gone.retain(|id| *id != old);
            report(seen, out, (tie, old, new), sighting);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let slots = seen.slots_of(self.old);
        let what = if slots.is_empty() {
            String::new()
        } else {
            format!(", and slots {} have no server", brief(&slots))
        };
        format!(
            "{} lost its identity: it runs under the new id {} that nobody knows, while the cluster \
             waits for {}{what}",
            seen.endpoint(self.new).map_or_else(|| "a node".to_owned(), |at| at.to_string()),
            self.new.short(),
            self.old.short()
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible).then(format!(
            "look for the old nodes.conf of {} (backup, old volume); if it exists: stop the \
             process, put the file back, start it, and stop here",
            self.old
        ));
        let steps = if seen.slots_of(self.old).is_empty() {
            self.join_as_replica(seen, steps)
        } else if holds_data(seen, self.new) {
            self.take_the_slots(seen, steps)
        } else {
            self.let_a_replica_take_over(seen, steps)
        };
        steps
            .never("MEET a node with keys and claims before its epoch is raised: it becomes a replica of the dead id")
            .never("redis-cli --cluster fix: it gives the slots to random nodes, and the keys are deleted as foreign")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .option("--appendonly yes")
            .keys(1_000)
            .stop(2)
            .act(Act::Conf(2, ConfEdit::Delete))
            .start(2, At::Same)
            .wait(Until::Flag { on: 0, about: 2, flag: "noaddr" })
            .wait(Until::Flag { on: 1, about: 2, flag: "noaddr" })
    }
}

impl NodeIdentityLost {
    /// The shard lives on: the new node becomes a copy.
    fn join_as_replica(&self, seen: &Picture<'_>, mut steps: ByHand) -> ByHand {
        let primary = self.shard_primary(seen);
        if holds_data(seen, self.new) {
            steps = steps.then(
                "the node holds keys: keep its data files elsewhere, stop it, take them and its \
                 nodes.conf away, and start it empty",
            );
        }
        let member = primary.or_else(|| members(seen, self.new).first().copied());
        steps = steps.command(member.and_then(|id| seen.endpoint(id)), meet(seen, self.new));
        if let Some(primary) = primary {
            steps = steps
                .check("after two node timeouts the new node lists the others")
                .command(seen.endpoint(self.new), format!("CLUSTER REPLICATE {primary}"));
        }
        self.forget_old(seen, steps)
    }

    /// The new id holds the only copy: it must win the slots before it meets the others.
    fn take_the_slots(&self, seen: &Picture<'_>, mut steps: ByHand) -> ByHand {
        steps.risk = Risk::MovesOwnership;
        let at = seen.endpoint(self.new);
        let mine = seen.own_row(self.new).map(|row| row.slots.clone()).unwrap_or_default();
        let rest = seen.slots_of(self.old).difference(&mine);
        let member = members(seen, self.new).first().copied();
        steps = steps
            .check("CLUSTER INFO of the new node says cluster_known_nodes:1 and cluster_my_epoch:0")
            .command(at.clone(), format!("CLUSTER SET-CONFIG-EPOCH {}", greatest_epoch(seen) + 1));
        if !rest.is_empty() {
            steps = steps.command(at, format!("CLUSTER ADDSLOTSRANGE {}", as_ranges(&rest)));
        }
        steps = steps
            .command(member.and_then(|id| seen.endpoint(id)), meet(seen, self.new))
            .check("all nodes give the slots to the new id");
        self.forget_old(seen, steps)
    }

    /// The new node is empty and the old one owned slots.
    fn let_a_replica_take_over(&self, seen: &Picture<'_>, mut steps: ByHand) -> ByHand {
        let heir = seen.replicas_of(self.old).into_iter().find(|id| seen.proved(*id).is_some());
        let Some(heir) = heir else {
            steps.risk = Risk::MayLoseData;
            return steps.then(format!(
                "no live copy of slots {} was found: restore a data file of {} into the new node \
                 before anything else; without one, its keys are lost, and only then may the slots \
                 be given to an empty node",
                seen.slots_of(self.old),
                self.old.short()
            ));
        };
        steps = steps
            .check(format!("{} holds the keys (INFO keyspace)", seen.name(heir)))
            .command(seen.endpoint(heir), "CLUSTER FAILOVER FORCE")
            .check("it is a primary and serves the slots")
            .command(seen.endpoint(heir), meet(seen, self.new))
            .check("after two node timeouts the new node lists the others")
            .command(seen.endpoint(self.new), format!("CLUSTER REPLICATE {heir}"));
        self.forget_old(seen, steps)
    }

    /// On every member, within the minute for which the ban of a forgotten id lasts.
    fn forget_old(&self, seen: &Picture<'_>, mut steps: ByHand) -> ByHand {
        steps = steps.check("the old id owns no slot any more; then, within 60 seconds:");
        for id in members(seen, self.new) {
            steps = steps.command(seen.endpoint(id), format!("CLUSTER FORGET {}", self.old));
        }
        steps
    }

    fn shard_primary(&self, seen: &Picture<'_>) -> Option<NodeId> {
        let recorded = seen.primary_of(self.old);
        recorded.filter(|id| seen.proved(*id).is_some()).or_else(|| {
            // Failed over: who was its replica is the primary now, or follows it.
            let bare = |id: &NodeId| {
                seen.role(*id) == Some(Role::Primary)
                    && !seen.slots_of(*id).is_empty()
                    && seen.replicas_of(*id).is_empty()
            };
            members(seen, self.new).into_iter().find(bare)
        })
    }
}

fn alone(island: &Island) -> Option<NodeId> {
    (island.ids.len() == 1).then(|| island.ids[0])
}

/// How a stranger and a lost id are tied together, strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Tie {
    SameAddress,
    AddressBlanked,
    BothAlone,
}

fn partner(
    seen: &Picture<'_>,
    new: NodeId,
    sighting: &Sighting,
    gone: &[NodeId],
) -> Option<(Tie, NodeId)> {
    let claims = seen.own_row(new).map(|row| row.slots.clone()).unwrap_or_default();
    let here: Vec<NodeId> = seen.believed_at(&sighting.from).collect();
    gone.iter()
        .filter(|old| {
            let owned = seen.slots_of(**old);
            let shard = seen.primary_of(**old).map(|id| seen.slots_of(id)).unwrap_or_default();
            claims.difference(&owned.union(&shard)).is_empty()
        })
        .map(|old| {
            let blanked = seen.member(*old).is_some_and(|member| {
                member.rows.iter().any(|one| seen.row(one.row).flags.has(Flag::NoAddress))
            });
            let tie = match (here.contains(old), blanked) {
                (true, _) => Tie::SameAddress,
                (false, true) => Tie::AddressBlanked,
                (false, false) => Tie::BothAlone,
            };
            (tie, seen.slots_of(*old).is_empty(), *old)
        })
        .min()
        .map(|(tie, _, old)| (tie, old))
}

fn report(
    seen: &Picture<'_>,
    out: &mut Sink<NodeIdentityLost>,
    (tie, old, new): (Tie, NodeId, NodeId),
    sighting: &Sighting,
) {
    let mut evidence = vec![Evidence::first_hand(
        sighting,
        format!("my id is {}, and I know no other node", new.short()),
    )];
    if let Some(member) = seen.member(old) {
        for record in &member.rows {
            let row = seen.row(record.row);
            let says = format!("{} is {} at {}", old.short(), row.flags, row.address);
            let observers = record.by.iter().take(2);
            evidence.extend(observers.map(|n| Evidence::hearsay(seen.sighting(*n), says.clone())));
        }
    }
    let owned = seen.slots_of(old);
    let subject = Subject::nodes([old, new]).with_slots(owned.clone());
    let pushed = out.push(
        NodeIdentityLost { old, new },
        subject.with_address(Some(sighting.from.clone())),
        evidence,
    );
    if !owned.is_empty() {
        pushed.severity(Severity::Critical);
    }
    if tie == Tie::BothAlone {
        pushed.doubt(
            "the addresses differ; it may also be a new node that has not joined yet while another \
             one is down",
        );
    }
}

/// The live members that do not include the stranger.
fn members(seen: &Picture<'_>, new: NodeId) -> Vec<NodeId> {
    let island = islands(seen).into_iter().find(|island| !island.ids.contains(&new));
    island.map(|island| island.live).unwrap_or_default()
}

fn holds_data(seen: &Picture<'_>, id: NodeId) -> bool {
    let claims = seen.own_row(id).is_some_and(|row| !row.slots.is_empty());
    claims || seen.info_of(id).is_some_and(|info| info.get("db0").is_some())
}

fn greatest_epoch(seen: &Picture<'_>) -> u64 {
    let told = seen
        .sightings()
        .filter_map(|(_, sighting)| sighting.cluster_info.get()?.number("cluster_current_epoch"));
    let listed = seen.members().filter_map(|(id, _)| Some(seen.usual_row(id)?.epoch.0));
    told.chain(listed).max().unwrap_or(0)
}

/// Slots as the arguments of `CLUSTER ADDSLOTSRANGE`.
fn as_ranges(slots: &SlotSet) -> String {
    let pairs: Vec<String> =
        slots.ranges().iter().map(|range| format!("{} {}", range.first, range.last)).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Certainty, Step};
    use crate::model::Endpoint;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn stranger() -> NodeId {
        NodeId::made_up(99)
    }

    fn lost(at: Endpoint, slots: SlotSet) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(2, Flag::Suspected, LinkState::Disconnected);
        sketch.stranger(stranger(), at, slots);
        sketch
    }

    #[test]
    fn a_new_id_at_the_address_of_a_lost_one() {
        let found = lost(Sketch::at(2), SlotSet::new()).detect::<NodeIdentityLost>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Critical);
        assert_eq!(found[0].certainty, Certainty::Certain);
        assert_eq!(found[0].by_hand.risk, Risk::MayLoseData, "no copy of the slots is left");
    }

    #[test]
    fn elsewhere_it_is_only_suspected() {
        let at = Endpoint::new("10.0.9.9", 6379);
        let found = lost(at, SlotSet::new()).detect::<NodeIdentityLost>(&ENTRY);
        assert!(matches!(found[0].certainty, Certainty::Suspected(_)), "{found:#?}");
    }

    #[test]
    fn with_data_its_epoch_is_raised_before_it_meets_anybody() {
        let found =
            lost(Sketch::at(2), SlotSet::range(12_000, 12_010)).detect::<NodeIdentityLost>(&ENTRY);
        let commands: Vec<String> = found[0]
            .by_hand
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Command { argv, .. } => Some(argv.join(" ")),
                _ => None,
            })
            .collect();
        assert_eq!(
            commands[..3],
            [
                "CLUSTER SET-CONFIG-EPOCH 4",
                "CLUSTER ADDSLOTSRANGE 10922 11999 12011 16383",
                "CLUSTER MEET 10.0.0.3 6379",
            ]
        );
        assert_eq!(commands[3], format!("CLUSTER FORGET {}", Sketch::id(2)));
    }

    #[test]
    fn claims_of_other_slots_make_it_a_foreigner() {
        let found = lost(Sketch::at(2), SlotSet::all()).detect::<NodeIdentityLost>(&ENTRY);
        assert_eq!(found, []);
    }

    #[test]
    fn a_spare_node_beside_a_whole_cluster_lost_nothing() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.stranger(stranger(), Endpoint::new("10.0.9.9", 6379), SlotSet::new());
        assert_eq!(sketch.detect::<NodeIdentityLost>(&ENTRY), []);
    }
}
