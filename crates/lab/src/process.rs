//! One server process: start, signals, end, log.

use std::fs::{File, OpenOptions};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock::Clock;
use crate::error::{Doing, Error, Result};
use crate::place::{BUS_PORT, PORT};
use crate::watchdog::ProcessId;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its program.
    pub program: PathBuf,
    /// Its working folder: `nodes.conf`, `dump.rdb`.
    pub folder: PathBuf,
    /// Its log; outside of the folder, which may be a small disk.
    pub log: PathBuf,
    /// Where it listens, and where its own connections come from.
    pub ip: Ipv4Addr,
    /// Further words for its command line. Later words win over earlier ones.
    pub words: Vec<String>,
    /// A clock of its own, if it is to have one.
    pub clock: Option<Clock>,
}

/// A server that was started.
#[derive(Debug)]
pub struct Process {
    child: Child,
    id: ProcessId,
    frozen: bool,
}

impl Launch {
    /// Starts it. It may end by itself at once: that is for the caller to see.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&self) -> Result<Process> {
        let output = self.log_file()?;
        let errors = output.try_clone().doing(|| "sharing the log".to_owned())?;
        let mut command = Command::new(&self.program);
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        let mut child = command
            .args(self.arguments())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing(|| format!("starting {}", self.program.display()))?;
        match ProcessId::of(child.id()) {
            Some(id) => Ok(Process { child, id, frozen: false }),
            None => {
                let _ended = child.wait();
                Err(Error::Missing {
                    what: format!("/proc does not show {}", self.program.display()),
                    hint: "The lab needs Linux with /proc.".to_owned(),
                })
            }
        }
    }

    /// Its client port: another than all have where its words say so.
    pub fn port(&self) -> u16 {
        let named = self.words.windows(2).rev().find(|pair| pair[0] == "--port");
        named.and_then(|pair| pair[1].parse().ok()).unwrap_or(PORT)
    }

    /// Both the server's own log and what it says before it has one (a refused setting).
    fn log_file(&self) -> Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .doing(|| format!("opening {}", self.log.display()))
    }

    fn arguments(&self) -> Vec<String> {
        let ip = self.ip.to_string();
        let (port, bus_port) = (PORT.to_string(), BUS_PORT.to_string());
        let folder = self.folder.display().to_string();
        let log = self.log.display().to_string();
        [
            ["--port", &port],
            ["--cluster-port", &bus_port],
            ["--bind", &ip],
            ["--bind-source-addr", &ip],
            ["--dir", &folder],
            ["--logfile", &log],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--repl-diskless-sync-delay", "0"],
            ["--enable-debug-command", "yes"],
            ["--protected-mode", "no"],
        ]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .chain(self.words.iter().cloned())
        .collect()
    }
}

impl Process {
    /// The process.
    pub const fn id(&self) -> ProcessId {
        self.id
    }

    /// Whether it is stopped where it was.
    pub const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether it has ended, by itself or by us.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGSTOP or SIGCONT.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn freeze(&mut self, frozen: bool) -> Result<()> {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT })?;
        self.frozen = frozen;
        Ok(())
    }

    /// SIGTERM: as an orchestrator ends it. Does not wait.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn ask_to_end(&mut self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGKILL, and waits for it.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.id.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::Scenario("no such process".to_owned()))?;
        kill_process(pid, signal)
            .map_err(std::io::Error::from)
            .doing(|| format!("sending {signal:?} to process {}", self.id.pid))
    }
}

/// Whether a line of a log holds this text.
pub fn is_logged(log: &Path, text: &str) -> bool {
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().any(|line| line.contains(text))
}
