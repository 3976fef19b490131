//! The leash of the simulator: a script on real servers and in the model, compared after each move.
//!
//! What both must show is what the model shows once nothing more follows from a move. The servers
//! are looked at until they show the same, and have shown it for a while; what they show instead
//! when the time is up is a difference. So a script on which both agree takes as long as the
//! servers need, and no longer.
//!
//! Some ends are chance, on the servers as in the model: who hears of a failure first, whose packet
//! was under way when a slot was dropped. So the model runs several times, each with a chance of
//! its own; the servers must show, move by move, what one and the same run shows.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use slotwright_core::model::{NodeId, SLOT_COUNT, Slot};
use slotwright_core::observation::RowTable;
use slotwright_core::scenario::{Act, Scenario, Until};
use slotwright_core::wire::cluster_nodes;
use slotwright_sim::leash::{
    Difference, Divergence, NODE_TIMEOUT_MS, Names, Picture, Script, Shown, Stage, differences,
    explains, key_name, picture, reply_class,
};

use crate::client::Value;
use crate::cluster::{ANSWER, Cluster};
use crate::error::{Error, Result};
use crate::servers::Binary;

/// How long a cluster may take to stand.
const SETTLES_MS: u32 = 30_000;
/// How long the servers may take to show what the model shows.
const PATIENCE: Duration = Duration::from_secs(25);
/// So many times the model runs beside them.
const CHANCES: u64 = 16;
/// For how long they must show it after a move, and after the last one: longer than the node
/// timeout, after which a suspicion would have come up.
const HOLDS: Duration = Duration::from_millis(600);
const HOLDS_LAST: Duration = Duration::from_millis(2_500);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(120);
/// What the servers need besides: their data outlives a restart; and no replica goes to another
/// shard by itself, which the model leaves out.
const OPTIONS: &str = "--appendonly yes --cluster-migration-barrier 100";

/// What became of a script.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The script.
    pub script: Script,
    /// How often both sides were compared.
    pub compared: usize,
    /// Compared with another chance than the first, because that had shown something else.
    pub by_chance: usize,
    /// After which move they differed.
    pub after: Option<usize>,
    /// Differences that are known, and by which entry.
    pub explained: Vec<(&'static str, Difference)>,
    /// Those that are not.
    pub unexplained: Vec<Difference>,
    /// What both showed last: the model, the servers.
    pub last: (Picture, Picture),
    /// Why it could not be carried out.
    pub broken: Option<String>,
    /// In all.
    pub took_ms: u64,
}

impl Outcome {
    /// Carried out, and nothing unexplained.
    pub const fn is_fine(&self) -> bool {
        self.broken.is_none() && self.unexplained.is_empty()
    }
}

/// Carries scripts out, `jobs` at a time, and tells each as it is over.
pub fn run_all(
    scripts: Vec<Script>,
    binaries: &[Binary],
    jobs: usize,
    tell: &(dyn Fn(&Outcome) + Sync),
) -> Vec<Outcome> {
    let queue: Mutex<VecDeque<Script>> = Mutex::new(scripts.into());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(script) = next() {
                    let outcome = run(script, binaries);
                    tell(&outcome);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|outcome| outcome.script.seed);
    done
}

/// Carries one script out on both sides.
pub fn run(script: Script, binaries: &[Binary]) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome {
        script,
        compared: 0,
        by_chance: 0,
        after: None,
        explained: Vec::new(),
        unexplained: Vec::new(),
        last: (Picture::new(), Picture::new()),
        broken: None,
        took_ms: 0,
    };
    if let Err(error) = outcome.carry_out(binaries) {
        outcome.broken = Some(error.chain());
    }
    outcome.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    outcome
}

