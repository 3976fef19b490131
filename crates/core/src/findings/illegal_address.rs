//! A table holds an address that is neither an IP nor a name.

use super::odd_addresses::{Text, read, recorded};
use super::whereabouts::meet;
use crate::diagnose::{ByHand, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// The address recorded for a node can never be dialled: `10.0.0.1841`, `?`, a cut-off text.
    /// The node is unreachable for all who hold it, and clients are told the same.
    ///
    /// ## How it comes about
    /// `cluster-announce-ip` is an unvalidated text (until 2026) that a template filled wrongly:
    /// two values joined, a placeholder left over, a name cut at 46 bytes. Or a `nodes.conf` was
    /// edited by a script: a `sed` that replaces `10.0.0.18` also changes `10.0.0.184`.
    ///
    /// ## What we look at
    /// The address column of every table, the nodes' own rows, and `cluster-announce-ip`.
    ///
    /// ## The repair
    /// Where it is announced: set `cluster-announce-ip` to the node's IP. Else send `CLUSTER MEET`
    /// with the true address from the node that holds the wrong one. Then mend the script.
    ///
    /// ## Repair safety
    /// Nothing but the address changes.
    ///
    /// ## By hand
    /// The commands are printed. In a script, anchor the replacement (`s/ 10\.0\.0\.18:/ NEW:/`).
    pub struct IllegalAddress { id: NodeId, text: String }
    group: Addressing, severity: Error, after: [],
    repair: [Meet, Readdress], since: "0.1",
}

impl Finding for IllegalAddress {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, (text, evidence)) in recorded(seen, |text| read(text) == Text::Neither) {
            let subject = Subject::node(id).with_slots(seen.slots_of(id));
            out.push(Self { id, text }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "\"{}\" is recorded as the address of {}: it is neither an IP nor a name",
            self.text,
            seen.name(self.id)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        readdress(seen, self.id, &self.text).never(
            "delete nodes.conf to get rid of the address: the node loses its identity and slots",
        )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send(2, "CONFIG SET cluster-announce-ip 10.0.0.1841")
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), "10.0.0.1841".to_owned()))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

/// How to give a node its true address again, whether it announces the wrong one or others only
/// hold it.
pub(super) fn readdress(seen: &Picture<'_>, id: NodeId, text: &str) -> ByHand {
    let steps = ByHand::of(Risk::Reversible);
    let announced = seen.config_of(id).is_some_and(|c| c.is("cluster-announce-ip", text));
    let at = super::whereabouts::numeric(seen, id);
    let steps = match (announced, at) {
        (true, Some(at)) => steps
            .command(seen.endpoint(id), format!("CONFIG SET cluster-announce-ip {}", at.host))
            .then("mend the template or start script that wrote the value"),
        (_, None) => steps.then("start the node; then look again: its true address is not known"),
        (false, Some(_)) => {
            let holders: Vec<usize> = seen.member(id).map_or_else(Vec::new, |member| {
                let wrong = member.rows.iter().filter(|r| seen.row(r.row).address.ip == text);
                wrong.flat_map(|record| record.by.iter().copied()).collect()
            });
            holders.into_iter().fold(steps, |steps, holder| {
                steps.command(Some(seen.sighting(holder).from.clone()), meet(seen, id))
            })
        }
    };
    steps.check("CLUSTER NODES at every node shows its IP, connected")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_mangled_ip_is_found_and_its_holders_are_told_the_true_one() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(0, 2, |row| row.address.ip = "10.0.0.33841".to_owned());
        let found = sketch.detect::<IllegalAddress>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains(r#""MEET", "10.0.0.3", "6379""#), "{steps}");
    }

    #[test]
    fn a_name_is_no_illegal_address() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(0, 2, |row| row.address.ip = "redis-2".to_owned());
        assert_eq!(sketch.detect::<IllegalAddress>(&ENTRY), []);
    }
}
