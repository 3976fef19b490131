//! `slotwright recover`: round after round until the cluster is healthy, or it can be said
//! truthfully why not.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use slotwright_core::diagnose::{Report, Risk, diagnose};
use slotwright_core::drive::{End, Outcome};
use slotwright_core::journal::Entry;
use slotwright_core::model::Endpoint;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{Plan, Planning, Policy, Refusal, Step, plan, stamp};
use slotwright_core::verify::Verification;
use slotwright_net::act::{
    ActToken, Attendant, JournalFile, Recovered, Recovery, Stop, carry_out, recover as run,
};
use slotwright_net::{Limits, Target, block_on, observe_and_trust};
use slotwright_sim::rehearse::Rehearsal;

use super::failure::Failure;
use super::rehearse::RehearseArgs;
use super::target::TargetArgs;
use super::verify::prove;
use super::{EXAMPLES_FIRST, codes, journal};
use crate::render::{self, Colour, page::Page, plan::Steps};

/// Flags of `recover`.
#[derive(Args, Debug)]
#[command(help_template = EXAMPLES_FIRST, before_help = "Examples:
  slotwright recover 10.0.0.1:6379
  slotwright recover 10.0.0.1:6379 --dry-run
  slotwright recover 10.0.0.1:6379 --rehearse
  slotwright recover 10.0.0.1:6379 --yes -o json
  slotwright recover 10.0.0.1:6379 --allow QUORUM_LOST
  slotwright recover 10.0.0.1:6379 --gone 5f0c9a1b --dry-run
  slotwright recover plan.json", after_help = "\
Nothing is sent before you agree. Ctrl-C ends the step at hand and stops; the same command goes on
from there. What was sent, and what came of it, is in a journal: `slotwright journal show`.

With --rehearse the first round, and each that drops a copy, is carried out in a model of the
cluster before it is asked about, with all the rounds after it and under random faults. If a step
of ours loses a key there, it is not sent without your word for that very plan
(--accept-data-loss).

At the end stands the proof, as of `slotwright verify`: a key written and read through every
primary, every slot, owner, replica and key looked at, and the keys counted against the first look.

Exit codes: 0 healthy, 1 we failed, 2 usage, 3 something is left that we do not mend, 6 refused: a
round needs --yes, --allow or --accept-data-loss, 7 the plan is stale, 8 something was done and the
cluster is not healthy, or the proof failed, 130 interrupted.")]
pub struct RecoverArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Agree to every round that keeps every copy
    #[arg(short, long, env = "SLOTWRIGHT_YES", value_parser = super::target::switch)]
    yes: bool,
    /// Agree to drop a copy or an identity for this finding
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    allow: Vec<String>,
    /// A node that will never come back, by the first signs of its id: its slots go to the others
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = super::plan::id_head)]
    gone: Vec<String>,
    /// Agree to lose data, by the mark of the plan that says what may be lost
    #[arg(long, value_name = "PLAN")]
    accept_data_loss: Option<String>,
    #[command(flatten)]
    rehearse: RehearseArgs,
    /// Show the first round and send nothing
    #[arg(long)]
    dry_run: bool,
    /// How long something that is under way in the cluster is waited for: a load, an election
    #[arg(long, value_name = "TIME", default_value = "120s",
        value_parser = super::target::duration, env = "SLOTWRIGHT_PATIENCE")]
    patience: Duration,
    /// Where journals are kept
    #[arg(long, value_name = "FOLDER", env = "SLOTWRIGHT_JOURNAL_DIR")]
    journal_dir: Option<PathBuf>,
    /// How the outcome is written
    #[arg(short, long, value_enum, default_value = "table", env = "SLOTWRIGHT_OUTPUT")]
    output: Output,
    /// Every step and every condition of a round
    #[arg(short, long)]
    verbose: bool,
    /// Colour
    #[arg(long, value_enum, default_value = "auto", env = "SLOTWRIGHT_COLOR")]
    color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A page for people.
    Table,
    /// One document.
    Json,
    /// What json writes, as YAML.
    Yaml,
}

/// The outcome for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    outcome: &'static str,
    rounds: u32,
    keys_before: Option<u64>,
    keys_after: Option<u64>,
    journal: String,
    refusals: &'a [Refusal],
    /// What came of the rehearsal of the first round.
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<&'a Rehearsal>,
    /// What stands at the end of a recovery that ended healthy.
    verification: Option<&'a Verification>,
}

