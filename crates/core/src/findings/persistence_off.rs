//! Primaries keep nothing on disk: a restart brings them back empty.

use super::settings::names;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Picture, Role};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// Primaries with slots write neither snapshots nor an append-only file. That is a choice and
    /// right for a cache. It is good to know because of what follows: a primary that is restarted
    /// quickly, before its replicas notice, comes back empty with the same id and the same slots,
    /// and its replicas copy the emptiness. All data of the shard is gone, without any failover.
    ///
    /// ## How it comes about
    /// `save ""` and `appendonly no`, in the file or from a chart's default.
    ///
    /// ## What we look at
    /// `save` and `appendonly` of every primary that shows its settings.
    ///
    /// ## The repair
    /// If the data matters: `appendonly yes`, or `save` rules. If it is to stay so: make sure that
    /// a primary is never restarted automatically within the node timeout.
    ///
    /// ## Repair safety
    /// Switching the append-only file on while running writes the whole data set once, which needs
    /// the disk and, for the fork, memory.
    ///
    /// ## By hand
    /// `CONFIG SET appendonly yes`, wait until `aof_rewrite_in_progress:0`, then the source of the
    /// settings. Never write `appendonly yes` into the file alone and restart: on versions before
    /// 7.0 the node then loads an empty append-only file in place of its snapshot.
    pub struct PersistenceOff { ids: Vec<NodeId> }
    group: Process, severity: Info, after: [],
    obstacle: "whether the data must survive a restart is for a person to decide, and the first write \
               of a file takes disk and memory",
    since: "0.1",
}

impl Finding for PersistenceOff {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut ids = Vec::new();
        let mut evidence = Vec::new();
        for id in seen.voters() {
            let (Some(sighting), Some(config)) = (seen.proved(id), seen.config_of(id)) else {
                continue;
            };
            let off = config.is("save", "") && config.is("appendonly", "no");
            if off && seen.role(id) == Some(Role::Primary) {
                ids.push(id);
                evidence.push(Evidence::first_hand(sighting, "save is empty, appendonly no"));
            }
        }
        if !ids.is_empty() {
            let subject = Subject::nodes(ids.iter().copied());
            out.push(Self { ids }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let (keep, them) = if self.ids.len() == 1 { ("keeps", "it") } else { ("keep", "them") };
        let who = names(seen, &self.ids);
        format!("{who} {keep} nothing on disk: a restart brings {them} back empty")
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let start = ByHand::of(Risk::Reversible)
            .then("if this is a cache: nothing; else, on one primary after the other:");
        self.ids
            .iter()
            .fold(start, |steps, id| {
                steps
                    .command(seen.endpoint(*id), "CONFIG SET appendonly yes")
                    .check("aof_rewrite_in_progress:0 in its INFO; then the next one")
            })
            .then("write it into the source of the settings")
            .never(
                "let an orchestrator restart such a primary within the node timeout: its replicas \
                    copy its emptiness",
            )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send_all("CONFIG SET appendonly no")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Severity;
    use crate::observation::sketch::Sketch;

    #[test]
    fn primaries_without_any_copy_on_disk_are_good_to_know() {
        let mut sketch = Sketch::healthy(3, 1);
        (0..6).for_each(|n| {
            sketch.config(n, "save", "").config(n, "appendonly", "no");
        });
        let found = sketch.detect::<PersistenceOff>(&ENTRY);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Info]);
        assert_eq!(found[0].subject.nodes.len(), 3, "replicas are left out");
        assert!(found[0].message.contains("10.0.0.1:6379 ("), "{}", found[0].message);
    }

    #[test]
    fn one_way_of_keeping_data_is_enough() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.config(0, "save", "3600 1").config(0, "appendonly", "no");
        sketch.config(1, "save", "").config(1, "appendonly", "yes");
        assert_eq!(sketch.detect::<PersistenceOff>(&ENTRY), []);
    }
}
