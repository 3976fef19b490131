//! Recovers a broken cluster of the lab as a person would, and counts the keys before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use slotwright_core::diagnose::{Report, Risk, Severity};
use slotwright_core::drive::{End, Outcome};
use slotwright_core::journal::{Ended, Entry};
use slotwright_core::model::Slot;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{Plan, Planning, Policy, repairs_of};
use slotwright_core::scenario::{Scenario, Server};
use slotwright_net::act::{ActToken, Attendant, JournalFile, Recovered, Stop, recover};
use slotwright_net::{Limits, Target, block_on};

use crate::client::Value;
use crate::cluster::Cluster;
use crate::error::{Doing, Result};

/// How a recovery went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Healing {
    /// How it ended.
    pub how: How,
    /// How it had to end.
    pub must: Must,
    /// Rounds in which something was sent.
    pub rounds: u32,
    /// From the first look to the end.
    pub took_ms: u64,
    /// Keys on all nodes that ran before it.
    pub keys: usize,
    /// What was sent and what came of it, a line each.
    pub story: Vec<String>,
    /// What is still wrong afterwards, above Info.
    pub left: Vec<String>,
}

/// How a recovery has to end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// Healed: a command of ours mends it.
    Heal,
    /// Refused, and why, although the finding can be repaired elsewhere.
    Refuse(String),
    /// Refused: no command to a server mends it. It may pass by itself.
    RefuseOrPass,
}

impl Must {
    /// What a finding and its scenario say.
    pub(crate) fn of(code: &str, scenario: &Scenario, server: Server) -> Self {
        match scenario.beyond_repair.iter().find(|(on, _)| *on == server) {
            Some((_, why)) => Self::Refuse((*why).to_owned()),
            None if repairs_of(code).is_empty() => Self::RefuseOrPass,
            None => Self::Heal,
        }
    }
}

impl Healing {
    /// Whether it ended as it had to.
    pub fn is_fine(&self) -> bool {
        match (&self.how, &self.must) {
            (How::Healed, Must::Heal | Must::RefuseOrPass) => true,
            // A refusal without a word is none.
            (How::Refused(why), Must::Refuse(_) | Must::RefuseOrPass) => !why.is_empty(),
            _ => false,
        }
    }
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// What the scenario is about is gone, every node says ok, and the owner of its slot has every
    /// key that was there.
    Healed,
    /// What the scenario is about is still there, with these reasons, and every key that was there
    /// is still there.
    Refused(Vec<String>),
    /// Keys are gone that were there.
    Lost(Vec<String>),
    /// It could not be carried out.
    Failed(String),
}

/// A key and the values that it has, by where it was seen.
type Keys = BTreeMap<String, BTreeSet<String>>;

/// Recovers a cluster, with the user's word to everything up to a risk. It is healed when the
/// finding of that code is gone; without a code, when nothing is left. On the thread of the
/// cluster.
pub(crate) fn heal(
    cluster: &mut Cluster,
    target: &Target,
    (code, must): (Option<&str>, Must),
    allow: Risk,
) -> Healing {
    let began = Instant::now();
    let mut healing = Healing {
        how: How::Failed(String::new()),
        must,
        rounds: 0,
        took_ms: 0,
        keys: 0,
        story: Vec::new(),
        left: Vec::new(),
    };
    match try_to_heal(cluster, target, code, allow, &mut healing) {
        Ok(how) => healing.how = how,
        Err(error) => healing.how = How::Failed(error.chain()),
    }
    healing.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    healing
}

fn try_to_heal(
    cluster: &mut Cluster,
    target: &Target,
    code: Option<&str>,
    allow: Risk,
    healing: &mut Healing,
) -> Result<How> {
    cluster.background.end_meddling();
    let before = keys_anywhere(cluster);
    healing.keys = before.len();
    let folder = cluster.folder().join("journal");
    let mut journal =
        JournalFile::begin(&folder, "recover").doing(|| "beginning a journal".to_owned())?;
    let entry = Entry::RunBegun { tool: "lab".to_owned(), at_ms: 0, target: "lab".to_owned() };
    journal.append(&entry).doing(|| "writing the journal".to_owned())?;
    let mut witness = Witness { allow, story: Vec::new() };
    let (limits, policy, stop) = (Limits::default(), Policy::default(), Stop::default());
    let run = recover(target, &limits, &policy, &mut journal, &stop, &mut witness);
    let done = block_on(run).and_then(|done| done).doing(|| "recovering".to_owned());
    healing.story = witness.story;
    let recovery = done?;
    healing.rounds = recovery.rounds;
    healing.left = still_wrong(&recovery.report);
    let mut reasons = match recovery.ended {
        Recovered::Over(Outcome::Healthy) => Vec::new(),
        Recovered::Over(Outcome::Stuck(refusals)) => refusals
            .into_iter()
            .map(|refusal| format!("{}: {}", refusal.code, refusal.why))
            .collect(),
        Recovered::Declined => vec!["a round of a risk that was not allowed".to_owned()],
        Recovered::Stopped => vec!["stopped".to_owned()],
    };
    let after = keys_anywhere(cluster);
    let lost: Vec<String> =
        before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    if !lost.is_empty() {
        return Ok(How::Lost(lost));
    }
    let said: Vec<bool> = recovery
        .last
        .sightings
        .iter()
        .filter_map(|sighting| Some(sighting.cluster_info.get()?.is("cluster_state", "ok")))
        .collect();
    let is_left = match code {
        Some(code) => recovery.report.all().any(|found| found.code == code),
        None => !reasons.is_empty(),
    };
    if is_left || said.contains(&false) {
        if reasons.is_empty() {
            reasons.push("it is not grave enough to act on".to_owned());
        }
        return Ok(How::Refused(reasons));
    }
    let unserved = unserved(cluster, &recovery.last, &before);
    Ok(if unserved.is_empty() { How::Healed } else { How::Lost(unserved) })
}

