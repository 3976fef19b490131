//! A replica of a replica, or replicas that follow each other in a circle.

use std::collections::BTreeSet;

use super::coverage::best_replica;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Flag, NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Act, At, ConfEdit, Scenario, Server, Until};

/// Replicas in a row: each follows the next one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Row {
    /// From the replica on.
    pub members: Vec<NodeId>,
    /// Whether the last one follows the first: then none of them has a primary.
    pub closed: bool,
}

finding! {
    /// ## What it means
    /// A replica follows a node that is itself a replica. In a row that ends at a primary, its data
    /// comes second-hand, and it is lost with the one between. In a circle nobody is a primary: no
    /// member can serve or copy anything (`-NOMASTERLINK Can't SYNC while not connected with my
    /// master`), and none is ever elected, for nobody is down.
    ///
    /// ## How it comes about
    /// Two takeovers at once, tables that were restored or changed by hand, a last slot that moved
    /// away while a replica hung. Servers leave a row by themselves (`I'm a sub-replica!`), a
    /// circle never. On Redis 8.2 every process that hears of a circle spins and answers nobody.
    ///
    /// ## What we look at
    /// Whom each node says to follow in its own `CLUSTER NODES`; of a node that does not answer,
    /// whom the replica that follows it believes it to follow.
    ///
    /// ## The repair
    /// In a circle, the member that has all keys of the others becomes a primary (`CLUSTER FAILOVER
    /// TAKEOVER`): no vote can be had for that. It gets the slots back, and the others follow it.
    ///
    /// ## Repair safety
    /// Those who follow are emptied for what the new primary has, so that the keys of all members
    /// are counted first. One that hangs must be ended and started alone, to be counted too.
    ///
    /// ## By hand
    /// `INFO replication` and `DBSIZE` on all members; `CLUSTER FAILOVER TAKEOVER` on the one with
    /// the most; `CLUSTER ADDSLOTSRANGE` of what is without an owner there.
    pub struct ReplicationChainOrCycle { row: Row, slots: SlotSet }
    group: Replication, severity: Critical, after: [],
    settles: true, repair: [Promote], since: "0.1",
}