/// Recovers. The number is the exit code.
///
/// # Errors
/// When flags make no sense, or the journal cannot be written.
pub fn recover(args: &RecoverArgs) -> Result<u8, Failure> {
    let allow: BTreeSet<String> = args
        .allow
        .iter()
        .map(|code| Ok(codes::find(code)?.code()))
        .collect::<Result<_, Failure>>()?;
    let plan = match args.target.targets.as_slice() {
        [one] if Path::new(one).extension().is_some_and(|end| end == "json") => {
            Some(super::plan::read(Path::new(one))?)
        }
        _ => None,
    };
    let target = match &plan {
        Some(plan) => args.target.resolve_at(plan.nodes.values().cloned().collect())?,
        None => args.target.resolve()?,
    };
    let stop = Stop::default();
    let mut desk = Desk {
        args,
        allow,
        agreed: args.yes,
        policy: Policy {
            gone: args.gone.iter().cloned().collect(),
            patience_ms: u64::try_from(args.patience.as_millis()).unwrap_or(u64::MAX),
            ..Policy::default()
        },
        rehearsal: None,
        denied: None,
        before: None,
        dry: None,
        waits: String::new(),
        shown: Vec::new(),
    };
    if let Some(hint) = journal::unfinished(args.journal_dir.as_deref(), &target.seeds) {
        render::aside(&hint);
    }
    block_on(async {
        let ask_to_stop = async {
            while tokio::signal::ctrl_c().await.is_ok() {
                render::aside("stopping at the end of this step");
                stop.ask();
            }
        };
        tokio::select! {
            biased;
            done = go(args, &target, plan, &stop, &mut desk) => done,
            () = ask_to_stop => Ok(130),
        }
    })?
}

async fn go(
    args: &RecoverArgs,
    target: &Target,
    plan: Option<Plan>,
    stop: &Stop,
    desk: &mut Desk<'_>,
) -> Result<u8, Failure> {
    let limits = Limits::default();
    let mut book = Book::begin(args, &target.seeds)?;
    if let Some(plan) = plan {
        return carry_out_file(target, &limits, plan, stop, desk, &mut book).await;
    }
    let policy = desk.policy.clone();
    let recovery = run(target, &limits, &policy, book.open()?, stop, desk).await?;
    let proof = if recovery.ended == Recovered::Over(Outcome::Healthy) && recovery.rounds > 0 {
        let mut target = target.clone();
        target.census = true;
        let quiet = args.output != Output::Table;
        // Agreed to with the first round: it was carried out.
        let token = Some(ActToken::agreed());
        let before = desk.before.as_ref();
        prove(&target, before, token, quiet, pin!(stop.asked())).await
    } else {
        None
    };
    finish(args, desk, &recovery, proof.as_ref(), &mut book)
}

/// A journal that is begun when the first thing is written.
struct Book {
    file: JournalFile,
}

impl Book {
    fn begin(args: &RecoverArgs, seeds: &[Endpoint]) -> Result<Self, Failure> {
        let folder = journal::folder(args.journal_dir.as_deref())?;
        let now = jiff::Timestamp::now();
        let name = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut file = JournalFile::begin(&folder, &name).map_err(|error| {
            Failure::Environment(format!(
                "cannot begin a journal in {}: {error}; --journal-dir names another folder",
                folder.display()
            ))
        })?;
        let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        file.append(&Entry::RunBegun {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: millis(now),
            target,
        })?;
        Ok(Self { file })
    }

    fn open(&mut self) -> Result<&mut JournalFile, Failure> {
        Ok(&mut self.file)
    }

    fn end(&mut self, outcome: &str) -> Result<(), Failure> {
        let at_ms = millis(jiff::Timestamp::now());
        Ok(self.file.append(&Entry::RunEnded { at_ms, outcome: outcome.to_owned() })?)
    }
}

