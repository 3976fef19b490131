//! The append-only file cannot be written, or cannot be rewritten.

use super::client_port::{Door, doors, place, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Role, Silence};
use crate::scenario::{Act, Reply, Scenario, Until};

finding! {
    /// ## What it means
    /// A node with `appendonly yes` cannot write its append-only file. A primary then refuses
    /// every write and `PING` as well: `MISCONF Errors writing to the AOF file: No space left on
    /// device` (`appendfsync everysec` and `no`; with `always` the process ends itself instead).
    /// Where only the rewrite fails, writes go on, and the file grows until the disk is full.
    ///
    /// ## How it comes about
    /// The disk is full or read-only, a quota is reached, or the volume reports errors. For a
    /// rewrite also: not enough room for a second copy of the data, or the kernel refuses the
    /// fork.
    ///
    /// ## What we look at
    /// `aof_last_write_status` and `aof_last_bgrewrite_status` in `INFO`, and the reply to `PING`.
    /// In the log: `Error writing to the AOF file: ...`, `Short write while writing to the AOF
    /// file`, `Can't rewrite append only file in background: fork`.
    ///
    /// ## The repair
    /// Make room. The server tries again once a second and opens writes by itself (`AOF write
    /// error looks solved. The server can write again.`). After a failed rewrite: `BGREWRITEAOF`.
    ///
    /// ## Repair safety
    /// Making room is safe as long as no file below `appenddirname` is touched. `CONFIG SET
    /// appendonly no` opens writes without keeping them on disk.
    ///
    /// ## By hand
    /// `df` of its data directory, then `INFO persistence`. Never delete files of the append-only
    /// directory (its manifest names them): the node would not start again, or start empty.
    pub struct AofWriteError { at: Endpoint, id: Option<NodeId>, writes: bool, blocks: bool }
    group: Process, severity: Critical, after: [],
    obstacle: "the disk takes no more: room on it, or its permissions, are made on its host",
    since: "0.1",
}

impl Finding for AofWriteError {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let failed = |field| {
                door.sighting
                    .info
                    .get()
                    .is_some_and(|info| info.is("aof_enabled", "1") && info.is(field, "err"))
            };
            let refusal = refusal(&door);
            let writes = failed("aof_last_write_status") || refusal.is_some();
            let rewrites = failed("aof_last_bgrewrite_status");
            if !writes && !rewrites {
                continue;
            }
            let fields = ["aof_last_write_status", "aof_last_bgrewrite_status"];
            let mut evidence: Vec<Evidence> = fields
                .into_iter()
                .filter(|field| failed(field))
                .map(|field| Evidence::first_hand(door.sighting, format!("{field}:err")))
                .collect();
            if let Some(text) = refusal {
                let says = format!("PING is answered with {}", quote(text));
                evidence.push(Evidence::first_hand(door.sighting, says));
            }
            let primary = door.ids.iter().any(|id| seen.role(*id) == Some(Role::Primary));
            let blocks = writes && (primary || refusal.is_some());
            let severity = match (blocks, writes) {
                (true, _) => Severity::Critical,
                (false, true) => Severity::Error,
                (false, false) => Severity::Warning,
            };
            let at = door.sighting.from.clone();
            out.push(Self { at, id: door.id(), writes, blocks }, door.subject(), evidence)
                .severity(severity);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let place = place(&self.at, self.id);
        match (self.blocks, self.writes) {
            (true, _) => {
                format!(
                    "{place} cannot write its append-only file and refuses all writes (MISCONF)"
                )
            }
            (false, true) => format!("{place} cannot write its append-only file"),
            (false, false) => format!(
                "{place} cannot rewrite its append-only file: the file grows until the disk is full"
            ),
        }
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let at = || Some(self.at.clone());
        let steps = ByHand::of(Risk::ReadOnly)
            .command(at(), "CONFIG GET dir")
            .then("on its host: df and df -i of that directory, its permissions, the server's log")
            .then("make room outside the append-only directory: temp-*.rdb, core dumps, backups");
        let steps = if self.writes { steps } else { steps.command(at(), "BGREWRITEAOF") };
        steps
            .command(at(), "INFO persistence")
            .check("aof_last_write_status and aof_last_bgrewrite_status are ok")
            .never("delete files of the append-only directory: its manifest names them")
            .never("restart the node while the file cannot be written: its end may be torn")
    }

    fn scenario() -> Scenario {
        // The key belongs to slot 2592, of node 0; its value does not fit on the disk.
        Scenario::of(3, 0)
            .small_disk(0, 256)
            .option_of(0, "--appendonly yes --appendfsync everysec")
            .act(Act::Send(0, format!("SET key:0 {}", "x".repeat(400_000)), Reply::Any))
            .wait(Until::Field(0, "aof_last_write_status", "err"))
            .wait(Until::Ping(0, "-MISCONF"))
    }
}

/// The refusal of a `PING` because of the append-only file.
fn refusal<'a>(door: &Door<'a>) -> Option<&'a str> {
    match door.sighting.ping.silence()? {
        Silence::Error(text) if text.starts_with("MISCONF") && text.contains("AOF file") => {
            Some(text)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_primary_that_cannot_append_refuses_writes() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "aof_enabled", "1").info(0, "aof_last_write_status", "err");
        let found = sketch.detect::<AofWriteError>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Critical);
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("manifest")));
    }

    #[test]
    fn a_failed_rewrite_is_a_warning() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "aof_enabled", "1").info(0, "aof_last_bgrewrite_status", "err");
        let found = sketch.detect::<AofWriteError>(&ENTRY);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Warning]);
    }

    #[test]
    fn a_file_that_is_not_used_cannot_fail() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "aof_enabled", "0").info(0, "aof_last_bgrewrite_status", "err");
        assert_eq!(sketch.detect::<AofWriteError>(&ENTRY), []);
    }
}
