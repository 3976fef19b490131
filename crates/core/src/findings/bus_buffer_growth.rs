//! Bytes for the bus pile up at a node because a peer does not take them.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::limits::LINK_WAITING_BYTES_MIN;
use crate::model::NodeId;
use crate::observation::{Picture, Sighting};
use crate::scenario::{Act, Cut, Port, Scenario, Until};

/// Bytes waiting on one link that endanger the node.
const WAITING_BYTES_GRAVE: u64 = 256 * 1024 * 1024;

finding! {
    /// ## What it means
    /// On a bus link a node has bytes waiting that the peer does not take. They are kept in memory
    /// without a limit (`cluster-link-sendbuf-limit` is 0 by default), outside of `maxmemory`
    /// eviction: in the end `-OOM command not allowed` although the data is small, or the
    /// container is killed.
    ///
    /// ## How it comes about
    /// A classic `PUBLISH` goes to every node of the cluster. A peer that is slow, hung or cut off
    /// in one direction lets the queue of every publisher grow. Redis 7.0.0 to 7.0.5 also burn CPU
    /// on it.
    ///
    /// ## What we look at
    /// `send-buffer-used` of `CLUSTER LINKS` and `mem_cluster_links` of `INFO memory` (both 7.0
    /// and later).
    ///
    /// ## The repair
    /// Find out why the peer does not read. Set `cluster-link-sendbuf-limit` (7.0 and later), and
    /// use sharded pub/sub (`SPUBLISH`), which stays within a shard.
    ///
    /// ## Repair safety
    /// A limit drops the link and with it the pub/sub messages that wait; keys are not concerned.
    ///
    /// ## By hand
    /// The commands are printed.
    pub struct BusBufferGrowth { at: NodeId, to: Option<NodeId>, bytes: u64 }
    group: Bus, severity: Warning,
    after: [
        AllAddressesStale, MinorityPartition, BusOneWayPartition, BusPortBlocked, MtuBlackhole,
        NodeHung, NodeLoading,
    ],
    settles: true,
    obstacle: "the peer that does not read is hung, slow or cut off, and no command to the others \
               makes it read; a limit would cut the link and drop what waits",
    since: "0.1",
}

impl Finding for BusBufferGrowth {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (number, sighting) in seen.sightings() {
            let Some(at) = seen.id_of(number) else { continue };
            for (to, bytes) in waiting(sighting) {
                let to_name = to.map_or_else(|| "its peers".to_owned(), |id| seen.name(id));
                let says = format!("{bytes} bytes wait for {to_name}");
                let mut evidence = vec![Evidence::first_hand(sighting, says)];
                let limit = sighting.config.get().and_then(|c| c.get("cluster-link-sendbuf-limit"));
                evidence.extend(limit.map(|limit| {
                    Evidence::first_hand(sighting, format!("cluster-link-sendbuf-limit is {limit}"))
                }));
                let subject = Subject::node(at).with_nodes(to);
                let pushed = out.push(Self { at, to, bytes }, subject, evidence);
                if bytes >= WAITING_BYTES_GRAVE {
                    pushed.severity(Severity::Error);
                }
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let to = self.to.map_or_else(|| "its peers".to_owned(), |id| seen.name(id));
        format!(
            "{} keeps {} MiB for the bus that {to} does not take",
            seen.name(self.at),
            self.bytes / (1024 * 1024)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible);
        if let Some(to) = self.to {
            steps =
                steps.check(format!("why {} does not read: hung, slow, cut off", seen.name(to)));
        }
        steps
            .command(
                seen.endpoint(self.at),
                format!("CONFIG SET cluster-link-sendbuf-limit {WAITING_BYTES_GRAVE}"),
            )
            .then("the same limit on every node and in their configuration files")
            .then("let publishers use SPUBLISH where one shard is enough")
            .check("send-buffer-used in CLUSTER LINKS falls")
    }

    fn scenario() -> Scenario {
        let message = "x".repeat(200_000);
        Scenario::of(3, 0)
            .in_namespace()
            .node_timeout_ms(60_000)
            .act(Act::Sever { from: vec![0], to: vec![2], port: Port::Bus, cut: Cut::Drop })
            .act(Act::Repeat(0, format!("PUBLISH news {message}"), 5))
            .wait(Until::FieldNot(0, "cluster_stats_messages_publish_sent", "0"))
    }
}

/// The links on which bytes wait, worst first; without `CLUSTER LINKS`, the sum for all links.
fn waiting(sighting: &Sighting) -> Vec<(Option<NodeId>, u64)> {
    if let Some(links) = sighting.links.get() {
        let mut found: Vec<_> = links
            .iter()
            .filter(|link| link.send_buffer_used >= LINK_WAITING_BYTES_MIN)
            .map(|link| (Some(link.node), link.send_buffer_used))
            .collect();
        found.sort_by_key(|(id, bytes)| (std::cmp::Reverse(*bytes), *id));
        return found;
    }
    let sum = sighting.info.get().and_then(|info| info.number("mem_cluster_links"));
    sum.filter(|bytes| *bytes >= WAITING_BYTES_GRAVE)
        .map(|bytes| (None, bytes))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Link, Said};

    fn waiting_bytes(send_buffer_used: u64) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.nodes[0].sighting.links = Said::This(vec![Link {
            outgoing: true,
            node: Sketch::id(2),
            create_time_ms: 1,
            send_buffer_used,
            send_buffer_allocated: send_buffer_used,
        }]);
        sketch
    }

    #[test]
    fn a_link_with_megabytes_waiting() {
        let found = waiting_bytes(30_000_000).detect::<BusBufferGrowth>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Warning);
    }

    #[test]
    fn a_ping_on_its_way_is_fine() {
        assert_eq!(waiting_bytes(20_000).detect::<BusBufferGrowth>(&ENTRY), []);
    }
}