impl Outcome {
    fn carry_out(&mut self, binaries: &[Binary]) -> Result<()> {
        let chances = 0..CHANCES;
        let mut models: Vec<Stage> =
            chances.map(|chance| Stage::by_chance(&self.script, chance)).collect();
        let mut cluster = build(&self.script, binaries)?;
        let total = cluster.nodes.len();
        let moves = self.script.moves.clone();
        if self.differs(&mut models, &mut cluster, total, HOLDS) {
            return Ok(());
        }
        for (number, one) in moves.iter().enumerate() {
            self.after = Some(number);
            for (at, act) in one.acts.iter().enumerate() {
                let real = carry_out(&mut cluster, act)?;
                let said: Vec<Option<String>> = models
                    .iter_mut()
                    .map(|model| model.act(act).map_err(Error::Scenario))
                    .collect::<Result<_>>()?;
                if said.contains(&real) {
                    let mut said = said.iter();
                    models.retain(|_| said.next() == Some(&real));
                } else {
                    let model = said.into_iter().next().flatten();
                    let (at, after) = (format!("reply {at}"), one.what.clone());
                    self.sort_out(Difference { at, after, model, real });
                }
            }
            self.rest(&mut models, &one.what);
            let is_last = number + 1 == moves.len();
            let holds = if is_last { HOLDS_LAST } else { HOLDS };
            let differs = self.differs(&mut models, &mut cluster, total, holds);
            if differs || !self.unexplained.is_empty() || !self.explained.is_empty() {
                return Ok(());
            }
        }
        self.after = None;
        Ok(())
    }

    /// Lets every model come to rest, and goes on with those that did.
    fn rest(&mut self, models: &mut Vec<Stage>, after: &str) {
        let mut restless = None;
        let mut rested: Vec<bool> = Vec::with_capacity(models.len());
        for model in &mut *models {
            let rest = model.rest();
            rested.push(rest.is_ok());
            restless = restless.or(rest.err());
        }
        if rested.contains(&true) {
            let mut rested = rested.into_iter();
            models.retain(|_| rested.next() == Some(true));
            return;
        }
        let (at, after) = ("rest of the model".to_owned(), after.to_owned());
        self.sort_out(Difference { at, after, model: restless, real: None });
    }

