//! `cargo xtask liar`: one member of six lies to `recover --yes`, by each strategy, beside five
//! honest nodes in each of several states, with a password and with every word of agreement that
//! there is short of a loss of data.
//!
//! What must hold, on the honest servers and at the attacker's address that only the liar names:
//! no step of a greater risk than is sent when that member is simply dead; no MEET towards the
//! attacker; no key lost; not a byte of a password; and when the liar is gone and the real node is
//! back, one more run ends healthy with every key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, ensure};
use slotwright_core::diagnose::Risk;
use slotwright_core::drive::Reply;
use slotwright_core::journal::{self, Entry};
use slotwright_core::model::SlotSet;
use slotwright_core::plan::{Change, Fact, Holds, Plan, Step};
use slotwright_core::scenario::{Act, At, Scenario, Server, Until};
use slotwright_core::wire::resp::{Decoder, Value};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::liar::{Liar, Past, Strategy};
use slotwright_lab::servers::{self, Binary};

use crate::ci::{say, step};
use crate::crashes::{CODES, lock, names};

const PASSWORD: &str = "opensesame";
/// The exit code of a run, and what it said.
type Ran = (Option<i32>, String);

/// The member that lies: a replica of the third primary.
const LIAR: usize = 5;
const SHARDS: usize = 3;
const KEYS: usize = 300;
/// A run that is not over by then hangs.
const RUN_SECONDS: &str = "120";

/// What is wrong with the five honest nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Healthy,
    OpenSlot,
    NoOwner,
    StaleAddresses,
}

const STATES: [State; 4] = [State::Healthy, State::OpenSlot, State::NoOwner, State::StaleAddresses];

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::OpenSlot => "a slot half moved",
            Self::NoOwner => "slots without owner",
            Self::StaleAddresses => "all addresses stale",
        }
    }

    fn breaks(self, cluster: &mut Cluster) -> anyhow::Result<()> {
        let honest = 0..LIAR;
        match self {
            Self::Healthy => {}
            Self::OpenSlot => {
                cluster.ask(1, "CLUSTER SETSLOT 7 IMPORTING {id0}")?;
                cluster.ask(0, "CLUSTER SETSLOT 7 MIGRATING {id1}")?;
            }
            Self::NoOwner => {
                for node in honest {
                    cluster.ask(node, "CLUSTER DELSLOTS 100 101 102")?;
                }
                cluster.act(&Act::Wait(Until::State(0, "fail"), 20_000))?;
            }
            Self::StaleAddresses => {
                for node in honest.clone() {
                    cluster.ask(node, "SAVE")?;
                    cluster.act(&Act::Stop(node))?;
                }
                for node in honest {
                    cluster.act(&Act::Start(node, At::Fresh, Vec::new()))?;
                }
                cluster.act(&Act::Wait(Until::State(0, "fail"), 20_000))?;
            }
        }
        Ok(())
    }

    /// The nodes that the user names beside the liar.
    fn named(self) -> &'static [usize] {
        match self {
            Self::StaleAddresses => &[0, 1, 2, 3, 4],
            _ => &[0, 1],
        }
    }
}

/// What is tried.
pub struct Options {
    /// Clusters at the same time.
    pub jobs: usize,
    /// The servers.
    pub servers: Vec<Server>,
    /// The strategies whose names contain one of these words; all if empty.
    pub only: Vec<String>,
}

/// What came of one lie.
#[derive(Debug, Default)]
struct Verdict {
    /// Steps that were sent.
    steps: usize,
    /// Of these, or of those that were planned when the member is dead, the grave ones.
    grave: BTreeSet<String>,
    /// The slots of each shard in the end.
    owned: Vec<SlotSet>,
    lost: usize,
    /// Bytes that the attacker's address received, and what must not be among them.
    attacker_heard: usize,
    wrong: Vec<String>,
}

type Key = (Server, State, Option<Strategy>);

struct Ground<'a> {
    root: &'a Path,
    program: PathBuf,
    binaries: &'a [Binary],
}