fn millis(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// Carries out a plan that was kept, if the cluster is still the one it was made for.
async fn carry_out_file(
    target: &Target,
    limits: &Limits,
    plan: Plan,
    stop: &Stop,
    desk: &mut Desk<'_>,
    book: &mut Book,
) -> Result<u8, Failure> {
    let mut whole = target.clone();
    whole.census = true;
    let (seen, trusted) = observe_and_trust(&whole, limits).await;
    let answers = seen.sightings.iter().filter_map(|sighting| sighting.myid.get());
    if !answers.into_iter().any(|id| plan.nodes.contains_key(id)) {
        render::failure("none of the nodes of this plan answers: it is for another cluster", None);
        book.end("foreign plan")?;
        return Ok(7);
    }
    if stamp(&seen) != plan.parent {
        let hint = "make a new one: `slotwright plan`";
        render::failure("the cluster has changed since this plan was made", Some(hint));
        book.end("stale plan")?;
        return Ok(7);
    }
    let planning = Planning { plan, refusals: Vec::new(), waiting: Vec::new(), later: Vec::new() };
    let Some(token) = desk.ask(&seen, &diagnose(&seen), &planning) else {
        book.end("not agreed to")?;
        return Ok(desk.declined());
    };
    let plan = planning.plan;
    let journal = book.open()?;
    journal.append(&Entry::Planned { plan: Box::new(plan.clone()) })?;
    let mut tell = |plan: &Plan, entry: &Entry| desk.recorded(plan, entry);
    let end = carry_out(target, (limits, &trusted), plan, &token, journal, stop, &mut tell).await?;
    let done = end == End::Done;
    book.end(if done { "the plan is done" } else { "the plan stopped" })?;
    Ok(match end {
        End::Done => 0,
        End::Changed { .. } | End::Blind { .. } => 7,
        End::Interrupted { .. } => 130,
        End::Refused { .. } | End::NotSeen { .. } | End::Differ { .. } => 8,
    })
}

fn finish(
    args: &RecoverArgs,
    desk: &Desk<'_>,
    recovery: &Recovery,
    proof: Option<&(Observation, Verification)>,
    book: &mut Book,
) -> Result<u8, Failure> {
    // Warnings do not keep a cluster from being healthy; why they stay is said all the same.
    let left = plan(&recovery.last, &recovery.report, &desk.policy).refusals;
    let (word, code, refusals): (&str, u8, &[Refusal]) = match &recovery.ended {
        _ if proof.is_some_and(|(_, proof)| proof.has_failed()) => ("healthy, not proved", 8, &[]),
        Recovered::Over(Outcome::Healthy) => ("healthy", 0, &left),
        Recovered::Over(Outcome::Stuck(refusals)) if recovery.rounds == 0 => {
            ("not mended", 3, refusals)
        }
        Recovered::Over(Outcome::Stuck(refusals)) => ("not healthy yet", 8, refusals),
        Recovered::Declined if recovery.rounds == 0 => ("as it was", desk.declined(), &[]),
        Recovered::Declined => ("nothing more was sent", desk.declined(), &[]),
        Recovered::Stopped => ("interrupted", 130, &[]),
    };
    book.end(word)?;
    let journal = book.file.path().display().to_string();
    let last = proof.map_or(&recovery.last, |(after, _)| after);
    let keys_before = desk.before.as_ref().and_then(keys);
    let keys_after = keys(last);
    let document = Document {
        api_version: "slotwright/v1",
        kind: "Recovery",
        outcome: word,
        rounds: recovery.rounds,
        keys_before,
        keys_after,
        journal: journal.clone(),
        refusals,
        rehearsal: desk.rehearsal.as_ref(),
        verification: proof.map(|(_, proof)| proof),
    };
    let text = match args.output {
        Output::Json => render::document::json(&document)?,
        Output::Yaml => render::document::yaml(&document)?,
        Output::Table => {
            let mut page = Page::new(render::look(args.color));
            if let Some((after, proof)) = proof {
                render::verification::checks(&mut page, after, proof);
                page.gap();
            }
            render::recovery::draw(
                &mut page,
                &render::recovery::Lines {
                    word,
                    fine: code == 0,
                    rounds: recovery.rounds,
                    keys: (keys_before, keys_after),
                    refusals,
                    journal: &journal,
                },
            );
            page.finish()
        }
    };
    render::result(&text)?;
    Ok(code)
}

/// The keys of all primaries, where they were counted on all of them.
fn keys(seen: &Observation) -> Option<u64> {
    let primaries = seen
        .sightings
        .iter()
        .filter(|sighting| sighting.info.get().is_some_and(|info| info.is("role", "master")));
    primaries
        .map(|sighting| Some(sighting.census.get()?.keys.iter().map(|(_, n)| n).sum::<u64>()))
        .sum()
}

/// Who shows rounds, asks, and tells.
struct Desk<'a> {
    args: &'a RecoverArgs,
    allow: BTreeSet<String>,
    /// Rounds that keep every copy need no further word.
    agreed: bool,
    policy: Policy,
    /// What came of the rehearsal of the first round.
    rehearsal: Option<Rehearsal>,
    /// Why a round was not agreed to.
    denied: Option<u8>,
    /// The first look, to which the last is compared.
    before: Option<Observation>,
    dry: Option<()>,
    waits: String,
    /// The steps of the round before.
    shown: Vec<Step>,
}

