//! `slotwright plan`: what `recover` would do first, and what it would refuse. Reads only.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use slotwright_core::diagnose::{Report, diagnose};
use slotwright_core::limits::PASTE_BYTES_MAX;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{FORMAT, Plan, Planning, Policy, plan as plan_for};
use slotwright_net::{Limits, Target, block_on, observe};
use slotwright_sim::rehearse::{Rehearsal, Rehearsing};

use super::EXAMPLES_FIRST;
use super::failure::Failure;
use super::recover::flags_of;
use super::rehearse::RehearseArgs;
use super::target::TargetArgs;
use crate::render::{self, Colour, plan::Steps};

/// Until the second look at what a healthy cluster may show for a moment.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(1_000);

/// Flags of `plan`.
#[derive(Args, Debug)]
#[command(help_template = EXAMPLES_FIRST, before_help = "Examples:
  slotwright plan 10.0.0.1:6379
  slotwright plan 10.0.0.1:6379 -o plan.json && slotwright recover plan.json
  slotwright plan --from observation.json
  slotwright plan 10.0.0.1:6379 --rehearse
  slotwright plan 10.0.0.1:6379 --detailed-exitcode || alert", after_help = "\
A plan is one round: after it, the cluster is looked at again.

--rehearse sends nothing either: it carries the plan and the rounds after it out in a model of what
was seen. --replay tells one of its schedules step by step.

Exit codes: 0 fine, 1 we failed, 2 usage, 5 there is something to do (with --detailed-exitcode),
6 a rehearsal lost a key through a step of the plan.")]
pub struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Plan for a recorded observation instead of a cluster; - reads standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// A node that will never come back, by the first signs of its id: its slots go to the others
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = id_head)]
    gone: Vec<String>,
    #[command(flatten)]
    rehearse: RehearseArgs,
    /// Tell the schedule of this number, which a rehearsal of the same observation named
    #[arg(long, value_name = "NUMBER", conflicts_with = "rehearse")]
    replay: Option<u64>,
    /// How the plan is written: table, json, yaml; or a file to keep it in for `recover`
    #[arg(short, long, value_name = "FORMAT|FILE", default_value = "table", value_parser = Out::parse)]
    output: Out,
    /// Every step and every condition
    #[arg(short, long)]
    verbose: bool,
    /// End with 5 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    /// Colour
    #[arg(long, value_enum, default_value = "auto", env = "SLOTWRIGHT_COLOR")]
    color: Colour,
}

/// Where a plan goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    Table,
    Json,
    Yaml,
    File(PathBuf),
}

impl Out {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "table" => Self::Table,
            "json" => Self::Json,
            "yaml" => Self::Yaml,
            file if file.contains(['.', '/']) => Self::File(PathBuf::from(file)),
            _ => return Err("it is table, json, yaml, or a file such as plan.json".to_owned()),
        })
    }
}

/// Signs of a node id that are enough to name it; as many as every page shows.
const ID_HEAD_MIN: usize = 8;

/// The first signs of a node id, or all of it.
///
/// # Errors
/// When it is too short, or no hexadecimal number.
pub fn id_head(text: &str) -> Result<String, String> {
    let is_head = text.len() >= ID_HEAD_MIN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_head {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("a node is named by its id, or the first {ID_HEAD_MIN} signs of it or more"))
    }
}

/// What `-o json` and a plan file hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanFile {
    api_version: String,
    kind: String,
    /// The plan with its refusals.
    pub planning: Planning,
    /// What came of its rehearsal.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    rehearsal: Option<Rehearsal>,
}

