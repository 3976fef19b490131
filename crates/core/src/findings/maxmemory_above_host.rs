//! A node may use more memory than its host has.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// `maxmemory` is greater than all the memory of the host. The server will never refuse or
    /// evict in time: the kernel ends the process first (exit code 137), at the worst moment,
    /// which is during a snapshot or a full synchronisation, when copy-on-write needs memory on
    /// top.
    ///
    /// ## How it comes about
    /// A value copied from a larger machine, a unit taken for another (`mb` and `gb`), a machine
    /// that was made smaller.
    ///
    /// ## What we look at
    /// `maxmemory` and `total_system_memory` in `INFO`. A container has a lower limit of its own
    /// that servers do not know, so the absence of this finding proves nothing there.
    ///
    /// ## The repair
    /// A limit that leaves room for copy-on-write, replication and client buffers: often 60 to 75
    /// % of the memory that the process may have.
    ///
    /// ## Repair safety
    /// Lowering `maxmemory` below `used_memory` makes the server refuse writes (`noeviction`) or
    /// delete keys (any other policy) at once: look at `used_memory` first.
    ///
    /// ## By hand
    /// `INFO memory`, then `CONFIG SET maxmemory`, and the source of the settings. Never below
    /// `used_memory`.
    pub struct MaxmemoryAboveHost { id: NodeId, limit: u64, host: u64, used: u64 }
    group: Process, severity: Warning, after: [],
    obstacle: "how much of the host's memory the data may have is for a person to decide",
    since: "0.1",
}

impl Finding for MaxmemoryAboveHost {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, _) in seen.members() {
            let Some((sighting, info)) = seen.proved(id).and_then(|s| Some((s, s.info.get()?)))
            else {
                continue;
            };
            let (Some(limit), Some(host)) =
                (info.number("maxmemory"), info.number("total_system_memory"))
            else {
                continue;
            };
            if host == 0 || limit <= host {
                continue;
            }
            let says = format!("maxmemory {limit}, total_system_memory {host}");
            let used = info.number("used_memory").unwrap_or(0);
            let evidence = [Evidence::first_hand(sighting, says)];
            out.push(Self { id, limit, host, used }, Subject::node(id), evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} may use {} MiB and its host has {} MiB: the kernel will end it before it is full",
            seen.name(self.id),
            self.limit >> 20,
            self.host >> 20
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible).command(seen.endpoint(self.id), "INFO memory");
        let wanted = self.host / 10 * 6;
        let steps = if self.used < wanted {
            steps
                .check("no other server needs the memory of that host, and no container limit is lower")
                .command(seen.endpoint(self.id), format!("CONFIG SET maxmemory {wanted}"))
        } else {
            steps.then("it already uses most of the host: move slots away or give it a larger host")
        };
        steps
            .then("write the value into the source of the settings")
            .never("set maxmemory below used_memory: writes are refused or keys deleted at once")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send(2, "CONFIG SET maxmemory 100000gb")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_limit_above_the_host_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(2, "maxmemory", "2000000000").info(2, "total_system_memory", "1000000000");
        let found = sketch.detect::<MaxmemoryAboveHost>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(2)));
        assert!(found[0].by_hand.never[0].contains("used_memory"));
    }

    #[test]
    fn no_limit_and_a_limit_within_the_host_are_no_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(1, "total_system_memory", "1000000000");
        sketch.info(2, "maxmemory", "900000000").info(2, "total_system_memory", "1000000000");
        assert_eq!(sketch.detect::<MaxmemoryAboveHost>(&ENTRY), []);
    }
}
