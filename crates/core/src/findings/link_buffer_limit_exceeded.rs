//! Bus links were cut because too many bytes waited on them.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, Cut, Port, Scenario, Until};

finding! {
    /// ## What it means
    /// A node has freed bus links whose queue exceeded `cluster-link-sendbuf-limit`, since it
    /// started. Each time the waiting messages were lost: pub/sub messages, and pings, so that the
    /// peer may be declared failed.
    ///
    /// ## How it comes about
    /// A peer that does not read (hung, slow, cut off in one direction), or more `PUBLISH` than
    /// the network carries, or a limit that is too small. The log says `Freeing cluster link(...)
    /// due to exceeding send buffer memory limit.`
    ///
    /// ## What we look at
    /// `total_cluster_links_buffer_limit_exceeded` of `CLUSTER INFO` (7.0 and later): a count
    /// since the start of the process.
    ///
    /// ## The repair
    /// Find out why the peer does not read; use sharded pub/sub; raise the limit if it is below
    /// what a burst of messages needs.
    ///
    /// ## Repair safety
    /// A greater limit takes memory beside the data.
    ///
    /// ## By hand
    /// The commands are printed.
    pub struct LinkBufferLimitExceeded { at: NodeId, times: u64 }
    group: Bus, severity: Warning,
    after: [
        AllAddressesStale, MinorityPartition, BusOneWayPartition, BusPortBlocked, MtuBlackhole,
        NodeHung, NodeLoading, BusBufferGrowth,
    ],
    obstacle: "the peer that does not read is hung, slow or cut off, and no command to the others \
               makes it read; a greater limit is a choice about memory",
    since: "0.1",
}

impl Finding for LinkBufferLimitExceeded {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (number, sighting) in seen.sightings() {
            let (Some(at), Some(info)) = (seen.id_of(number), sighting.cluster_info.get()) else {
                continue;
            };
            let times = info.number("total_cluster_links_buffer_limit_exceeded").unwrap_or(0);
            if times > 0 {
                let says = format!("cut bus links {times} times for exceeding their limit");
                let evidence = [Evidence::first_hand(sighting, says)];
                out.push(Self { at, times }, Subject::node(at), evidence);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} cut its own bus links {} times because too many bytes waited on them",
            seen.name(self.at),
            self.times
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::Reversible)
            .command(seen.endpoint(self.at), "CLUSTER LINKS")
            .check("which peer's send-buffer-used grows, and why that peer does not read")
            .then("let publishers use SPUBLISH where one shard is enough")
            .then("raise cluster-link-sendbuf-limit on every node if it is smaller than a burst of messages")
            .check("total_cluster_links_buffer_limit_exceeded no longer grows")
            .never("cluster-link-sendbuf-limit 0: one hung peer then takes all memory")
    }

    fn scenario() -> Scenario {
        let message = "x".repeat(200_000);
        Scenario::of(3, 0)
            .in_namespace()
            .node_timeout_ms(60_000)
            .option("--cluster-link-sendbuf-limit 300kb")
            .act(Act::Sever { from: vec![0], to: vec![2], port: Port::Bus, cut: Cut::Drop })
            .act(Act::Repeat(0, format!("PUBLISH news {message}"), 5))
            .wait(Until::FieldNot(0, "total_cluster_links_buffer_limit_exceeded", "0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_count_above_zero() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.cluster_info(1, "total_cluster_links_buffer_limit_exceeded", "3");
        let found = sketch.detect::<LinkBufferLimitExceeded>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
    }

    #[test]
    fn zero_is_fine() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.cluster_info(1, "total_cluster_links_buffer_limit_exceeded", "0");
        assert_eq!(sketch.detect::<LinkBufferLimitExceeded>(&ENTRY), []);
    }
}
