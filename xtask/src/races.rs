//! `cargo xtask races`: rivals at the same broken cluster. Two and three of our runs at once; a run
//! of ours, or `redis-cli --cluster fix`, while another run of ours is held between the record of
//! its n-th step and the sending of it, for each n; and the peer let go on beside ours.
//!
//! What must hold: after all are over, one more run, told nothing but the target, ends healthy, and
//! no key is gone. A loss counts as ours unless the servers' own logs and our journals show that it
//! cannot be: keys go by a claim of slots (the loser deletes them) or by a command that deletes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use slotwright_core::drive::Reply;
use slotwright_core::journal::{self, Entry};
use slotwright_core::plan::{Change, SlotState};
use slotwright_core::scenario::Server;
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};

use crate::ci::{say, step};
use crate::crashes::{CODES, broken, lock, names, seeds};

/// Until what is waited for is looked at again.
const PAUSE: Duration = Duration::from_millis(5);
/// A process that was told to go on does so by then.
const HEARD_WITHIN: Duration = Duration::from_millis(500);
/// A run that is not over by then hangs.
const RUN_WITHIN: Duration = Duration::from_secs(180);
/// The peer waits for its own changes without end.
const PEER_WITHIN: Duration = Duration::from_secs(40);

/// Who is there beside a run of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rival {
    /// The peer, and nobody else: what it does to a copy without us.
    PeerAlone,
    /// So many runs at once, ours all of them.
    Ours(usize),
    /// A whole run of ours while another is held at its n-th step.
    OursWhileHeld(usize),
    /// The whole peer while ours is held at its n-th step.
    PeerWhileHeld(usize),
    /// The peer, begun while ours is held at its n-th step; then both go on.
    PeerBeside(usize),
}

impl Rival {
    /// The row of the table.
    fn row(self) -> &'static str {
        match self {
            Self::PeerAlone => "the peer alone, without us",
            Self::Ours(2) => "two of ours at once",
            Self::Ours(_) => "three of ours at once",
            Self::OursWhileHeld(_) => "ours, whole, while ours is held at each step",
            Self::PeerWhileHeld(_) => "fix, whole, while ours is held at each step",
            Self::PeerBeside(_) => "fix beside ours, begun at each step",
        }
    }

    /// The step of ours at which it is held.
    fn held_at(self) -> Option<usize> {
        match self {
            Self::OursWhileHeld(at) | Self::PeerWhileHeld(at) | Self::PeerBeside(at) => Some(at),
            Self::PeerAlone | Self::Ours(_) => None,
        }
    }

    /// The same at another step of ours.
    fn at(self, step: usize) -> Self {
        match self {
            Self::OursWhileHeld(_) => Self::OursWhileHeld(step),
            Self::PeerWhileHeld(_) => Self::PeerWhileHeld(step),
            Self::PeerBeside(_) => Self::PeerBeside(step),
            other => other,
        }
    }
}

const RIVALS: [Rival; 6] = [
    Rival::PeerAlone,
    Rival::Ours(2),
    Rival::Ours(3),
    Rival::OursWhileHeld(1),
    Rival::PeerWhileHeld(1),
    Rival::PeerBeside(1),
];

/// What is tried, and how much of it.
pub struct Options {
    /// Takes each n-th step only.
    pub every: usize,
    /// Clusters at the same time.
    pub jobs: usize,
    /// The servers.
    pub servers: Vec<Server>,
    /// The scenarios of these findings; all of the crash points if empty.
    pub codes: Vec<String>,
}

/// Rows of one kind on one server.
#[derive(Debug, Default)]
struct Tally {
    trials: usize,
    /// Copies of which one more run said healthy at the end.
    healthy: usize,
    /// Copies in which keys are gone, and how many keys.
    losses: usize,
    lost: usize,
    /// Of these, keys that our own commands may have cost.
    by_us: usize,
    complaints: Vec<String>,
    losing: BTreeSet<String>,
}

/// Everything that a trial needs beside its own name.
struct Ground<'a> {
    root: &'a Path,
    program: PathBuf,
    binaries: &'a [Binary],
}

