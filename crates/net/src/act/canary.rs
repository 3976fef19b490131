//! Canary keys: written through every primary, read from every other node by following
//! redirections, and removed.
//!
//! Invariants: a key that is there is never overwritten (`NX`), and only what this run wrote is
//! removed; what may have been written is removed whatever happened in between, over the same
//! connection, so that a server that hung carries out both in their order; what we do not come to,
//! the server removes by itself (`PX`). Credentials go only to addresses that the look trusts,
//! never to where a redirection points.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use slotwright_core::limits::{CANARY_EXPIRY_MS, REDIRECTS_MAX};
use slotwright_core::model::Endpoint;
use slotwright_core::observation::{Observation, Picture, Said, Silence};
use slotwright_core::verify::{Canary, FailedRead, Planned, plan_canaries};
use slotwright_core::wire::redirection::Redirection;
use slotwright_core::wire::resp::Value;
use tokio::task::JoinSet;

use super::ActToken;
use super::line::{Exchange, Line, Lines};
use super::trial::Trial;
use crate::observe::Trusted;
use crate::target::{Limits, Target};

/// Answers of one run: canaries times nodes. About 50 MiB.
const READS_MAX: usize = 1_000_000;
/// Failed reads of one canary that are kept.
const FAILED_READS_MAX: usize = 20;

/// Writes, reads and removes. `run` tells this run from every other and is the value that is
/// written; a letter or digit in each place. When `stop` is over, nothing more is read, and what
/// was written is removed. Each of the three parts takes no longer than the target's timeout.
pub async fn canaries(
    target: &Target,
    limits: &Limits,
    (seen, trusted): (&Observation, &Trusted),
    run: &str,
    token: ActToken,
    stop: impl Future<Output = ()>,
) -> Vec<Canary> {
    let picture = Picture::new(seen);
    let nodes = everybody(&picture);
    let mut planned = plan_canaries(&picture, run);
    planned.truncate(READS_MAX / nodes.len().max(1));
    let exchange = Exchange::new(target, limits, trusted);
    let shared = Arc::new(Run { exchange, token, planned, value: run.to_owned() });
    let (written, lines) = shared.write().await;
    let was_written = |number: &usize| written.get(*number) == Some(&Said::This(true));
    let keys: Vec<usize> = (0..shared.planned.len()).filter(was_written).collect();
    let mut reads = Reads::default();
    tokio::select! {
        biased;
        () = stop => {}
        () = reads.run(&shared, &nodes, &keys) => {}
    }
    let removed = shared.remove(&written, lines).await;
    (0..)
        .zip(&shared.planned)
        .zip(written)
        .zip(removed)
        .map(|(((number, planned), written), removed)| {
            let mut canary = Canary {
                key: planned.key.clone(),
                slot: planned.slot,
                owner: planned.owner,
                at: planned.at.clone(),
                written,
                read_from: 0,
                not_read_from: 0,
                failed_reads: Vec::new(),
                removed,
            };
            if canary.written == Said::This(true) {
                reads.tell(&nodes, number, &mut canary);
            }
            canary
        })
        .collect()
}

/// The addresses of all members that showed a table, each member once.
fn everybody(seen: &Picture<'_>) -> Vec<Endpoint> {
    let told = seen.members().filter_map(|(id, _)| seen.proved(id));
    told.filter(|sighting| sighting.nodes.get().is_some()).map(|s| s.from.clone()).collect()
}

/// What all tasks of a run share.
struct Run {
    exchange: Exchange,
    token: ActToken,
    planned: Vec<Planned>,
    value: String,
}

type Written = Vec<Said<bool>>;

impl Run {
    /// The numbers of the canaries at each owner.
    fn by_owner(&self) -> BTreeMap<Endpoint, Vec<usize>> {
        let mut owners: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
        for (number, planned) in self.planned.iter().enumerate() {
            owners.entry(planned.at.clone()).or_default().push(number);
        }
        owners
    }