    /// Looks at the servers until they show what a model shows, or until the time is up. Goes on
    /// with the models that show it.
    fn differs(
        &mut self,
        models: &mut Vec<Stage>,
        cluster: &mut Cluster,
        total: usize,
        holds: Duration,
    ) -> bool {
        let expected: Vec<Picture> = models.iter().map(Stage::picture).collect();
        let after = self.after.and_then(|number| self.script.moves.get(number));
        let after = after.map_or_else(String::new, |one| one.what.clone());
        let began = Instant::now();
        let mut since: Option<(Instant, usize)> = None;
        loop {
            let seen = look(cluster, total);
            let same = seen.as_ref().and_then(|seen| expected.iter().position(|one| one == seen));
            match (seen, same) {
                (Some(seen), Some(same)) => {
                    let (at, which) = *since.get_or_insert_with(|| (Instant::now(), same));
                    if which != same {
                        since = None;
                    } else if at.elapsed() >= holds {
                        self.compared += 1;
                        self.by_chance += usize::from(same != 0);
                        let mut expected = expected.iter();
                        models.retain(|_| expected.next() == Some(&seen));
                        self.last = (seen.clone(), seen);
                        return false;
                    }
                }
                (seen, _) => {
                    since = None;
                    if began.elapsed() > PATIENCE {
                        let (seen, expected) =
                            (seen.unwrap_or_default(), expected.into_iter().next());
                        let expected = expected.unwrap_or_default();
                        for difference in differences(&after, &expected, &seen) {
                            self.sort_out(difference);
                        }
                        self.compared += 1;
                        self.last = (expected, seen);
                        return true;
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn sort_out(&mut self, difference: Difference) {
        match explains(self.script.server, &difference) {
            Some(Divergence { id, .. }) => self.explained.push((id, difference)),
            None => self.unexplained.push(difference),
        }
    }
}

/// A healthy cluster with the ids and the keys of the model's.
fn build(script: &Script, binaries: &[Binary]) -> Result<Cluster> {
    let scenario = Scenario::of(script.primaries, script.replicas_each)
        .node_timeout_ms(NODE_TIMEOUT_MS)
        .option(OPTIONS);
    let total = script.primaries * (1 + script.replicas_each);
    let ids: Vec<String> = (1_u32..).take(total).map(|n| NodeId::made_up(n).to_string()).collect();
    let mut cluster = Cluster::build_with_ids(&scenario, script.server, binaries, &ids)?;
    cluster.act(&Act::Wait(Until::Settled, SETTLES_MS))?;
    for key in (0..script.keys).map(key_name) {
        let slot = usize::from(Slot::of_key(key.as_bytes()).get());
        let owner = ((slot + 1) * script.primaries).div_ceil(usize::from(SLOT_COUNT)) - 1;
        let said = cluster.ask(owner, &format!("SET {key} x"))?;
        if let Some(text) = said.error() {
            let said = text.to_owned();
            return Err(Error::Answer { node: owner, command: format!("SET {key} x"), said });
        }
    }
    Ok(cluster)
}

/// One act. An answer comes of a command only, and as its class.
fn carry_out(cluster: &mut Cluster, act: &Act) -> Result<Option<String>> {
    let Act::Send(node, line, _) = act else {
        cluster.act(act)?;
        return Ok(None);
    };
    let said = cluster.ask_within(*node, line, ANSWER)?;
    let text = said.text();
    Ok(Some(reply_class(text.trim_start_matches('-'))))
}

/// What the servers show; `None` while one of those that run does not answer.
fn look(cluster: &mut Cluster, total: usize) -> Option<Picture> {
    let running = cluster.running();
    let shown: Option<Vec<Shown>> =
        running.into_iter().map(|node| look_at(cluster, node)).collect();
    let names = names(cluster, total);
    Some(picture(&shown?, &names))
}

fn look_at(cluster: &mut Cluster, node: usize) -> Option<Shown> {
    let mut said = |command: &str| match cluster.ask(node, command) {
        Ok(Value::Text(text)) => Some(text),
        _ => None,
    };
    let table = said("CLUSTER NODES")?;
    let info = said("CLUSTER INFO")?;
    let replication = said("INFO replication")?;
    let Ok(Value::List(keys)) = cluster.ask(node, "KEYS *") else { return None };
    let mut rows = RowTable::default();
    let view = cluster_nodes::parse(table.as_bytes(), &mut rows);
    // A server that was loading when it started has not told its id yet.
    let own = table.lines().find(|line| line.contains("myself"))?.split(' ').next()?;
    cluster.node(node).ok()?.id = Some(own.to_owned());
    let number = |key: &Value| key.text().split_once('}')?.1.parse().ok();
    Some(Shown {
        node,
        rows: view.rows.iter().filter_map(|shown| rows.get(shown.row).cloned()).collect(),
        is_ok: info.contains("cluster_state:ok"),
        link_up: replication
            .contains("role:slave")
            .then(|| replication.contains("master_link_status:up")),
        keys: keys.iter().filter_map(number).collect::<BTreeSet<u32>>(),
    })
}

fn names(cluster: &Cluster, total: usize) -> Names {
    let mut names = Names::default();
    let parsed = |id: &Option<String>| NodeId::parse(id.as_deref()?.as_bytes()).ok();
    for (number, node) in cluster.nodes.iter().enumerate() {
        if let Some(id) = parsed(&node.id) {
            names.ids.insert(id, format!("{number}'"));
        }
        if let Some(id) = parsed(&node.first_id) {
            names.ids.insert(id, number.to_string());
        }
        if number < total {
            names.places.insert(node.first_ip.to_string(), format!("a{number}"));
        }
    }
    for fresh in 0..total * 8 {
        if let Some(ip) = cluster.place.nth_fresh(fresh) {
            names.places.insert(ip.to_string(), format!("f{fresh}"));
        }
    }
    names
}