impl Desk<'_> {
    fn declined(&self) -> u8 {
        if self.dry.is_some() { 0 } else { self.denied.unwrap_or(6) }
    }

    fn ask(
        &mut self,
        seen: &Observation,
        report: &Report,
        planning: &Planning,
    ) -> Option<ActToken> {
        let look = render::look(self.args.color);
        let steps = if self.args.verbose { Steps::All } else { Steps::But(&self.shown) };
        let page = render::plan::draw(look, planning, steps);
        if self.args.output == Output::Table {
            render::result(&page).ok()?;
        }
        let plan = &planning.plan;
        self.shown.clone_from(&plan.steps);
        let objection = self.rehearse(seen, report, plan);
        if self.args.dry_run {
            self.dry = objection.is_none().then_some(());
            render::aside("dry run: nothing was sent");
            return None;
        }
        if let Err((what, hint)) = self.is_allowed(plan, objection) {
            render::failure(&what, Some(&hint));
            return None;
        }
        if !self.agreed && !self.confirm(plan) {
            return None;
        }
        self.agreed = true;
        Some(ActToken::agreed())
    }

    /// Rehearses the first round, and later ones that may cost a copy: the first rehearsal went on
    /// to them, but from what it foresaw. Why the user must be asked, if a key was lost.
    fn rehearse(&mut self, seen: &Observation, report: &Report, plan: &Plan) -> Option<String> {
        if self.rehearsal.is_some() && plan.risk() < Risk::DropsCopy {
            return None;
        }
        let rehearsal = self.args.rehearse.rehearse(seen, report, plan, &self.policy)?;
        if self.args.output == Output::Table {
            render::result(&render::rehearsal::draw(render::look(self.args.color), &rehearsal))
                .ok()?;
        }
        let objection = rehearsal.objection();
        self.rehearsal.get_or_insert(rehearsal);
        objection
    }

    /// Whether the user gave the word that steps of this risk need, beside the agreement to the
    /// round; else what is missing, and how it is given.
    fn is_allowed(&self, plan: &Plan, objection: Option<String>) -> Result<(), (String, String)> {
        let accepted = self.args.accept_data_loss.as_deref() == Some(plan.mark().as_str());
        let announced =
            (plan.risk() >= Risk::MayLoseData).then(|| "this round may lose data".to_owned());
        if let Some(why) = objection.or(announced).filter(|_| !accepted) {
            return Err((
                format!("{why}, which needs your word for this very plan"),
                format!("if you have read what it may cost, agree with {}", loss_flag(plan)),
            ));
        }
        let missing = drops_copies(plan).into_iter().filter(|code| !self.allow.contains(*code));
        let flags: Vec<String> = missing.map(|code| format!("--allow {code}")).collect();
        if flags.is_empty() {
            return Ok(());
        }
        Err((
            "this round drops a copy, which needs your word".to_owned(),
            format!("if you have read the plan, agree with {}", flags.join(" ")),
        ))
    }

    fn confirm(&mut self, plan: &Plan) -> bool {
        if !std::io::stdin().is_terminal() {
            let hint = "agree with --yes, or look first with --dry-run";
            render::failure("there is nobody to ask", Some(hint));
            return false;
        }
        let (_, risk) = render::plan::risk_of(plan.risk());
        render::question(&format!(
            "Send these {} steps ({risk}), and those of later rounds that keep every copy? [y/N] ",
            plan.steps.len()
        ));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer).is_ok();
        read && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

impl Attendant for Desk<'_> {
    fn agree(
        &mut self,
        seen: &Observation,
        report: &Report,
        planning: &Planning,
    ) -> Option<ActToken> {
        if self.before.is_none() {
            self.before = Some(seen.clone());
        }
        self.ask(seen, report, planning)
    }

    fn recorded(&mut self, plan: &Plan, entry: &Entry) {
        // The page of the round was shown before it was agreed to.
        let shown = matches!(entry, Entry::Planned { .. });
        if shown || !(self.args.verbose || render::plan::is_told(plan, entry)) {
            return;
        }
        if let Some(line) = render::plan::entry(Some(plan), entry) {
            render::aside(&line);
        }
    }

    fn waits(&mut self, why: &str) {
        if self.waits != why {
            render::aside(&format!("waiting: {why}"));
            why.clone_into(&mut self.waits);
        }
    }
}

/// The flag that agrees to what this very plan may lose.
fn loss_flag(plan: &Plan) -> String {
    format!("--accept-data-loss {}", plan.mark())
}

/// The codes of the steps that drop a copy.
fn drops_copies(plan: &Plan) -> BTreeSet<&str> {
    let grave = plan.steps.iter().filter(|step| step.risk == Risk::DropsCopy);
    grave.map(|step| step.mends.as_str()).collect()
}

/// The flags without which a plan is not carried out, each with a blank before it. `objected`:
/// whether its rehearsal lost a key.
pub(super) fn flags_of(plan: &Plan, objected: bool) -> String {
    let loses = objected || plan.risk() >= Risk::MayLoseData;
    let loss = loses.then(|| format!(" {}", loss_flag(plan)));
    let copies = drops_copies(plan).into_iter().map(|code| format!(" --allow {code}"));
    loss.into_iter().chain(copies).collect()
}