    /// All owners at once. The connections are kept for removing.
    async fn write(self: &Arc<Self>) -> (Written, Lines) {
        let mut tasks = JoinSet::new();
        for (at, numbers) in self.by_owner() {
            let run = Arc::clone(self);
            tasks.spawn(async move {
                let (said, line) = run.write_at(&at, &numbers).await;
                (at, numbers, said, line)
            });
        }
        let mut written = vec![Said::default(); self.planned.len()];
        let mut lines = Lines::new();
        for (at, numbers, said, line) in tasks.join_all().await {
            put(&mut written, &numbers, said);
            lines.extend(line.map(|line| (at, line)));
        }
        (written, lines)
    }

    async fn write_at(&self, at: &Endpoint, numbers: &[usize]) -> (Written, Option<Line>) {
        let until = self.exchange.deadline();
        let mut line = match self.exchange.open(at, until).await {
            Ok(line) => line,
            Err(why) => return (vec![Said::Nothing(why); numbers.len()], None),
        };
        let keys = numbers.iter().filter_map(|number| self.planned.get(*number));
        let changes: Vec<Trial> = keys
            .map(|planned| Trial::SetCanary {
                key: planned.key.clone(),
                value: self.value.clone(),
                expiry_ms: CANARY_EXPIRY_MS,
            })
            .collect();
        let mut said = vec![Said::default(); numbers.len()];
        let keep = |number: usize, answer: Result<Value<'_>, Silence>| {
            if let Some(place) = said.get_mut(number) {
                *place = Said::from(answer.and_then(|value| match value {
                    Value::Status(b"OK") => Ok(true),
                    Value::Null => Ok(false),
                    _ => Err(Silence::Garbage("another answer than SET has".to_owned())),
                }));
            }
        };
        self.exchange.send(&mut line, &self.token, &changes, until, keep).await;
        (said, Some(line))
    }

    /// Removes what was written, or may have been: all owners at once.
    async fn remove(self: &Arc<Self>, written: &[Said<bool>], mut lines: Lines) -> Written {
        let mut tasks = JoinSet::new();
        for (at, mut numbers) in self.by_owner() {
            numbers.retain(|number| written.get(*number).is_some_and(may_be_there));
            // Where no connection came about nothing was sent.
            let Some(line) = lines.remove(&at).filter(|_| !numbers.is_empty()) else { continue };
            let run = Arc::clone(self);
            tasks.spawn(async move {
                let said = run.remove_at(&at, &numbers, line).await;
                (numbers, said)
            });
        }
        let mut removed = vec![Said::default(); self.planned.len()];
        for (numbers, said) in tasks.join_all().await {
            put(&mut removed, &numbers, said);
        }
        removed
    }

    /// Over the connection that wrote; over a new one where that has broken, or where the slot has
    /// moved in the meantime.
    async fn remove_at(&self, at: &Endpoint, numbers: &[usize], mut line: Line) -> Written {
        let mut said = self.delete(&mut line, numbers).await;
        let mut again: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
        for (place, one) in said.iter().enumerate() {
            let to = match one {
                Said::Nothing(Silence::Closed) => Some(at.clone()),
                Said::Nothing(Silence::Error(text)) => {
                    Redirection::parse(text).filter(|found| !found.ask).map(|found| found.from(at))
                }
                _ => None,
            };
            to.into_iter().for_each(|to| again.entry(to).or_default().push(place));
        }
        for (to, places) in again {
            let of = |place: &usize| numbers.get(*place).copied();
            let numbers: Vec<usize> = places.iter().filter_map(of).collect();
            let anew = match self.exchange.open(&to, self.exchange.deadline()).await {
                Ok(mut line) => self.delete(&mut line, &numbers).await,
                Err(why) => vec![Said::Nothing(why); numbers.len()],
            };
            put(&mut said, &places, anew);
        }
        said
    }

    async fn delete(&self, line: &mut Line, numbers: &[usize]) -> Written {
        let keys = numbers.iter().filter_map(|number| self.planned.get(*number));
        let changes: Vec<Trial> =
            keys.map(|planned| Trial::DelCanary(planned.key.clone())).collect();
        let mut said = vec![Said::default(); numbers.len()];
        let keep = |number: usize, answer: Result<Value<'_>, Silence>| {
            if let Some(place) = said.get_mut(number) {
                let shapeless = || Silence::Garbage("another answer than DEL has".to_owned());
                let removed = answer.and_then(|value| value.integer().ok_or_else(shapeless));
                *place = Said::from(removed.map(|number| number > 0));
            }
        };
        let until = self.exchange.deadline();
        self.exchange.send(line, &self.token, &changes, until, keep).await;
        said
    }

    /// Asks one node for these canaries; each with `ASKING` where an `ASK` sent us here.
    async fn read_at(
        &self,
        at: &Endpoint,
        line: Option<Line>,
        questions: Vec<Question>,
    ) -> (Vec<(Question, Answer)>, Option<Line>) {
        let until = self.exchange.deadline();
        let opened = match line {
            Some(line) => Ok(line),
            None => self.exchange.open(at, until).await,
        };
        let mut line = match opened {
            Ok(line) => line,
            Err(why) => {
                let silent = |question| (question, Answer::Silent(why.clone()));
                return (questions.into_iter().map(silent).collect(), None);
            }
        };
        let (mut changes, mut of) = (Vec::new(), Vec::new());
        for question in questions {
            let Some(planned) = self.planned.get(question.key) else { continue };
            if question.ask {
                changes.push(Trial::Asking);
                of.push(None);
            }
            changes.push(Trial::GetCanary(planned.key.clone()));
            of.push(Some(question));
        }
        let mut answers = Vec::with_capacity(of.len());
        let keep = |number: usize, answer: Result<Value<'_>, Silence>| {
            if let Some(Some(question)) = of.get(number) {
                answers.push((*question, Answer::of(answer, &self.value)));
            }
        };
        self.exchange.send(&mut line, &self.token, &changes, until, keep).await;
        (answers, Some(line))
    }
}