/// Runs all lies.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    step(root, "building slotwright", &["build", "--package", "slotwright"])?;
    let binaries = servers::ensure(&options.servers, &say)?;
    std::fs::create_dir_all(root.join(".cache/liar"))?;
    let program = root.join(".cache/liar/slotwright");
    // Whoever builds meanwhile does not change the program between two runs.
    std::fs::copy(root.join("target/debug/slotwright"), &program).context("copy the program")?;
    let ground = Ground { root, program, binaries: &binaries };
    let begun = Instant::now();
    let mut all: BTreeMap<Key, Verdict> = BTreeMap::new();
    // First what is done when the member is dead: the measure of all that follows.
    let dead = keys(options, |_| vec![None]);
    let measure = together(&ground, options.jobs, dead, &BTreeMap::new());
    let wanted = |strategy: &Strategy| {
        let name = format!("{strategy:?}").to_lowercase();
        options.only.is_empty() || options.only.iter().any(|word| name.contains(word.as_str()))
    };
    let lies = keys(options, |_| Strategy::ALL.into_iter().filter(wanted).map(Some).collect());
    ensure!(!lies.is_empty(), "no strategy has such a name");
    all.extend(together(&ground, options.jobs, lies, &measure));
    table(&options.servers, &measure, &all);
    println!("\n{} lies, {:.0} s", all.len(), begun.elapsed().as_secs_f64());
    let wrong: usize = measure.values().chain(all.values()).map(|one| one.wrong.len()).sum();
    ensure!(wrong == 0, "{wrong} complaints");
    Ok(())
}

fn keys(options: &Options, of: impl Fn(State) -> Vec<Option<Strategy>>) -> VecDeque<Key> {
    let states = |server: Server| STATES.map(|state| (server, state));
    let all = options.servers.iter().flat_map(|server| states(*server));
    all.flat_map(|(server, state)| {
        of(state).into_iter().map(move |strategy| (server, state, strategy))
    })
    .collect()
}

