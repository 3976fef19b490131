//! Ids of nodes that left for good and stay in the tables.

use super::islands::{islands, missing};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::Picture;
use crate::scenario::{Act, At, ConfEdit, Scenario, Until};

/// How long a node must have been silent before it counts as gone for good, in milliseconds: one
/// day. A replica that is down for an hour is an outage, not a ghost.
const GONE_AFTER_MS: u32 = 24 * 60 * 60 * 1000;

finding! {
    /// ## What it means
    /// The tables still list a node that no longer exists and owns nothing. The cluster works; but
    /// every node dials the ghost, monitors alarm on it, clients (Lettuce) log connect failures,
    /// and new members learn it too.
    ///
    /// ## How it comes about
    /// A node was taken away without `CLUSTER FORGET`, or FORGET reached only some of the nodes:
    /// the others told the rest again after the ban of 60 seconds.
    ///
    /// ## What we look at
    /// An id without slots that no process holds and that cannot come back as it is: its entry has
    /// no address (`noaddr`), or another member lives at its address, or it has been silent for a
    /// day. If it owns slots it is no ghost but an outage: `SHARD_DOWN`, `PRIMARY_NOADDR_MASKED`.
    ///
    /// ## The repair
    /// `CLUSTER FORGET` on **every** live node within 60 seconds. Redis and Valkey 7.2 and later
    /// pass it on by themselves, but make sure. Replicas of the ghost are given another primary
    /// first (`Can't forget my master!`). Look again after 90 seconds.
    ///
    /// ## Repair safety
    /// Nothing is lost: the ghost owns no slot, and no process with that id was found. If it may
    /// still run somewhere out of sight, find it first: while somebody hangs at an address that you
    /// named and that no table has, `recover` forgets nobody.
    ///
    /// ## By hand
    /// The commands are printed, one for each node that answered.
    pub struct GhostNodeEntries { ghosts: Vec<NodeId> }
    group: Addressing, severity: Warning,
    after: [AllAddressesStale, NodeIdentityLost, ClonedClusterHijack, MinorityPartition],
    repair: [Forget], since: "0.1",
}

impl Finding for GhostNodeEntries {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let islands = islands(seen);
        let Some(main) = islands.first().filter(|main| main.live.len() > 1) else { return };
        let mut ghosts = Vec::new();
        let mut evidence = Vec::new();
        for id in missing(seen, main) {
            let owns = seen.opinions().iter().any(|opinion| opinion.owners.contains_key(&id));
            if owns {
                continue;
            }
            if let Some(proof) = proof(seen, id) {
                ghosts.push(id);
                evidence.extend(proof);
            }
        }
        if !ghosts.is_empty() {
            let subject = Subject::nodes(ghosts.iter().copied());
            out.push(Self { ghosts }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.ghosts.iter().take(3).map(|id| seen.name(*id)).collect();
        let more = self.ghosts.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (entries, own) = if self.ghosts.len() == 1 {
            ("entry is", "it owns")
        } else {
            ("entries are", "they own")
        };
        format!(
            "{} {entries} left of nodes that are gone for good ({own} no slots): {}{more}",
            self.ghosts.len(),
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::DropsCopy);
        for id in &self.ghosts {
            steps = steps.check(format!("no process with the id {id} runs anywhere, then:"));
            for observer in seen.observers() {
                let knows = seen.view_of(observer, *id).is_some();
                if knows {
                    let at = seen.sighting(observer).from.clone();
                    steps = steps.command(Some(at), format!("CLUSTER FORGET {id}"));
                }
            }
        }
        steps
            .check("after 90 seconds no node lists them (all commands within 60 seconds)")
            .never("CLUSTER FORGET of an id that owns slots")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .send(3, "SAVE")
            .stop(3)
            .act(Act::Conf(3, ConfEdit::Delete))
            .act(Act::Remove(3, "dump.rdb".to_owned()))
            .start(3, At::Same)
            .wait(Until::Flag { on: 0, about: 3, flag: "noaddr" })
            .wait(Until::Flag { on: 1, about: 3, flag: "noaddr" })
            .send(0, "CLUSTER MEET {ip3} {port3} {cport3}")
            .wait(Until::Knows { on: 3, about: 0, known: true })
            .wait(Until::Knows { on: 3, about: 2, known: true })
            .send(3, "CLUSTER REPLICATE {id0}")
            .wait(Until::Field(3, "master_link_status", "up"))
    }
}

/// Why an id that no process holds will not come back, in the words of those who list it.
fn proof(seen: &Picture<'_>, id: NodeId) -> Option<Vec<Evidence>> {
    let member = seen.member(id)?;
    let mut evidence = Vec::new();
    for record in &member.rows {
        let row = seen.row(record.row);
        let replaced = row.address.client().and_then(|at| {
            let other = seen.id_of(seen.sighting_at(&at)?)?;
            (other != id && seen.member(other).is_some_and(|m| !m.rows.is_empty())).then_some(other)
        });
        for observer in &record.by {
            let quiet_ms = seen.view_of(*observer, id).map_or(0, |(_, shown)| shown.pong_age_ms);
            let long = quiet_ms >= GONE_AFTER_MS && row.flags.has(Flag::Failed);
            let why = match replaced {
                Some(other) => format!("{} lives there now", other.short()),
                None if row.flags.has(Flag::NoAddress) => "no address".to_owned(),
                None if long => "silent for more than a day".to_owned(),
                None => return None,
            };
            evidence.push(Evidence::hearsay(
                seen.sighting(*observer),
                format!("lists {} at {} as {}: {why}", id.short(), row.address, row.flags),
            ));
        }
    }
    (!evidence.is_empty()).then_some(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeAddress;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn replica_gone() -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(5, Flag::Failed, LinkState::Disconnected);
        sketch
    }

    #[test]
    fn a_slotless_id_without_address_is_a_ghost() {
        let mut sketch = replica_gone();
        sketch.rows_about(5, |row| {
            row.address = NodeAddress { bus_port: Some(0), ..NodeAddress::default() };
            row.flags = row.flags.with(Flag::NoAddress);
        });
        let found = sketch.detect::<GhostNodeEntries>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let forgets = format!("{:?}", found[0].by_hand.steps).matches("FORGET").count();
        assert_eq!(forgets, 5, "one for each node that answered");
    }

    #[test]
    fn a_replica_that_is_merely_down_is_no_ghost() {
        assert_eq!(replica_gone().detect::<GhostNodeEntries>(&ENTRY), []);
    }

    #[test]
    fn an_owner_of_slots_is_no_ghost() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(2, Flag::NoAddress, LinkState::Disconnected);
        assert_eq!(sketch.detect::<GhostNodeEntries>(&ENTRY), []);
    }
}