/// Puts what was said of some into the list of all.
fn put(all: &mut [Said<bool>], numbers: &[usize], said: Written) {
    for (number, said) in numbers.iter().zip(said) {
        if let Some(place) = all.get_mut(*number) {
            *place = said;
        }
    }
}

/// Whether a key is at the server, or may be: no answer is no refusal.
fn may_be_there(written: &Said<bool>) -> bool {
    match written {
        Said::This(ours) => *ours,
        Said::Nothing(why) => {
            matches!(why, Silence::NoReply | Silence::Closed | Silence::Garbage(_))
        }
    }
}

/// A canary that is asked of a node. Nodes and keys by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Question {
    at: usize,
    key: usize,
    ask: bool,
}

enum Answer {
    Same,
    Missing,
    Other(String),
    Silent(Silence),
}

impl Answer {
    fn of(answer: Result<Value<'_>, Silence>, written: &str) -> Self {
        match answer {
            Ok(Value::Null) => Self::Missing,
            Ok(value) if value.bytes() == Some(written.as_bytes()) => Self::Same,
            Ok(value) => {
                let text = value.text().unwrap_or_default();
                Self::Other(text.chars().take(written.len()).collect())
            }
            Err(why) => Self::Silent(why),
        }
    }
}

/// What is known of a question.
enum Heard {
    Same,
    SentTo { at: usize, ask: bool },
    Else(Said<Option<String>>),
}

/// All reads of a run. Each question is put once: where two nodes send to the same third one, its
/// answer is that to both.
#[derive(Default)]
struct Reads {
    places: Vec<Endpoint>,
    number_of: BTreeMap<Endpoint, usize>,
    heard: HashMap<Question, Heard>,
}