/// Runs all races.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    ensure!(options.every > 0, "--every is at least 1");
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        bail!("strace is needed; install it with: apt-get install strace");
    }
    step(root, "building slotwright", &["build", "--package", "slotwright"])?;
    // Redis 7.0 brings the redis-cli of the same package.
    let binaries = servers::ensure(&Server::ALL, &say)?;
    let program = root.join(".cache/races/slotwright");
    std::fs::create_dir_all(root.join(".cache/races"))?;
    // Whoever builds meanwhile does not change the program between two runs.
    std::fs::copy(root.join("target/debug/slotwright"), &program).context("copy the program")?;
    let ground = Ground { root, program, binaries: &binaries };
    let wanted =
        |code: &&&str| options.codes.is_empty() || options.codes.iter().any(|one| one == **code);
    let queue: Mutex<VecDeque<(Server, &str, Rival)>> = Mutex::new(
        options
            .servers
            .iter()
            .flat_map(|server| {
                CODES
                    .iter()
                    .filter(wanted)
                    .flat_map(|code| RIVALS.map(|rival| (*server, *code, rival)))
            })
            .collect(),
    );
    let done: Mutex<BTreeMap<(Server, Rival), Tally>> = Mutex::new(BTreeMap::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let Some((server, code, rival)) = lock(&queue).pop_front() else { return };
                    series(&ground, server, code, rival, options.every, &done);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    table(&done);
    println!("\n{:.0} s", begun.elapsed().as_secs_f64());
    let ours = done.iter().filter(|((_, rival), _)| *rival != Rival::PeerAlone);
    let complaints: usize = ours.map(|(_, tally)| tally.complaints.len()).sum();
    ensure!(complaints == 0, "{complaints} races did not end healthy, or lost a key by us");
    ensure!(done.values().any(|tally| tally.trials > 0), "nothing was tried");
    Ok(())
}

fn table(done: &BTreeMap<(Server, Rival), Tally>) {
    println!(
        "\n{:<12}{:<47}{:>6}{:>9}{:>10}{:>7}{:>7}",
        "server", "rival", "copies", "healthy", "with loss", "keys", "by us"
    );
    for ((server, rival), tally) in done {
        // The peer alone is not followed by a run of ours.
        let healthy =
            if *rival == Rival::PeerAlone { "-".to_owned() } else { tally.healthy.to_string() };
        println!(
            "{:<12}{:<47}{:>6}{healthy:>9}{:>10}{:>7}{:>7}  {}",
            server.name(),
            rival.row(),
            tally.trials,
            tally.losses,
            tally.lost,
            tally.by_us,
            tally.losing.iter().cloned().collect::<Vec<_>>().join(",")
        );
    }
}

/// A rival at a scenario; at each step of ours where it is held.
fn series(
    ground: &Ground<'_>,
    server: Server,
    code: &str,
    rival: Rival,
    every: usize,
    done: &Mutex<BTreeMap<(Server, Rival), Tally>>,
) {
    let mut rival = rival;
    loop {
        let key = (server, rival.at(0));
        match race(ground, server, code, rival) {
            Ok(None) => return,
            Ok(Some(end)) => {
                let mut done = lock(done);
                let tally = done.entry(key).or_default();
                end.count(tally, code, rival);
            }
            Err(error) => {
                let mut done = lock(done);
                let what = format!("{} {code} {rival:?}: {error:#}", server.name());
                println!("    {what}");
                done.entry(key).or_default().complaints.push(what);
                return;
            }
        }
        let Some(at) = rival.held_at() else { return };
        rival = rival.at(at + every);
    }
}

/// How a race ended.
struct End {
    server: Server,
    healthy: bool,
    said: String,
    keys: usize,
    lost: usize,
    /// What of ours may have cost keys; empty when nothing can have.
    suspects: Vec<String>,
    /// What the servers' logs say of deleting keys.
    deletions: Vec<String>,
}

impl End {
    fn count(self, tally: &mut Tally, code: &str, rival: Rival) {
        tally.trials += 1;
        tally.healthy += usize::from(self.healthy);
        tally.lost += self.lost;
        tally.losses += usize::from(self.lost > 0);
        let name = format!("{} {code} {rival:?}", self.server.name());
        if self.lost > 0 {
            tally.losing.insert(code.to_owned());
            println!("    {name}: {} of {} keys are gone", self.lost, self.keys);
            self.deletions.iter().take(3).for_each(|line| println!("        server: {line}"));
            match self.suspects.as_slice() {
                _ if rival == Rival::PeerAlone => {}
                [] => println!("        none of the commands that we sent can delete a key"),
                some => some.iter().for_each(|line| println!("        ours: {line}")),
            }
            if rival != Rival::PeerAlone && !self.suspects.is_empty() {
                tally.by_us += self.lost;
                tally.complaints.push(format!("{name}: {} keys are gone", self.lost));
            }
        }
        if !self.healthy {
            println!("    {name}: the last run: {}", self.said);
            tally.complaints.push(format!("{name}: not healthy"));
        }
        println!("{name:<70} lost {:>4}  healthy {}", self.lost, self.healthy);
    }
}

