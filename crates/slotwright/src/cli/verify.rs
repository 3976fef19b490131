//! `slotwright verify`: observe with a census, write and read canary keys, judge check by check.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde::Serialize;
use slotwright_core::observation::Observation;
use slotwright_core::verify::{self, Gathered, Verification};
use slotwright_net::act::{ActToken, canary::canaries, names_held_twice};
use slotwright_net::{Limits, Target, block_on, observe_and_trust};

use super::check::read;
use super::failure::Failure;
use super::target::{TargetArgs, switch};
use super::{EXAMPLES_FIRST, INTERRUPTED};
use crate::render::{self, Colour};

/// Flags of `verify`.
#[derive(Args, Debug)]
#[command(help_template = EXAMPLES_FIRST, before_help = "Examples:
  slotwright verify 10.0.0.1:6379
  slotwright verify 10.0.0.1:6379 --no-canary
  slotwright check 10.0.0.1:6379 --census -o json > before.json
  slotwright verify 10.0.0.1:6379 --before before.json", after_help = "\
A TIME is 5s, 500ms or 2m; a bare number is seconds.

Canary keys are named slotwright:canary:{...}:RUN, one in each range of slots of
each primary. No key that is there is overwritten; they are removed at the end,
and a server removes by itself, within a minute, what could not be removed.

Exit codes: 0 all checks passed, 1 we failed, 2 usage, 3 a check failed,
4 nothing failed but not everything could be seen, 130 interrupted.")]
pub struct VerifyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Write no canary keys, only look; keys held by two primaries are not named then
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_NO_CANARY")]
    no_canary: bool,
    /// Compare the number of keys with a recorded observation
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Verify a recorded observation instead of a cluster; - reads standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How the result is written
    #[arg(short, long, value_enum, default_value = "table", env = "SLOTWRIGHT_OUTPUT")]
    output: Output,
    /// One line with the outcome, and nothing of what is waited for; json and yaml stay whole
    #[arg(short, long)]
    quiet: bool,
    /// Colour
    #[arg(long, value_enum, default_value = "auto", env = "SLOTWRIGHT_COLOR")]
    color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A page for people.
    Table,
    /// One document with the checks and the observation; --before reads it.
    Json,
    /// What json writes, as YAML.
    Yaml,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    verification: &'a Verification,
    observation: &'a Observation,
}

/// Observes, tries, judges. The number is the exit code.
///
/// # Errors
/// When flags make no sense, or a file cannot be read.
pub fn verify(args: &VerifyArgs) -> Result<u8, Failure> {
    let before = args.before.as_deref().map(read).transpose()?;
    if let Some(file) = &args.from {
        // Of the environment, a target is a default; on the command line it is a contradiction.
        if !args.target.targets.is_empty() && std::env::var_os("SLOTWRIGHT_TARGET").is_none() {
            return Err(Failure::user(
                "--from verifies a recorded observation and takes no TARGET",
            ));
        }
        let after = read(file)?;
        let gathered =
            Gathered { before: before.as_ref(), after: &after, canaries: None, names: &[] };
        return finish(args, &after, &verify::verify(&gathered));
    }
    let mut target = args.target.resolve()?;
    target.census = true;
    // The one place where a run of this verb is agreed to: canaries are what it is called for.
    let token = (!args.no_canary).then(ActToken::agreed);
    block_on(live(args, &target, before.as_ref(), token))?
}

async fn live(
    args: &VerifyArgs,
    target: &Target,
    before: Option<&Observation>,
    token: Option<ActToken>,
) -> Result<u8, Failure> {
    // One for the whole run, so that an interrupt is heard from the first moment to the last.
    let interrupt = pin!(tokio::signal::ctrl_c());
    match prove(target, before, token, args.quiet, interrupt).await {
        Some((after, found)) => finish(args, &after, &found),
        None => Ok(INTERRUPTED),
    }
}

/// Looks, tries if it was agreed to, and judges; for `recover` as well. `None`: it was interrupted,
/// and what had been written is removed.
pub async fn prove(
    target: &Target,
    before: Option<&Observation>,
    token: Option<ActToken>,
    quiet: bool,
    mut interrupt: Pin<&mut impl Future>,
) -> Option<(Observation, Verification)> {
    let limits = Limits::default();
    let waiting = |what: &str| (!quiet).then(|| render::Waiting::begin(what));
    let asking = waiting("asking the nodes, and counting their keys");
    let (after, trusted) = tokio::select! {
        biased;
        _ = &mut interrupt => return None,
        looked = observe_and_trust(target, &limits) => looked,
    };
    drop(asking);
    let gathered = Gathered { before, after: &after, canaries: None, names: &[] };
    let first = verify::verify(&gathered);
    let Some(token) = token else { return Some((after, first)) };
    let _trying = waiting("writing, reading and removing canary keys");
    let looked = (&after, &trusted);
    let names = tokio::select! {
        biased;
        _ = &mut interrupt => return None,
        names = names_held_twice(target, &limits, looked, &first.held_twice, &token) => names,
    };
    let mut interrupted = false;
    let stop = stop(interrupt.as_mut(), &mut interrupted);
    // Not given up on an interrupt: what was written is removed first.
    let tried = canaries(target, &limits, looked, &run_name(), token, stop).await;
    let gathered = Gathered { canaries: Some(&tried), names: &names, ..gathered };
    let found = verify::verify(&gathered);
    (!interrupted).then_some((after, found))
}

async fn stop(interrupt: Pin<&mut impl Future>, interrupted: &mut bool) {
    interrupt.await;
    *interrupted = true;
}

/// A word that tells this run from every other: our process, and the time in milliseconds.
fn run_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}x{:x}", std::process::id(), since.as_millis())
}

fn finish(args: &VerifyArgs, after: &Observation, found: &Verification) -> Result<u8, Failure> {
    let document = Document {
        api_version: "slotwright/v1",
        kind: "Verify",
        verification: found,
        observation: after,
    };
    let look = render::look(args.color);
    render::result(&match args.output {
        Output::Json => render::document::json(&document)?,
        Output::Yaml => render::document::yaml(&document)?,
        Output::Table if args.quiet => render::verification::outcome(look, found),
        Output::Table => render::verification::draw(look, after, found),
    })?;
    Ok(exit_code(found))
}

fn exit_code(found: &Verification) -> u8 {
    if found.has_failed() {
        3
    } else if found.is_complete() {
        0
    } else {
        4
    }
}