impl Reads {
    async fn run(&mut self, run: &Arc<Run>, nodes: &[Endpoint], keys: &[usize]) {
        let mut next = BTreeSet::new();
        for node in nodes {
            let at = self.number(node);
            next.extend(keys.iter().map(|key| Question { at, key: *key, ask: false }));
        }
        let mut lines: HashMap<usize, Line> = HashMap::new();
        for _ in 0..=REDIRECTS_MAX {
            let answers = self.round(run, &mut lines, std::mem::take(&mut next)).await;
            for (question, answer) in answers {
                let heard = self.understand(question, answer);
                if let Heard::SentTo { at, ask } = heard {
                    next.insert(Question { at, ask, ..question });
                }
                self.heard.insert(question, heard);
            }
            next.retain(|question| !self.heard.contains_key(question));
            if next.is_empty() {
                return;
            }
        }
    }

    /// Puts the questions, to all nodes at once.
    async fn round(
        &self,
        run: &Arc<Run>,
        lines: &mut HashMap<usize, Line>,
        questions: BTreeSet<Question>,
    ) -> Vec<(Question, Answer)> {
        let mut at_node: BTreeMap<usize, Vec<Question>> = BTreeMap::new();
        for question in questions {
            at_node.entry(question.at).or_default().push(question);
        }
        let mut tasks = JoinSet::new();
        for (number, questions) in at_node {
            let Some(at) = self.places.get(number).cloned() else { continue };
            let (run, line) = (Arc::clone(run), lines.remove(&number));
            tasks.spawn(async move { (number, run.read_at(&at, line, questions).await) });
        }
        let mut all = Vec::new();
        for (number, (answers, line)) in tasks.join_all().await {
            all.extend(answers);
            lines.extend(line.map(|line| (number, line)));
        }
        all
    }

    fn number(&mut self, at: &Endpoint) -> usize {
        if let Some(number) = self.number_of.get(at) {
            return *number;
        }
        self.places.push(at.clone());
        self.number_of.insert(at.clone(), self.places.len() - 1);
        self.places.len() - 1
    }

    fn understand(&mut self, question: Question, answer: Answer) -> Heard {
        let asked = self.places.get(question.at).cloned();
        match (answer, asked) {
            (Answer::Same, _) => Heard::Same,
            (Answer::Missing, _) => Heard::Else(Said::This(None)),
            (Answer::Other(value), _) => Heard::Else(Said::This(Some(value))),
            (Answer::Silent(Silence::Error(text)), Some(asked)) => {
                match Redirection::parse(&text) {
                    Some(found) => {
                        let ask = found.ask;
                        Heard::SentTo { at: self.number(&found.from(&asked)), ask }
                    }
                    None => Heard::Else(Said::Nothing(Silence::Error(text))),
                }
            }
            (Answer::Silent(why), _) => Heard::Else(Said::Nothing(why)),
        }
    }

    /// Follows what was heard, from each node.
    fn tell(&self, nodes: &[Endpoint], key: usize, canary: &mut Canary) {
        for node in nodes {
            match self.follow(node, key) {
                Ok(()) => canary.read_from += 1,
                Err(failed) => {
                    canary.not_read_from += 1;
                    if canary.failed_reads.len() < FAILED_READS_MAX {
                        canary.failed_reads.push(failed);
                    }
                }
            }
        }
    }

    fn follow(&self, from: &Endpoint, key: usize) -> Result<(), FailedRead> {
        let mut via = Vec::new();
        let mut next = self.number_of.get(from).map(|at| Question { at: *at, key, ask: false });
        let said = loop {
            match next.and_then(|question| self.heard.get(&question)) {
                Some(Heard::Same) => return Ok(()),
                Some(Heard::Else(said)) => break said.clone(),
                None => break Said::Nothing(Silence::NotAsked),
                Some(Heard::SentTo { .. }) if via.len() >= REDIRECTS_MAX => {
                    break Said::Nothing(Silence::Error("redirected without end".to_owned()));
                }
                Some(Heard::SentTo { at, ask }) => {
                    via.extend(self.places.get(*at).cloned());
                    next = Some(Question { at: *at, key, ask: *ask });
                }
            }
        };
        Err(FailedRead { from: from.clone(), via, said })
    }
}