fn together(
    ground: &Ground<'_>,
    jobs: usize,
    keys: VecDeque<Key>,
    measure: &BTreeMap<Key, Verdict>,
) -> BTreeMap<Key, Verdict> {
    let (queue, done) = (Mutex::new(keys), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(key) = lock(&queue).pop_front() else { return };
                    let (server, state, strategy) = key;
                    let measured = measure.get(&(server, state, None));
                    let verdict = lie(ground, key, measured).unwrap_or_else(|error| Verdict {
                        wrong: vec![format!("{error:#}")],
                        ..Verdict::default()
                    });
                    for wrong in &verdict.wrong {
                        println!("{} {} {strategy:?}: {wrong}", server.name(), state.name());
                    }
                    lock(&done).insert(key, verdict);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn table(servers: &[Server], measure: &BTreeMap<Key, Verdict>, all: &BTreeMap<Key, Verdict>) {
    println!("\neach cell: steps sent, of which moving ownership or worse; ! is a complaint");
    println!("in brackets: bytes at the attacker's address, none of them of a password\n");
    for server in servers {
        let heads = STATES.map(|state| format!("{:<24}", state.name())).join("");
        println!("{:<16}{heads}", server.name());
        let strategies: BTreeSet<Option<Strategy>> = all.keys().map(|(_, _, s)| *s).collect();
        for strategy in std::iter::once(None).chain(strategies) {
            let name = strategy.map_or("(dead)".to_owned(), |one| format!("{one:?}"));
            let cell = |state: State| {
                let key = (*server, state, strategy);
                let Some(one) = all.get(&key).or_else(|| measure.get(&key)) else {
                    return format!("{:<24}", "-");
                };
                let mark = if one.wrong.is_empty() { "" } else { " !" };
                let heard = one.attacker_heard;
                format!("{:<24}", format!("{} / {} ({heard}){mark}", one.steps, one.grave.len()))
            };
            println!("{name:<16}{}", STATES.map(cell).join(""));
        }
    }
}

fn lie(ground: &Ground<'_>, key: Key, measure: Option<&Verdict>) -> anyhow::Result<Verdict> {
    let (server, state, strategy) = key;
    let scenario = Scenario::of(SHARDS, 1)
        .option(&format!("--requirepass {PASSWORD} --masterauth {PASSWORD}"))
        .keys(KEYS);
    let mut cluster = Cluster::build(&scenario, server, ground.binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 30_000))?;
    let past = Past::of(&mut cluster, LIAR)?;
    let at_liar = cluster.addresses(&[LIAR]);
    let before = names(&mut cluster)?;
    state.breaks(&mut cluster)?;
    cluster.act(&Act::Kill(LIAR))?;
    let liar = strategy.map(|one| Liar::start(&mut cluster, past, one)).transpose()?;
    let told = Until::Flag { on: 0, about: LIAR, flag: "fail?" };
    cluster.act(&Act::Wait(told, 20_000))?;
    let owned_before = owned(&mut cluster)?;
    for node in 0..LIAR {
        cluster.ask(node, "CONFIG RESETSTAT")?;
    }
    let named = cluster.addresses(state.named());
    let target = named.iter().chain(&at_liar).map(ToString::to_string).collect::<Vec<_>>();
    let name = format!("{}-{state:?}-{strategy:?}", server.name()).replace(['(', ')'], "-");
    let folder = ground.root.join(".cache/liar").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let ours =
        |folder: &Path, words: &[&str]| recover(&ground.program, &target.join(","), folder, words);
    // A liar may say for ever that something is under way.
    ours(&folder.join("0"), &["--timeout", "2s", "--patience", "5s"])?;
    let mut verdict = Verdict { owned: owned(&mut cluster)?, ..Verdict::default() };
    let attacker = liar.as_ref().map(Liar::attacker);
    weigh(&mut cluster, &folder.join("0"), attacker, measure, &mut verdict)?;
    if let Some(measure) = measure {
        verdict.wrong.extend(moved(&owned_before, &measure.owned, &verdict.owned));
    }
    if let Some(liar) = &liar {
        let heard = liar.heard_by_attacker();
        verdict.attacker_heard = heard.len();
        verdict.wrong.extend(secrets(&heard));
    }
    let after = names(&mut cluster)?;
    verdict.lost = before.difference(&after).count();
    if verdict.lost > 0 {
        verdict.wrong.push(format!("{} of {} keys are gone", verdict.lost, before.len()));
    }
    drop(liar);
    returns(&mut cluster, &before, &folder.join("1"), &ours, &mut verdict)?;
    Ok(verdict)
}

/// What was sent, against what is sent when the member is dead.
fn weigh(
    cluster: &mut Cluster,
    folder: &Path,
    attacker: Option<std::net::SocketAddr>,
    measure: Option<&Verdict>,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let (sent, planned) = steps_of(folder)?;
    verdict.steps = sent.len();
    // What gossip had done already was planned and not sent.
    for (plan, number) in if measure.is_none() { &planned } else { &sent } {
        let Some(step) = plan.steps.get(*number) else { continue };
        let line = named_by_number(cluster, &format!("{} on {}", step.change.line(), step.on));
        if attacker.is_some_and(|at| line.contains(&at.ip().to_string())) {
            verdict.wrong.push(format!("towards the attacker: {line}"));
        }
        // What a liar is told to do with itself harms nobody.
        let to_the_liar = line.ends_with(&format!(" on node {LIAR}"));
        if is_grave(step) && !to_the_liar {
            verdict.grave.insert(line);
        }
    }
    if let Some(measure) = measure {
        let more = verdict.grave.difference(&measure.grave);
        verdict.wrong.extend(more.map(|line| format!("on its word alone: {line}")));
    }
    verdict.wrong.extend(unaccounted(cluster, &sent)?);
    Ok(())
}

/// Slots that a shard has lost or got otherwise than when the member is dead.
fn moved(before: &[SlotSet], measure: &[SlotSet], now: &[SlotSet]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (shard, ((before, measure), now)) in before.iter().zip(measure).zip(now).enumerate() {
        let taken = before.intersection(measure).difference(now);
        let given = now.difference(&before.union(measure));
        if !taken.is_empty() || !given.is_empty() {
            wrong.push(format!("shard {shard} lost the slots {taken}, and got {given}"));
        }
    }
    wrong
}

/// The real node is back: one more run must end healthy, with every key.
fn returns(
    cluster: &mut Cluster,
    before: &BTreeSet<String>,
    folder: &Path,
    ours: &dyn Fn(&Path, &[&str]) -> anyhow::Result<Ran>,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    cluster.act(&Act::Start(LIAR, At::Same, Vec::new()))?;
    let answers = Until::Answers(LIAR, "PING".to_owned(), "PONG".to_owned());
    cluster.act(&Act::Wait(answers, 10_000))?;
    let (code, said) = ours(folder, &[])?;
    if code != Some(0) {
        verdict.wrong.push(format!("without the liar the run ends with {code:?}: {said}"));
    }
    let after = names(cluster)?;
    let lost = before.difference(&after).count();
    if lost > 0 {
        verdict.wrong.push(format!("without the liar {lost} keys are gone"));
    }
    Ok(())
}

fn recover(program: &Path, target: &str, folder: &Path, words: &[&str]) -> anyhow::Result<Ran> {
    let output = Command::new("timeout")
        .arg(RUN_SECONDS)
        .arg(program)
        .args(["recover", target, "--yes"])
        .args(words)
        .args(["--allow", &CODES.join(",")])
        .arg("--journal-dir")
        .arg(folder)
        .env("SLOTWRIGHT_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .output()
        .context("run slotwright")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(12).collect();
    Ok((output.status.code(), last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}

/// What an attacker must not hear.
fn secrets(heard: &[u8]) -> Vec<String> {
    let mut wrong = Vec::new();
    if String::from_utf8_lossy(heard).contains(PASSWORD) {
        wrong.push("the attacker heard the password".to_owned());
    }
    let mut decoder = Decoder::new();
    decoder.input().extend_from_slice(heard);
    while let Ok(Some(command)) = decoder.next_value() {
        let first = command.array().and_then(|words| words.first()).and_then(Value::bytes);
        if first.is_some_and(|word| word == b"AUTH" || word == b"HELLO") {
            wrong.push(format!("the attacker heard {}", first.unwrap_or_default().escape_ascii()));
        }
    }
    wrong
}

/// The slots of each shard, by the rows of its honest nodes about themselves: which of them leads
/// it, the servers decide by a failover of their own.
fn owned(cluster: &mut Cluster) -> anyhow::Result<Vec<SlotSet>> {
    let mut all = vec![SlotSet::new(); SHARDS];
    for node in 0..LIAR {
        let table = cluster.ask(node, "CLUSTER NODES")?.text();
        let own = table.lines().find(|line| line.contains("myself")).unwrap_or_default();
        let slots = &mut all[node % SHARDS];
        for range in own.split(' ').skip(8).filter(|range| !range.starts_with('[')) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            slots.insert(first.parse()?, last.parse()?);
        }
    }
    Ok(all)
}

/// A plan may have thousands of steps; they share it.
type Steps = Vec<(Rc<Plan>, usize)>;

/// The steps that were sent, each with its plan, and those that were planned.
fn steps_of(folder: &Path) -> anyhow::Result<(Steps, Steps)> {
    let (mut sent, mut planned) = (Vec::new(), Vec::new());
    for file in std::fs::read_dir(folder)? {
        let mut plan = None;
        for entry in journal::read(&std::fs::read(file?.path())?).entries {
            match (entry, &plan) {
                (Entry::Planned { plan: next }, _) => {
                    let next: Rc<Plan> = Rc::from(next);
                    planned.extend((0..next.steps.len()).map(|step| (Rc::clone(&next), step)));
                    plan = Some(next);
                }
                (Entry::StepReplied { step, reply }, Some(plan)) => {
                    let kept_back = |text: &str| {
                        text.contains("nothing was sent") || text.starts_with("cannot reach it")
                    };
                    if !matches!(&reply, Reply::Refused(text) if kept_back(text)) {
                        sent.push((Rc::clone(plan), step));
                    }
                }
                _ => {}
            }
        }
    }
    Ok((sent, planned))
}

/// Whether a step moves ownership or keys, or drops a copy, an identity or a member. What a newer
/// epoch moves is seen in the tables, and a replica that follows its own primary anew copies nobody
/// else: whether its link has come back by itself is a matter of moments.
fn is_grave(step: &Step) -> bool {
    let again = |primary| {
        let as_before = Fact::new(step.on, Holds::ReplicaOf { primary });
        step.guard.contains(&as_before)
    };
    match step.change {
        Change::BumpEpoch => false,
        Change::Replicate { primary } => !again(primary),
        Change::Forget { .. } | Change::Failover { .. } => true,
        _ => step.risk >= Risk::MovesOwnership,
    }
}

/// Ids differ between clusters; the numbers of their nodes do not.
fn named_by_number(cluster: &mut Cluster, line: &str) -> String {
    let mut line = line.to_owned();
    for node in 0..=LIAR {
        if let Ok(id) = cluster.expand(&format!("{{id{node}}}")) {
            line = line.replace(&id, &format!("node {node}"));
        }
    }
    line
}

/// What the honest servers counted of commands that change a cluster, and no step of ours sent: the
/// servers' own word that the journal is the whole of it.
fn unaccounted(cluster: &mut Cluster, sent: &[(Rc<Plan>, usize)]) -> anyhow::Result<Vec<String>> {
    let verbs: BTreeSet<String> = sent
        .iter()
        .filter_map(|(plan, number)| plan.steps.get(*number))
        .flat_map(|step| step.change.commands())
        .map(|words| words.iter().take(2).cloned().collect::<Vec<_>>().join("|").to_lowercase())
        .collect();
    let mut wrong = BTreeSet::new();
    for node in 0..LIAR {
        let text = cluster.ask(node, "INFO commandstats")?.text();
        for line in text.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
            let name = line.split(':').next().unwrap_or_default();
            let changes = [
                "cluster|addslots",
                "cluster|addslotsrange",
                "cluster|bumpepoch",
                "cluster|delslots",
                "cluster|delslotsrange",
                "cluster|failover",
                "cluster|flushslots",
                "cluster|forget",
                "cluster|meet",
                "cluster|replicate",
                "cluster|reset",
                "cluster|set-config-epoch",
                "cluster|setslot",
                "flushall",
                "flushdb",
                "shutdown",
                "slaveof",
                "replicaof",
            ];
            if changes.contains(&name) && !verbs.contains(name) {
                wrong.insert(format!("node {node} counted {name}, of which no journal tells"));
            }
        }
    }
    Ok(wrong.into_iter().collect())
}