/// One race on a fresh copy. `None`: our run has fewer steps than that.
fn race(
    ground: &Ground<'_>,
    server: Server,
    code: &str,
    rival: Rival,
) -> anyhow::Result<Option<End>> {
    let mut cluster = broken(code, server, ground.binaries)?;
    let before = names(&mut cluster)?;
    let target = seeds(&mut cluster);
    let place = format!("{}-{code}-{rival:?}", server.name());
    let folder = ground.root.join(".cache/races").join(place.replace(['(', ')'], "-"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let ours = |number: usize| Ours {
        program: ground.program.clone(),
        target: target.clone(),
        folder: folder.join(number.to_string()),
    };
    let fix = || Peer::start(&target, &folder);
    match rival {
        Rival::PeerAlone => fix()?.end()?,
        Rival::Ours(count) => {
            let runs: Vec<Child> =
                (0..count).map(|number| ours(number).start(false)).collect::<Result<_, _>>()?;
            for run in runs {
                end_of(run, RUN_WITHIN)?;
            }
        }
        Rival::OursWhileHeld(at) | Rival::PeerWhileHeld(at) | Rival::PeerBeside(at) => {
            let first = ours(0);
            let Some(held) = Held::at_step(&first, at)? else { return Ok(None) };
            let peer = match rival {
                Rival::OursWhileHeld(_) => {
                    end_of(ours(1).start(false)?, RUN_WITHIN)?;
                    None
                }
                Rival::PeerWhileHeld(_) => {
                    fix()?.end()?;
                    None
                }
                _ => Some(fix()?),
            };
            if let Some(peer) = &peer {
                peer.has_spoken()?;
            }
            held.let_go()?;
            if let Some(peer) = peer {
                peer.end()?;
            }
        }
    }
    let (healthy, said) = match rival {
        Rival::PeerAlone => (true, String::new()),
        _ => ours(9).last_run()?,
    };
    let after = names(&mut cluster)?;
    let lost: BTreeSet<&String> = before.difference(&after).collect();
    let suspects = if lost.is_empty() { Vec::new() } else { suspects(&folder)? };
    let deletions = if lost.is_empty() { Vec::new() } else { deletions(&cluster)? };
    let (keys, lost) = (before.len(), lost.len());
    Ok(Some(End { server, healthy, said, keys, lost, suspects, deletions }))
}

/// A run of ours.
struct Ours {
    program: PathBuf,
    target: String,
    folder: PathBuf,
}

impl Ours {
    /// Starts it, traced so that it stops at each record of its journal if it is to be held.
    fn start(&self, held: bool) -> anyhow::Result<Child> {
        std::fs::create_dir_all(&self.folder)?;
        let mut command = if held {
            let mut strace = Command::new("strace");
            // -D: our child is the program, not the tracer.
            let inject = "inject=fdatasync:signal=STOP:when=1+";
            strace.args(["-D", "-f", "--seccomp-bpf", "-q", "-o", "/dev/null"]);
            strace.args(["-e", "trace=fdatasync", "-e", inject]).arg(&self.program);
            strace
        } else {
            Command::new(&self.program)
        };
        let out = File::create(self.folder.join("out"))?;
        command
            .args(["recover", &self.target, "--yes", "--allow", &CODES.join(",")])
            .arg("--journal-dir")
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
            .context("start slotwright")
    }

    /// Whether a whole run ends healthy, and its last words.
    fn last_run(&self) -> anyhow::Result<(bool, String)> {
        let code = end_of(self.start(false)?, RUN_WITHIN)?;
        let said = std::fs::read_to_string(self.folder.join("out"))?;
        let last: Vec<&str> = said.lines().rev().take(12).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join(" / ");
        Ok((code == Some(0), format!("{code:?}: {last}")))
    }

    /// What its journal has so far.
    fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let mut all = Vec::new();
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|end| end == "journal") {
                all.extend(journal::read(&std::fs::read(path)?).entries);
            }
        }
        Ok(all)
    }
}

/// A run that stands still between the record of a step and the sending of it.
struct Held<'a> {
    ours: &'a Ours,
    child: Child,
    /// Records after which it was told to go on, and when.
    released: (usize, Instant),
}

impl<'a> Held<'a> {
    /// `None`: the run is over before that step.
    fn at_step(ours: &'a Ours, at: usize) -> anyhow::Result<Option<Self>> {
        let child = ours.start(true)?;
        let mut held = Self { ours, child, released: (0, Instant::now()) };
        let until = Instant::now() + RUN_WITHIN;
        while Instant::now() < until {
            if held.child.try_wait()?.is_some() {
                return Ok(None);
            }
            let entries = ours.entries()?;
            let begun = entries.iter().filter(|entry| matches!(entry, Entry::StepBegun { .. }));
            if begun.count() >= at && stands_still(held.child.id()) {
                return Ok(Some(held));
            }
            held.release(entries.len())?;
            std::thread::sleep(PAUSE);
        }
        held.end()?;
        bail!("the run neither ends nor comes to its step {at}")
    }