fn still_wrong(report: &Report) -> Vec<String> {
    let grave = report.roots.iter().map(|root| &root.found);
    let grave = grave.filter(|found| found.severity > Severity::Info);
    grave.map(|found| format!("{}: {}", found.code, found.message)).collect()
}

/// Every key that any running primary has, and any replica whose primary does not run.
fn keys_anywhere(cluster: &mut Cluster) -> Keys {
    let mut keys = Keys::new();
    for node in cluster.running() {
        let role = cluster.ask(node, "ROLE").map(|role| role.text()).unwrap_or_default();
        let copy = role.starts_with("slave") && role.contains("\nconnected\n");
        if copy {
            continue;
        }
        let Ok(Value::List(found)) = cluster.ask(node, "KEYS *") else { continue };
        for key in found {
            keys.entry(key.text()).or_default();
        }
    }
    keys
}

/// The keys that the owner of their slot does not have, or has with another value than the one
/// that the lab wrote.
fn unserved(cluster: &mut Cluster, seen: &Observation, keys: &Keys) -> Vec<String> {
    let mut missing = Vec::new();
    let nodes = cluster.running();
    let mut owners: BTreeMap<Slot, usize> = BTreeMap::new();
    for node in nodes {
        let address = cluster.addresses(&[node]);
        let own = seen.sightings.iter().find(|sighting| {
            address.iter().any(|at| {
                // Over TLS it was looked at on another port.
                let same = sighting.from.port == at.port() || sighting.certificate.get().is_some();
                sighting.from.host == at.ip().to_string() && same
            })
        });
        let Some(view) = own.and_then(|sighting| sighting.nodes.get()) else { continue };
        let rows = view.rows.iter().filter_map(|shown| seen.rows.get(shown.row));
        let mine = rows.filter(|row| {
            row.flags.has(slotwright_core::model::Flag::Myself) && !row.slots.is_empty()
        });
        for row in mine {
            owners.extend(row.slots.iter().map(|slot| (slot, node)));
        }
    }
    for key in keys.keys() {
        let slot = Slot::of_key(key.as_bytes());
        let said = owners.get(&slot).map(|node| cluster.ask(*node, &format!("GET {key}")));
        let right = match (&said, key.strip_prefix("key:")) {
            (Some(Ok(Value::Text(value))), Some(number)) if number.parse::<u32>().is_ok() => {
                *value == format!("value:{number}")
            }
            (Some(Ok(Value::Error(text))), _) => text.starts_with("WRONGTYPE"),
            (Some(Ok(Value::Nil)) | None, _) => false,
            (Some(said), _) => said.is_ok(),
        };
        if !right {
            missing.push(format!("{key} at the owner of its slot: {said:?}"));
        }
    }
    missing
}

/// Agrees, and remembers.
struct Witness {
    allow: Risk,
    story: Vec<String>,
}

impl Attendant for Witness {
    fn agree(&mut self, _: &Observation, _: &Report, planning: &Planning) -> Option<ActToken> {
        (planning.plan.risk() <= self.allow).then(ActToken::agreed)
    }

    fn recorded(&mut self, plan: &Plan, entry: &Entry) {
        let name = |step: &usize| {
            plan.steps.get(*step).map_or_else(String::new, |step| {
                format!("{} {}: {}", step.mends, step.on.short(), step.change.line())
            })
        };
        let line = match entry {
            Entry::Planned { plan } => format!("round of {} steps", plan.steps.len()),
            Entry::StepReplied { step, reply } => format!("{} -> {reply:?}", name(step)),
            Entry::StepEnded { step, ended: Ended::NotSeen(fact) } => {
                format!("{} -> not seen: {fact}", name(step))
            }
            Entry::RoundEnded { end: End::Done } => return,
            Entry::RoundEnded { end } => format!("round ended: {end:?}"),
            _ => return,
        };
        self.story.push(line);
    }

    fn waits(&mut self, why: &str) {
        let line = format!("waits: {why}");
        if self.story.last() != Some(&line) {
            self.story.push(line);
        }
    }
}