/// Looks, judges, plans. The number is the exit code.
///
/// # Errors
/// When flags make no sense, or a file cannot be written.
pub fn plan(args: &PlanArgs) -> Result<u8, Failure> {
    let policy = Policy { gone: args.gone.iter().cloned().collect(), ..Policy::default() };
    let (seen, report, planning) = match &args.from {
        Some(file) => {
            if !args.target.targets.is_empty() && std::env::var_os("SLOTWRIGHT_TARGET").is_none() {
                return Err(Failure::user(
                    "--from plans for a recorded observation and takes no TARGET",
                ));
            }
            let seen = super::check::read(file)?;
            let report = diagnose(&seen);
            let planning = plan_for(&seen, &report, &policy);
            (seen, report, planning)
        }
        None => {
            let mut target = args.target.resolve()?;
            target.census = true;
            block_on(look_and_plan(&target, &policy))?
        }
    };
    let look = render::look(args.color);
    if let Some(number) = args.replay {
        let case = Rehearsing::new(&seen, &report, &planning.plan, &policy).replay(number);
        render::result(&render::rehearsal::story(look, &case))?;
        return Ok(0);
    }
    let rehearsal = args.rehearse.rehearse(&seen, &report, &planning.plan, &policy);
    write(args, &planning, rehearsal.as_ref())?;
    Ok(match rehearsal.and_then(|rehearsal| rehearsal.objection()) {
        Some(_) => 6,
        None if args.detailed_exitcode && !planning.plan.steps.is_empty() => 5,
        None => 0,
    })
}

/// Writes the plan, and what came of its rehearsal.
fn write(
    args: &PlanArgs,
    planning: &Planning,
    rehearsal: Option<&Rehearsal>,
) -> Result<(), Failure> {
    let look = render::look(args.color);
    let page = || {
        let steps = if args.verbose { Steps::All } else { Steps::But(&[]) };
        let page = render::plan::draw(look, planning, steps);
        let tried = rehearsal.map(|rehearsal| render::rehearsal::draw(look, rehearsal));
        page + &tried.unwrap_or_default()
    };
    let file = || PlanFile {
        api_version: "slotwright/v1".to_owned(),
        kind: "Plan".to_owned(),
        planning: planning.clone(),
        rehearsal: rehearsal.cloned(),
    };
    match &args.output {
        Out::Table => render::result(&page())?,
        Out::Json => render::result(&render::document::json(&file())?)?,
        Out::Yaml => render::result(&render::document::yaml(&file())?)?,
        Out::File(path) => {
            let text = render::document::json(&file())?;
            std::fs::write(path, text).map_err(|error| {
                Failure::Environment(format!("cannot write {}: {error}", path.display()))
            })?;
            render::result(&page())?;
            let objected = rehearsal.and_then(Rehearsal::objection).is_some();
            render::aside(&format!(
                "kept in {0}; `slotwright recover {0}{1}` carries it out",
                path.display(),
                flags_of(&planning.plan, objected)
            ));
        }
    }
    Ok(())
}

/// A look, or two when the first shows what may pass by itself, and the plan for it.
async fn look_and_plan(target: &Target, policy: &Policy) -> (Observation, Report, Planning) {
    let limits = Limits::default();
    let (mut seen, mut report) = look(target, &limits).await;
    if report.all().any(|found| found.settles) {
        tokio::time::sleep(SECOND_LOOK_AFTER).await;
        let (again, second) = look(target, &limits).await;
        (seen, report) = (again, second.confirmed_by(Some(&report)));
    }
    let planning = plan_for(&seen, &report, policy);
    (seen, report, planning)
}

async fn look(target: &Target, limits: &Limits) -> (Observation, Report) {
    let seen = observe(target, limits).await;
    let report = diagnose(&seen);
    (seen, report)
}

/// Reads a plan file.
///
/// # Errors
/// When it is none, or of a newer format.
pub fn read(file: &std::path::Path) -> Result<Plan, Failure> {
    let name = file.display();
    let text = super::input(file)?;
    if text.len() > PASTE_BYTES_MAX {
        return Err(Failure::user(format!("{name} is larger than {PASTE_BYTES_MAX} bytes")));
    }
    let file: PlanFile = serde_json::from_str(&text).map_err(|error| {
        Failure::with_hint(
            format!("{name} holds no plan: {error}"),
            "`slotwright plan -o plan.json` writes one",
        )
    })?;
    let plan = file.planning.plan;
    if plan.format > FORMAT {
        return Err(Failure::user(format!(
            "{name} has format {}, this slotwright reads up to {FORMAT}",
            plan.format
        )));
    }
    Ok(plan)
}