    /// Tells it to go on, once at each record: one word too many would take back the next stop.
    fn release(&mut self, records: usize) -> anyhow::Result<()> {
        let (at, when) = self.released;
        if stands_still(self.child.id()) && (records > at || when.elapsed() > HEARD_WITHIN) {
            go_on(self.child.id())?;
            self.released = (records, Instant::now());
        }
        Ok(())
    }

    /// Lets it run to its end, at whatever record it stops.
    fn let_go(mut self) -> anyhow::Result<()> {
        let until = Instant::now() + RUN_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                self.end()?;
                bail!("the run that was held does not end");
            }
            let records = self.ours.entries()?.len();
            self.release(records)?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Whether a process is stopped by a signal or by its tracer.
fn stands_still(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('t' | 'T'))
}

fn go_on(pid: u32) -> anyhow::Result<()> {
    use nix::sys::signal::{Signal, kill};
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
    Ok(kill(pid, Signal::SIGCONT)?)
}

/// Waits for a process; one that does not end in time is an error.
fn end_of(mut child: Child, within: Duration) -> anyhow::Result<Option<i32>> {
    let until = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            bail!("a run did not end within {} s", within.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

/// `redis-cli --cluster fix`, with yes to every question.
struct Peer {
    child: Child,
    out: PathBuf,
}

impl Peer {
    fn start(target: &str, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let out = folder.join("peer");
        let file = File::create(&out)?;
        let seed = target.split(',').next().unwrap_or_default();
        let mut child = Command::new("redis-cli")
            .args(["--cluster", "fix", seed])
            .stdin(Stdio::piped())
            .stderr(file.try_clone()?)
            .stdout(file)
            .spawn()
            .context("start redis-cli")?;
        if let Some(mut input) = child.stdin.take() {
            // It may have ended without a question.
            let _ = input.write_all("yes\n".repeat(16).as_bytes());
        }
        Ok(Self { child, out })
    }

    /// Returns when it has said its first words: it is connected to its seed by then.
    fn has_spoken(&self) -> anyhow::Result<()> {
        let until = Instant::now() + PEER_WITHIN;
        while std::fs::metadata(&self.out)?.len() == 0 {
            ensure!(Instant::now() < until, "the peer says nothing");
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Waits for it; one that waits without end is ended, as an operator would.
    fn end(mut self) -> anyhow::Result<()> {
        let until = Instant::now() + PEER_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// The steps of all our runs by which a key can go: a claim of slots, after which a loser deletes
/// what it holds of them; a node that becomes a replica; a failover. A key that MIGRATE moves is
/// at the receiver before the giver deletes it, and none of the other changes deletes anything.
fn suspects(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for run in std::fs::read_dir(folder)? {
        let folder = run?.path();
        if !folder.is_dir() {
            continue;
        }
        let run = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = Ours { program: PathBuf::new(), target: String::new(), folder: folder.clone() };
        let mut plan = None;
        for entry in ours.entries()? {
            match entry {
                Entry::Planned { plan: next } => plan = Some(next),
                Entry::StepReplied { step, reply } => {
                    let Some(step) = plan.as_ref().and_then(|plan| plan.steps.get(step)) else {
                        continue;
                    };
                    if can_cost_keys(&step.change) && !matches!(reply, Reply::Refused(_)) {
                        all.push(format!("run {run}: {} on {}", step.change.line(), step.on));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(all)
}

fn can_cost_keys(change: &Change) -> bool {
    match change {
        Change::AddSlots { .. }
        | Change::BumpEpoch
        | Change::SetConfigEpoch { .. }
        | Change::Replicate { .. }
        | Change::Meet { .. }
        | Change::Failover { .. } => true,
        Change::SetSlots { to, .. } => matches!(to, SlotState::Node(_)),
        Change::Forget { .. }
        | Change::DelSlots { .. }
        | Change::MoveKeys { .. }
        | Change::CopyLibrary { .. }
        | Change::LogInAsYou
        | Change::ConfigSet { .. } => false,
    }
}

/// Lines of the servers' logs that tell of deleted keys.
fn deletions(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    if let Some(folder) = &cluster.debris().folder {
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|end| end == "log") {
                let bytes = std::fs::read(&path)?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let node = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let tells = text.lines().filter(|line| line.contains("eleting keys"));
                lines.extend(tells.map(|line| format!("node {node}: {line}")));
            }
        }
    }
    Ok(lines)
}
