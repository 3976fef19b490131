//! The clocks of the nodes differ.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Picture, Sighting};
use crate::scenario::Scenario;

/// Milliseconds by which a clock may differ from the others. Well above what NTP leaves and what a
/// busy event loop adds to an answer, well below the shortest expiry that anybody relies on.
const APART_MS: u64 = 2_000;

finding! {
    /// ## What it means
    /// The clock of a node differs from those of the others by more than two seconds. Expiry is
    /// decided by the clock of the node that serves a key: after a failover or a move of a slot
    /// keys live longer or vanish early. Ages of pings and the ban after FORGET are counted by the
    /// same clock, so a step of it makes healthy nodes look silent.
    ///
    /// ## How it comes about
    /// No time synchronisation on a machine, a VM that was paused and resumed, a wrong hardware
    /// clock, a container with a faked time.
    ///
    /// ## What we look at
    /// `TIME` of each node against our own clock at the moment of the question, and the middle of
    /// all nodes as the measure, so that a wrong clock *here* is not blamed on them. The time that
    /// the answer took is granted on top.
    ///
    /// ## The repair
    /// Turn on chrony or ntpd on the machine and let it *slew* the clock (run it slowly towards
    /// the right time) instead of stepping it.
    ///
    /// ## Repair safety
    /// A step forwards expires keys in bulk, and they are gone; a step of the size of the node
    /// timeout can start failovers. Slewing does neither.
    ///
    /// ## By hand
    /// Compare `TIME` with the time of the machine, then mend the machine's synchronisation.
    pub struct ClockSkew { node: NodeId, ahead_ms: i64 }
    group: Process, severity: Warning, after: [NodeHung],
    settles: true,
    obstacle: "the clock is the machine's: its synchronisation is mended there",
    since: "0.1",
}

impl Finding for ClockSkew {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let clocks: Vec<(NodeId, &Sighting, i64)> = seen
            .members()
            .filter_map(|(id, _)| {
                let sighting = seen.proved(id)?;
                Some((id, sighting, ahead_ms(sighting)?))
            })
            .collect();
        let mut sorted: Vec<i64> = clocks.iter().map(|(_, _, ahead)| *ahead).collect();
        sorted.sort_unstable();
        let Some(middle) = sorted.get(sorted.len().saturating_sub(1) / 2).copied() else { return };
        for (id, sighting, ahead) in clocks {
            let ahead_ms = ahead.saturating_sub(middle);
            if ahead_ms.unsigned_abs() <= APART_MS + u64::from(sighting.took_ms) {
                continue;
            }
            let says = format!("TIME is {} the others", words(ahead_ms));
            out.push(
                Self { node: id, ahead_ms },
                Subject::node(id),
                [Evidence::first_hand(sighting, says)],
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "the clock of a node is {} the others: {}",
            words(self.ahead_ms),
            seen.name(self.node)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::ReadOnly)
            .command(seen.endpoint(self.node), "TIME")
            .then("on its machine: timedatectl, chronyc tracking (or ntpq -p)")
            .then("turn the synchronisation on and let it slew the clock (chrony: makestep 0 0)")
            .never("step the clock forwards while the node runs: keys expire in bulk and are gone")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).clock(2, 30)
    }
}

/// How far the clock of a node is ahead of ours, from the middle of the conversation.
fn ahead_ms(sighting: &Sighting) -> Option<i64> {
    let theirs = i64::try_from(*sighting.clock_ms.get()?).ok()?;
    let ours = i64::try_from(sighting.at_ms).ok()?;
    theirs.checked_sub(ours.checked_add(i64::from(sighting.took_ms / 2))?)
}

fn words(ahead_ms: i64) -> String {
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let ms = ahead_ms.unsigned_abs();
    format!("{}.{} s {side}", ms / 1_000, ms % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    fn at_offsets(offsets_ms: &[i64]) -> Sketch {
        let mut sketch = Sketch::healthy(offsets_ms.len(), 0);
        for (node, offset) in offsets_ms.iter().enumerate() {
            let at = sketch.nodes[node].sighting.at_ms;
            sketch.nodes[node].sighting.clock_ms = Said::This(at.saturating_add_signed(*offset));
        }
        sketch
    }

    #[test]
    fn the_one_that_differs_is_named() {
        let found = at_offsets(&[0, 10, -30_000]).detect::<ClockSkew>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(2)));
        assert!(found[0].message.contains("30.0 s behind"), "{}", found[0].message);
    }

    #[test]
    fn a_wrong_clock_here_and_a_slow_answer_blame_nobody() {
        assert_eq!(at_offsets(&[9_000, 9_010, 9_020]).detect::<ClockSkew>(&ENTRY), []);
        let mut sketch = at_offsets(&[0, 0, 2_500]);
        sketch.nodes[2].sighting.took_ms = 1_000;
        assert_eq!(sketch.detect::<ClockSkew>(&ENTRY), []);
    }
}
