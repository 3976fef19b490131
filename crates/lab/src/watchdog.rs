//! Cleans up after a cluster, whatever happens to us.
//!
//! A small `sh` in a process group of its own reads from a pipe what there is to clean up. When
//! the pipe closes - because the cluster was dropped, or because we panicked, were interrupted or
//! killed - it ends the processes, unmounts, removes the namespace and the folder. There is no
//! other way of cleaning up, so the path after a crash is the one that always runs.
//!
//! A process is ended only if its start time is the one that was noted: a number that was given
//! to somebody else in the meantime is left alone.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::error::{Doing, Result};

const SCRIPT: &str = r#"
trap '' HUP INT TERM
start_of() { set -- $(cat "/proc/$1/stat" 2>/dev/null); echo "${22}"; }
gone() { set -- $(cat "/proc/$1/stat" 2>/dev/null); [ -z "$3" ] || [ "$3" = Z ]; }
pids=; nets=; mounts=; folder=
while read -r kind what since; do
  case $kind in
    pid) pids="$pids $what:$since" ;;
    net) nets="$nets $what" ;;
    mount) mounts="$what $mounts" ;;
    folder) folder=$what ;;
    keep) exit 0 ;;
  esac
done
for entry in $pids; do
  [ "$(start_of "${entry%%:*}")" = "${entry#*:}" ] && kill -9 "${entry%%:*}"
done
for entry in $pids; do
  tries=0
  while [ "$(start_of "${entry%%:*}")" = "${entry#*:}" ] && ! gone "${entry%%:*}"; do
    tries=$((tries + 1)); [ $tries -gt 200 ] && break
    sleep 0.02
  done
done
for mount in $mounts; do umount -l "$mount"; done
for net in $nets; do ip netns delete "$net"; done
[ -n "$folder" ] && rm -rf "$folder"
exit 0
"#;

/// A process, told apart from a later one with the same number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks between boot and the start of the process.
    pub started_ticks: u64,
}

impl ProcessId {
    /// The running process of that number; one that has ended and waits to be buried is none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of the program stands in brackets and may contain anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?;
        let started_ticks = fields.nth(18)?.parse().ok()?;
        (state != "Z").then_some(Self { pid, started_ticks })
    }

    /// Whether that very process still exists.
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// What must be cleaned up after a cluster.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Debris {
    /// Servers.
    pub processes: Vec<ProcessId>,
    /// Network namespaces.
    pub namespaces: Vec<String>,
    /// Mounted folders.
    pub mounts: Vec<PathBuf>,
    /// The folder of everything, if it is to be removed.
    pub folder: Option<PathBuf>,
}

/// The cleaner of one cluster.
#[derive(Debug)]
pub struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
    debris: Debris,
}

impl Watchdog {
    /// Starts one, with nothing to clean up yet.
    ///
    /// # Errors
    /// When no shell can be started.
    pub fn start() -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .doing(|| "starting the shell that cleans up".to_owned())?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe, debris: Debris::default() })
    }

    /// One that cleans up what was left by an earlier run.
    ///
    /// # Errors
    /// When no shell can be started.
    pub fn over(debris: &Debris) -> Result<Self> {
        let mut watchdog = Self::start()?;
        for process in &debris.processes {
            watchdog.process(*process)?;
        }
        for namespace in &debris.namespaces {
            watchdog.namespace(namespace)?;
        }
        for mount in &debris.mounts {
            watchdog.mount(mount)?;
        }
        if let Some(folder) = &debris.folder {
            watchdog.folder(folder)?;
        }
        Ok(watchdog)
    }

    /// This process must end.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn process(&mut self, process: ProcessId) -> Result<()> {
        self.debris.processes.push(process);
        self.say(&format!("pid {} {}", process.pid, process.started_ticks))
    }

    /// This namespace must go.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn namespace(&mut self, name: &str) -> Result<()> {
        self.debris.namespaces.push(name.to_owned());
        self.say(&format!("net {name}"))
    }

    /// This folder must be unmounted.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn mount(&mut self, folder: &Path) -> Result<()> {
        self.debris.mounts.push(folder.to_owned());
        self.say(&format!("mount {}", folder.display()))
    }

    /// This folder must be removed with all that is in it.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn folder(&mut self, folder: &Path) -> Result<()> {
        self.debris.folder = Some(folder.to_owned());
        self.say(&format!("folder {}", folder.display()))
    }

    /// Lets everything stand, and tells what must be cleaned up some day.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn keep(&mut self) -> Result<Debris> {
        self.say("keep")?;
        Ok(self.debris.clone())
    }

    /// What it would clean up now.
    pub const fn debris(&self) -> &Debris {
        &self.debris
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        writeln!(pipe, "{line}").doing(|| "telling the shell that cleans up".to_owned())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.pipe = None;
        // It ends by itself within seconds; without it there is nothing left that we could do.
        let _ended = self.child.wait();
    }
}
