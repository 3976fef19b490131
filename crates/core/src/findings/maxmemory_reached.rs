//! A primary is full and may not evict: every write that needs memory fails.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Fields, Picture, Role};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A primary uses as much memory as `maxmemory` allows and its `maxmemory-policy` forbids to
    /// evict. Writes that need memory are refused: `OOM command not allowed when used memory >
    /// 'maxmemory'.`; reads and deletions go on. Moving slots to it stops half way (`Target
    /// instance replied with error: OOM`) and leaves them open.
    ///
    /// ## How it comes about
    /// The data grew; one slot or one key grew far beyond the others; a reshard gave it more than
    /// it can hold; buffers of slow clients and replicas count too; or `maxmemory` differs between
    /// nodes.
    ///
    /// ## What we look at
    /// `used_memory` without `mem_not_counted_for_evict`, against `maxmemory`, with the policy
    /// `noeviction`. Replicas do not count: they ignore the limit (`replica-ignore-maxmemory
    /// yes`). A node that evicts works as it was told and is not reported.
    ///
    /// ## The repair
    /// Raise `maxmemory` if the host has the room (on the replicas too), or delete what is not
    /// needed, or move slots to primaries with room. Then find out what grew.
    ///
    /// ## Repair safety
    /// Raising the limit is safe as long as the sum of data, copy-on-write during a snapshot and
    /// buffers fits into the memory of host and container; beyond that the kernel kills the
    /// process. Changing the policy to an evicting one deletes data on purpose.
    ///
    /// ## By hand
    /// `INFO memory`, `MEMORY STATS`, and `redis-cli --bigkeys -i 0.01` against a replica. Never
    /// `FLUSHALL`, and never an evicting policy on a store that is no cache.
    pub struct MaxmemoryReached { id: NodeId, used: u64, limit: u64, host: Option<u64> }
    group: Process, severity: Error, after: [],
    obstacle: "whether there is room for more, or which data may go, is for a person to decide",
    since: "0.1",
}

impl Finding for MaxmemoryReached {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, _) in seen.members() {
            let Some((sighting, info)) = seen.proved(id).and_then(|s| Some((s, s.info.get()?)))
            else {
                continue;
            };
            let Some((used, limit)) = full(info) else { continue };
            if seen.role(id) != Some(Role::Primary) {
                continue;
            }
            let says = format!("used {used} of maxmemory {limit} bytes, policy noeviction");
            let finding = Self { id, used, limit, host: info.number("total_system_memory") };
            out.push(finding, Subject::node(id), [Evidence::first_hand(sighting, says)]);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} is full and refuses writes (OOM): it uses {} of {} MiB and may not evict",
            seen.name(self.id),
            self.used >> 20,
            self.limit >> 20
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = || seen.endpoint(self.id);
        let full = self.limit.max(self.used);
        let more = full + full / 4;
        let steps = ByHand::of(Risk::Reversible)
            .command(at(), "INFO memory")
            .check(match self.host {
                Some(host) => format!(
                    "the host has {} MiB: is there room for {} MiB, snapshots and buffers? A \
                     container's own limit may be lower",
                    host >> 20,
                    more >> 20
                ),
                None => "the host and the container have room for more".to_owned(),
            })
            .command(at(), format!("CONFIG SET maxmemory {more}"));
        let replicas = seen.replicas_of(self.id).into_iter();
        replicas
            .filter(|replica| seen.proved(*replica).is_some())
            .fold(steps, |steps, replica| {
                steps.command(seen.endpoint(replica), format!("CONFIG SET maxmemory {more}"))
            })
            .then("write the new limit into the source of the settings as well")
            .then("find what grew: redis-cli --bigkeys -i 0.01 against a replica")
            .never("FLUSHALL")
            .never(
                "an evicting maxmemory-policy on data that cannot be made again: it deletes keys",
            )
            .never("go on resharding into this node")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).keys(3_000).send_all("CONFIG SET maxmemory 1mb")
    }
}

/// What a server counts against its limit, and the limit, if it has reached it and may not evict
/// (`getMaxmemoryState`, `overMaxmemoryAfterAlloc`).
fn full(info: &Fields) -> Option<(u64, u64)> {
    let limit = info.number("maxmemory").filter(|limit| *limit > 0)?;
    let aside = info.number("mem_not_counted_for_evict").unwrap_or(0);
    let used = info.number("used_memory")?.saturating_sub(aside);
    (used >= limit && info.is("maxmemory_policy", "noeviction")).then_some((used, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn filled(n: usize, policy: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(n, "maxmemory", "1000000").info(n, "used_memory", "1000500").info(
            n,
            "maxmemory_policy",
            policy,
        );
        sketch
    }

    #[test]
    fn a_full_primary_that_may_not_evict_is_found() {
        let found = filled(0, "noeviction").detect::<MaxmemoryReached>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let commands = found[0].by_hand.steps.iter().filter(|step| {
            matches!(step, crate::diagnose::Step::Command { argv, .. }
                if argv.join(" ") == "CONFIG SET maxmemory 1250625")
        });
        assert_eq!(commands.count(), 2, "the primary and its replica");
    }

    #[test]
    fn a_cache_a_replica_and_room_to_spare_are_no_finding() {
        assert_eq!(filled(0, "allkeys-lru").detect::<MaxmemoryReached>(&ENTRY), []);
        assert_eq!(filled(3, "noeviction").detect::<MaxmemoryReached>(&ENTRY), []);
        let mut sketch = filled(0, "noeviction");
        sketch.info(0, "mem_not_counted_for_evict", "1000");
        assert_eq!(sketch.detect::<MaxmemoryReached>(&ENTRY), []);
    }
}