impl Finding for ReplicationChainOrCycle {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for row in rows(seen) {
            let evidence: Vec<Evidence> =
                row.members.iter().filter_map(|id| says(seen, &row, *id)).collect();
            let mut slots = SlotSet::new();
            if row.closed {
                let free = seen.agreed().map(|opinion| opinion.assigned.complement());
                let owned = row.members.iter().map(|id| seen.slots_of(*id));
                slots = owned.fold(free.unwrap_or_default(), |all, slots| all.union(&slots));
            }
            let severity = match (row.closed, slots.is_empty()) {
                (true, false) => Severity::Critical,
                (true, true) => Severity::Error,
                (false, _) => Severity::Warning,
            };
            let subject = Subject::nodes(row.members.iter().copied()).with_slots(slots.clone());
            out.push(Self { row, slots }, subject, evidence).severity(severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.row.members.iter().map(|id| seen.name(*id)).collect();
        if self.row.closed {
            format!("replicas follow each other, and none has a primary: {}", names.join(" and "))
        } else {
            format!("a replica follows a replica: {}", names.join(" after "))
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let members = &self.row.members;
        if !self.row.closed {
            let (first, last) = (members.first().copied(), members.last().copied());
            let steps = ByHand::of(Risk::Reversible)
                .then("wait for two node timeouts: the servers leave such a row by themselves")
                .check("it still stands, and the last of it is a primary; only then");
            let (Some(first), Some(last)) = (first, last) else { return steps };
            return steps.command(seen.endpoint(first), format!("CLUSTER REPLICATE {last}"));
        }
        let steps = members.iter().fold(ByHand::of(Risk::DropsCopy), |steps, id| {
            let at = seen.endpoint(*id);
            steps.command(at.clone(), "INFO replication").command(at, "DBSIZE")
        });
        let most =
            members.first().and_then(|id| best_replica(seen, *id)).or(members.first().copied());
        let at = most.and_then(|id| seen.endpoint(id));
        steps
            .then(
                "a member that answers nobody: end its process, keep a copy of its dump and of \
                 nodes.conf",
            )
            .check("one member has the keys of all others; only then, on that one")
            .command(at.clone(), "CLUSTER FAILOVER TAKEOVER")
            .check("it is a primary; slots that its own table gives to nobody it gets anew")
            .command(at, "CLUSTER NODES")
            .check("the others show it with its slots, and master_link_status:up at its replicas")
            .never("CLUSTER RESET of a member before its keys are known to be elsewhere")
            .never("give the slots to other primaries: the members have the keys")
    }

    fn scenario() -> Scenario {
        // Three voters are left.
        Scenario::of(4, 1)
            .keys(300)
            .send(0, "SAVE")
            .send(4, "SAVE")
            .kill(0)
            .kill(4)
            .act(Act::Conf(0, ConfEdit::Follow { of: 0, whom: 4 }))
            .act(Act::Conf(0, ConfEdit::Follow { of: 4, whom: 0 }))
            .act(Act::Conf(4, ConfEdit::Follow { of: 0, whom: 4 }))
            .start(0, At::Same)
            .start(4, At::Same)
            .wait(Until::Field(4, "cluster_state", "fail"))
            .within_ms(30_000)
            .not_on(Server::Redis82, "every process that hears of a circle hangs: nobody answers")
    }
}

/// All rows of replicas that are longer than they should be, circles once each.
pub(crate) fn rows(seen: &Picture<'_>) -> BTreeSet<Row> {
    seen.members()
        .filter(|(id, _)| seen.proved(*id).is_some())
        .filter_map(|(id, _)| row_from(seen, id))
        .collect()
}

fn row_from(seen: &Picture<'_>, first: NodeId) -> Option<Row> {
    let mut members = vec![first];
    loop {
        let last = *members.last()?;
        let Some(next) = followed(seen, first, last) else { break };
        if next == first {
            // The same circle, whoever it is entered by.
            let smallest = members.iter().min().copied()?;
            let at = members.iter().position(|id| *id == smallest)?;
            members.rotate_left(at);
            return Some(Row { members, closed: true });
        }
        if members.contains(&next) {
            // It follows a circle and is no part of it.
            return None;
        }
        members.push(next);
    }
    (members.len() > 2).then_some(Row { members, closed: false })
}

/// Whom a node follows: by its own words, or by those of the one who asks where it is silent.
fn followed(seen: &Picture<'_>, asker: NodeId, id: NodeId) -> Option<NodeId> {
    let row = match seen.proved(id) {
        Some(_) => seen.own_row(id)?,
        None => {
            let observer = seen.member(asker)?.proved.first()?;
            seen.view_of(*observer, id)?.0
        }
    };
    row.primary.filter(|_| row.flags.has(Flag::Replica))
}

/// The evidence for one step of a row.
fn says(seen: &Picture<'_>, row: &Row, id: NodeId) -> Option<Evidence> {
    if let Some(sighting) = seen.proved(id) {
        let whom = seen.own_row(id)?.primary?;
        return Some(Evidence::first_hand(sighting, format!("follows {}", whom.short())));
    }
    let asker = row.members.iter().find(|asker| seen.proved(**asker).is_some())?;
    let whom = followed(seen, *asker, id)?;
    let text = format!("shows {} as a replica of {}", id.short(), whom.short());
    Some(Evidence::hearsay(seen.proved(*asker)?, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Silence;
    use crate::observation::sketch::Sketch;

    fn follow(sketch: &mut Sketch, observer: usize, who: usize, whom: usize) {
        sketch.row(observer, who, |row| {
            row.flags = row.flags.without(Flag::Primary).with(Flag::Replica);
            row.primary = Some(Sketch::id(whom));
            row.slots = SlotSet::new();
        });
    }

    fn circle() -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        (0..6).for_each(|observer| follow(&mut sketch, observer, 0, 3));
        sketch
    }

    #[test]
    fn two_that_follow_each_other_are_found_once() {
        let found = circle().detect::<ReplicationChainOrCycle>(&ENTRY);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Critical), "{found:#?}");
        assert!(found[0].message.contains("none has a primary"), "{}", found[0].message);
        assert_eq!(found[0].evidence.len(), 2);
        assert_eq!(found[0].subject.slots.len(), 5_461);
    }

    #[test]
    fn a_member_that_is_silent_counts_by_the_words_of_the_other() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(0, Silence::NoReply, None);
        follow(&mut sketch, 3, 0, 3);
        let found = sketch.detect::<ReplicationChainOrCycle>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn a_replica_of_a_replica_is_a_warning() {
        let mut sketch = Sketch::healthy(3, 2);
        (0..9).for_each(|observer| follow(&mut sketch, observer, 6, 3));
        let found = sketch.detect::<ReplicationChainOrCycle>(&ENTRY);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning), "{found:#?}");
        assert!(found[0].message.starts_with("a replica follows a replica: 10.0.0.7:6379"));
    }

    #[test]
    fn what_another_table_says_of_a_node_that_answers_is_none() {
        let mut sketch = Sketch::healthy(3, 1);
        follow(&mut sketch, 3, 0, 3);
        assert_eq!(sketch.detect::<ReplicationChainOrCycle>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 2).detect::<ReplicationChainOrCycle>(&ENTRY), []);
    }
}
