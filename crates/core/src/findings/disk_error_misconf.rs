//! Snapshots fail, and the server refuses writes because of it.

use super::client_port::{Door, doors, place, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Role, Silence};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// The last snapshot (`BGSAVE`) of a node failed. A primary with `stop-writes-on-bgsave-error
    /// yes` (the default) and a `save` rule then refuses every write, and `PING` as well: `MISCONF
    /// Redis is configured to save RDB snapshots, but it's currently unable to persist to disk`.
    /// Reads go on and the cluster says `ok`. A probe that pings takes the node for dead and kills
    /// it.
    ///
    /// ## How it comes about
    /// The disk is full or read-only, a quota is reached, the directory is not writable by the
    /// server's user, or the kernel refuses the fork (`Can't save in background: fork: Cannot
    /// allocate memory`; look at `vm.overcommit_memory` and the memory limit).
    ///
    /// ## What we look at
    /// `rdb_last_bgsave_status:err` in `INFO`, the reply to `PING`, and the settings `save` and
    /// `stop-writes-on-bgsave-error`. The log has the reason: `Write error saving DB on disk: No
    /// space left on device`, `Failed opening the temp RDB file ... for saving`.
    ///
    /// ## The repair
    /// Make room (old `temp-*.rdb`, core dumps, old append-only files) or mend the permissions,
    /// then `BGSAVE`. The first snapshot that succeeds opens writes again at once.
    ///
    /// ## Repair safety
    /// Freeing space and `BGSAVE` are safe. `CONFIG SET stop-writes-on-bgsave-error no` opens
    /// writes without mending anything: what is written then is lost if the process ends.
    ///
    /// ## By hand
    /// `df` and `df -i` on its data directory, the log, then `BGSAVE` and `INFO persistence`. Do
    /// not restart the node before a snapshot succeeded: it would come back with the last good
    /// one, and everything since is gone unless a replica has it.
    pub struct DiskErrorMisconf { at: Endpoint, id: Option<NodeId>, blocks: bool }
    group: Process, severity: Critical, after: [],
    obstacle: "the disk takes no more: room on it, or its permissions, are made on its host",
    since: "0.1",
}

impl Finding for DiskErrorMisconf {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let refusal = refusal(&door);
            let failed =
                door.sighting.info.get().is_some_and(|i| i.is("rdb_last_bgsave_status", "err"));
            if !failed && refusal.is_none() {
                continue;
            }
            let mut evidence = Vec::new();
            if failed {
                evidence.push(Evidence::first_hand(door.sighting, "rdb_last_bgsave_status:err"));
            }
            if let Some(text) = refusal {
                let says = format!("PING is answered with {}", quote(text));
                evidence.push(Evidence::first_hand(door.sighting, says));
            }
            let blocks = refusal.is_some() || stops_writes(&door, seen);
            let at = door.sighting.from.clone();
            let severity = if blocks { Severity::Critical } else { Severity::Warning };
            out.push(Self { at, id: door.id(), blocks }, door.subject(), evidence)
                .severity(severity);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let place = place(&self.at, self.id);
        if self.blocks {
            format!("{place} cannot save its data to disk and refuses all writes (MISCONF)")
        } else {
            format!("{place} cannot save its data to disk: the last snapshot failed")
        }
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let at = || Some(self.at.clone());
        ByHand::of(Risk::ReadOnly)
            .command(at(), "CONFIG GET dir")
            .then("on its host: df and df -i of that directory, its permissions, the server's log")
            .then("make room: temp-*.rdb of processes that are gone, core dumps, old backups")
            .command(at(), "BGSAVE")
            .command(at(), "INFO persistence")
            .check("rdb_bgsave_in_progress is 0 and rdb_last_bgsave_status is ok; writes are open")
            .never("restart the node before a snapshot succeeded: it comes back with the last good one")
            .never("leave stop-writes-on-bgsave-error at no: it hides that nothing is saved")
    }

    fn scenario() -> Scenario {
        // The key belongs to slot 2592, of node 0; 2 MB uncompressed do not fit on the disk.
        Scenario::of(3, 0)
            .option_of(0, "--rdbcompression no --save 3600 1")
            .small_disk(0, 256)
            .send(0, "SETRANGE key:0 2000000 x")
            .send(0, "BGSAVE")
            .wait(Until::Field(0, "rdb_last_bgsave_status", "err"))
            .wait(Until::Ping(0, "-MISCONF"))
    }
}

/// The refusal of a `PING` because of snapshots.
fn refusal<'a>(door: &Door<'a>) -> Option<&'a str> {
    match door.sighting.ping.silence()? {
        Silence::Error(text) if text.starts_with("MISCONF") && !text.contains("AOF file") => {
            Some(text)
        }
        _ => None,
    }
}

/// Whether a failed snapshot makes this node refuse writes (`writeCommandsDeniedByDiskError`).
fn stops_writes(door: &Door<'_>, seen: &Picture<'_>) -> bool {
    let primary = door.ids.iter().any(|id| seen.role(*id) == Some(Role::Primary));
    primary
        && door.sighting.config.get().is_some_and(|config| {
            config.is("stop-writes-on-bgsave-error", "yes")
                && config.get("save").is_some_and(|rules| !rules.is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
                           unable to persist to disk.";

    #[test]
    fn a_refused_ping_is_critical() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "rdb_last_bgsave_status", "err");
        sketch.nodes[0].sighting.ping = Said::Nothing(Silence::Error(MISCONF.to_owned()));
        let found = sketch.detect::<DiskErrorMisconf>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Critical);
        assert_eq!(found[0].evidence.len(), 2);
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("restart")));
    }

    #[test]
    fn a_failed_snapshot_that_stops_nothing_is_a_warning() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(4, "rdb_last_bgsave_status", "err");
        let found = sketch.detect::<DiskErrorMisconf>(&ENTRY);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Warning]);
    }

    #[test]
    fn an_append_only_error_is_another_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        let text = "MISCONF Errors writing to the AOF file: No space left on device";
        sketch.nodes[0].sighting.ping = Said::Nothing(Silence::Error(text.to_owned()));
        assert_eq!(sketch.detect::<DiskErrorMisconf>(&ENTRY), []);
    }
}
