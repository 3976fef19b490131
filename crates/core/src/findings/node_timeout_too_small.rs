//! A node timeout so small that ordinary pauses look like failures.

use super::settings::by_setting;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// `cluster-node-timeout` is below one second. A node that pauses for longer (a fork for a
    /// snapshot, a slow command, a busy host, a lost packet that TCP sends again after 200 to 400
    /// ms) is held for failed and failed over although it is alive. Every such failover can lose
    /// writes that were not replicated yet.
    ///
    /// ## How it comes about
    /// The wish for fast failovers, or a value given in seconds where milliseconds are meant
    /// (`cluster-node-timeout 15`).
    ///
    /// ## What we look at
    /// `cluster-node-timeout` of every node. Pings are sent about once a second and to every node
    /// that was not heard of for half the timeout, so below 1000 ms one lost packet is enough for
    /// `fail?`.
    ///
    /// ## The repair
    /// A value above the longest pause that is normal there: `latest_fork_usec`, `SLOWLOG`,
    /// `LATENCY LATEST`. 5000 to 15000 ms is usual; 15000 is the servers' default.
    ///
    /// ## Repair safety
    /// Raising it is safe at any time, on all nodes one after the other. It only makes detection
    /// slower.
    ///
    /// ## By hand
    /// `CONFIG SET cluster-node-timeout 15000` on every node, then the source of the settings.
    /// Never answer flapping by a smaller timeout.
    pub struct NodeTimeoutTooSmall { least_ms: u64 }
    group: Configuration, severity: Warning, after: [TimeoutFlapping], repair: [Settle], since: "0.1",
}

/// Below this, one lost packet or one fork is a failure: pings go out once a second
/// (`clusterCron`), and TCP needs 200 ms and more to send a lost packet again.
const LEAST_MS: u64 = 1_000;

impl Finding for NodeTimeoutTooSmall {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let small: Vec<(u64, Vec<_>)> = by_setting(seen, "cluster-node-timeout")
            .into_iter()
            .filter_map(|(value, ids)| Some((value.parse::<u64>().ok()?, ids)))
            .filter(|(value, _)| *value < LEAST_MS)
            .collect();
        let Some(least_ms) = small.iter().map(|(value, _)| *value).min() else { return };
        let says = |value: &u64| format!("cluster-node-timeout {value}");
        let evidence: Vec<Evidence> = small
            .iter()
            .flat_map(|(value, ids)| ids.iter().map(move |id| (value, id)))
            .filter_map(|(value, id)| Some(Evidence::first_hand(seen.proved(*id)?, says(value))))
            .collect();
        let subject = Subject::nodes(small.into_iter().flat_map(|(_, ids)| ids));
        out.push(Self { least_ms }, subject, evidence);
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "cluster-node-timeout is {} ms: an ordinary pause is taken for a failure",
            self.least_ms
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let nodes = seen.members().filter(|(id, _)| seen.config_of(*id).is_some());
        nodes
            .fold(ByHand::of(Risk::Reversible), |steps, (id, _)| {
                steps.command(seen.endpoint(id), "CONFIG SET cluster-node-timeout 15000")
            })
            .then("write the value into the source of the settings")
            .never("answer flapping by a smaller timeout")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send_all("CONFIG SET cluster-node-timeout 900")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn seconds_in_place_of_milliseconds_are_found() {
        let mut sketch = Sketch::healthy(3, 0);
        (0..3).for_each(|n| {
            sketch.config(n, "cluster-node-timeout", "15");
        });
        let found = sketch.detect::<NodeTimeoutTooSmall>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].by_hand.steps.len(), 4);
        assert!(found[0].message.contains("is 15 ms"));
    }

    #[test]
    fn the_default_and_a_second_are_no_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        assert_eq!(sketch.detect::<NodeTimeoutTooSmall>(&ENTRY), []);
        (0..3).for_each(|n| {
            sketch.config(n, "cluster-node-timeout", "1000");
        });
        assert_eq!(sketch.detect::<NodeTimeoutTooSmall>(&ENTRY), []);
    }
}
