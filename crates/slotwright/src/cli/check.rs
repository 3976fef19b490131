//! `slotwright check`: observe, diagnose, report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use slotwright_core::client_eye::{ClientEye, Verdict, verdicts};
use slotwright_core::diagnose::{Report, Severity, diagnose};
use slotwright_core::limits::PASTE_BYTES_MAX;
use slotwright_core::observation::{FORMAT, Observation};
use slotwright_net::{Limits, Target, block_on, client_eye, observe};

use super::codes;
use super::failure::Failure;
use super::target::{TargetArgs, duration, switch};
use super::{EXAMPLES_FIRST, INTERRUPTED};
use crate::render::{self, Colour, report::Detail};

/// Until the second look at what a healthy cluster may show for a moment.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(1_000);
/// A look that has less time than this would take slow nodes for dead ones.
const LOOK_AT_LEAST: Duration = Duration::from_millis(500);
/// Between two looks of `--wait`.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

/// Flags of `check`.
#[derive(Args, Debug)]
#[command(help_template = EXAMPLES_FIRST, before_help = "Examples:
  slotwright check 10.0.0.1:6379
  slotwright check redis-0:6379,redis-1:6379 --askpass
  slotwright check 10.0.0.1:6379 -o json > observation.json
  slotwright check --from observation.json --only SLOTS_UNASSIGNED
  slotwright check 10.0.0.1:6379 --as-client
  slotwright check 10.0.0.1:6379 --wait 5m && ./deploy", after_help = "\
A TIME is 5s, 500ms or 2m; a bare number is seconds.

Exit codes: 0 fine, 1 we failed, 2 usage, 3 findings at or above --fail-on,
4 nothing found but not everything could be seen, 130 interrupted.")]
pub struct CheckArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Count the keys of every slot on every node: finds keys in the wrong place
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_CENSUS")]
    census: bool,
    /// Judge a recorded observation instead of a cluster; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["watch", "wait"])]
    from: Option<PathBuf>,
    /// Only these findings
    #[arg(long, value_name = "CODE", value_delimiter = ',', env = "SLOTWRIGHT_ONLY")]
    only: Vec<String>,
    /// Not these findings
    #[arg(long, value_name = "CODE", value_delimiter = ',', env = "SLOTWRIGHT_SKIP")]
    skip: Vec<String>,
    /// The least severity that makes the exit code 3
    #[arg(long, value_enum, default_value = "error", env = "SLOTWRIGHT_FAIL_ON")]
    fail_on: FailOn,
    /// Look again and again, every so often
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "5s",
        value_parser = duration)]
    watch: Option<Duration>,
    /// Look until nothing at or above --fail-on is left, so long at most
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "5m",
        value_parser = duration, conflicts_with = "watch")]
    wait: Option<Duration>,
    /// Also meet the cluster as client libraries do at start-up, and say what each would raise
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_AS_CLIENT")]
    as_client: bool,
    /// How long everything together may take, a second look and --as-client too; with --watch or
    /// --wait, every round of it
    #[arg(long, value_name = "TIME", value_parser = duration, env = "SLOTWRIGHT_DEADLINE")]
    deadline: Option<Duration>,
    /// Count at once what a healthy cluster may show for a moment, instead of looking twice
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_NO_CONFIRM")]
    no_confirm: bool,
    /// How the result is written
    #[arg(short, long, value_enum, default_value = "table", env = "SLOTWRIGHT_OUTPUT")]
    output: Output,
    /// One line for each root cause, to be pasted
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_SHORT")]
    short: bool,
    /// All evidence, the slot map and who sees whom; -vv also how long each node took to answer
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// One line with the outcome, and nothing of what is waited for; json and yaml stay whole
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Colour
    #[arg(long, value_enum, default_value = "auto", env = "SLOTWRIGHT_COLOR")]
    color: Colour,
    /// Exit codes of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown
    #[arg(long, value_enum, env = "SLOTWRIGHT_EXIT_STYLE")]
    exit_style: Option<ExitStyle>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    Info,
    Warning,
    Error,
    Critical,
}

impl FailOn {
    const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
            Self::Critical => Severity::Critical,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A page for people.
    Table,
    /// The page with all evidence, the slot map and the matrix.
    Wide,
    /// One document with report and observation; --from reads it.
    Json,
    /// What json writes, as YAML.
    Yaml,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExitStyle {
    /// 0, 1, 2, 3.
    Nagios,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    report: &'a Report,
    observation: &'a Observation,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_client: Option<&'a AsClient>,
}

/// What `--as-client` adds.
#[derive(Debug, Serialize)]
struct AsClient {
    met: ClientEye,
    verdicts: Vec<Verdict>,
}

/// What `--from` reads: such a document, or an observation alone.
#[derive(Deserialize)]
struct Recorded {
    observation: Observation,
}

/// Looks, judges, reports. The number is the exit code.
///
/// # Errors
/// When flags make no sense, or a file cannot be read.
pub fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let filter = Filter::new(args)?;
    if let Some(file) = &args.from {
        // Of the environment, a target is a default; on the command line it is a contradiction.
        if !args.target.targets.is_empty() && std::env::var_os("SLOTWRIGHT_TARGET").is_none() {
            return Err(Failure::user("--from judges a recorded observation and takes no TARGET"));
        }
        let seen = read(file)?;
        let report = filter.apply(diagnose(&seen));
        return finish(args, &seen, &report, None);
    }
    let mut target = args.target.resolve()?;
    target.census = args.census;
    block_on(async {
        tokio::select! {
            // First, so that an interrupt is heard from the first moment to the last.
            biased;
            _ = tokio::signal::ctrl_c() => Ok(INTERRUPTED),
            code = live(args, &target, &filter) => code,
        }
    })?
}

/// A look at a cluster, or many.
async fn live(args: &CheckArgs, target: &Target, filter: &Filter) -> Result<u8, Failure> {
    match (args.watch, args.wait) {
        (Some(pause), _) => watch(args, target, filter, pause).await,
        (None, Some(limit)) => wait(args, target, filter, limit).await,
        (None, None) => {
            let budget = Budget::begin(args);
            let (seen, report) = look(args, &budget, target, filter).await;
            let met = as_client(args, &budget, target, &seen).await;
            let done = finish(args, &seen, &report, met.as_ref());
            // The process ends here: giving back thousands of small pieces is only waited for.
            std::mem::forget((seen, report));
            done
        }
    }
}

/// What is left of `--deadline`.
struct Budget {
    until: Option<Instant>,
}

impl Budget {
    fn begin(args: &CheckArgs) -> Self {
        Self { until: args.deadline.map(|deadline| Instant::now() + deadline) }
    }

    fn left(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    fn allows(&self, time: Duration) -> bool {
        self.left().is_none_or(|left| left >= time)
    }

    /// The target, to be waited for no longer than this share of what is left.
    fn of(&self, target: &Target, share: u32) -> Target {
        let mut target = target.clone();
        if let Some(left) = self.left() {
            target.timeout = target.timeout.min(left / share);
        }
        target
    }
}

/// One look, or two when the first shows what may pass by itself.
async fn look(
    args: &CheckArgs,
    budget: &Budget,
    target: &Target,
    filter: &Filter,
) -> (Observation, Report) {
    let limits = Limits::default();
    let target = &budget.of(target, 1);
    let waiting = |what: &str| (!args.quiet).then(|| render::Waiting::begin(what));
    let asking =
        waiting(&format!("asking the nodes, for {} s at most", target.timeout.as_secs_f32()));
    let mut seen = observe(target, &limits).await;
    drop(asking);
    let report = filter.apply(diagnose(&seen));
    if args.no_confirm || !report.all().any(|found| found.settles) {
        return (seen, report);
    }
    if !budget.allows(SECOND_LOOK_AFTER + LOOK_AT_LEAST) {
        seen.notes.push("--deadline left no time to look twice: some of this may pass".to_owned());
        return (seen, report);
    }
    let _again = waiting("looking once more: some of this may pass by itself");
    tokio::time::sleep(SECOND_LOOK_AFTER).await;
    let again = observe(&budget.of(target, 1), &limits).await;
    let second = filter.apply(diagnose(&again));
    let confirmed = second.confirmed_by(Some(&report));
    (again, confirmed)
}

/// What client libraries meet, when that is wanted.
async fn as_client(
    args: &CheckArgs,
    budget: &Budget,
    target: &Target,
    seen: &Observation,
) -> Option<AsClient> {
    if !args.as_client {
        return None;
    }
    if !budget.allows(LOOK_AT_LEAST) {
        render::aside("--deadline left no time for --as-client");
        return None;
    }
    // A client asks its seeds, then the nodes that they announce: each may take the whole time.
    let met = client_eye(&budget.of(target, 2), seen).await;
    let verdicts = verdicts(&met);
    Some(AsClient { met, verdicts })
}

async fn watch(
    args: &CheckArgs,
    target: &Target,
    filter: &Filter,
    pause: Duration,
) -> Result<u8, Failure> {
    loop {
        let budget = Budget::begin(args);
        let (seen, report) = look(args, &budget, target, filter).await;
        let met = as_client(args, &budget, target, &seen).await;
        finish(args, &seen, &report, met.as_ref())?;
        tokio::time::sleep(pause).await;
    }
}

async fn wait(
    args: &CheckArgs,
    target: &Target,
    filter: &Filter,
    limit: Duration,
) -> Result<u8, Failure> {
    let deadline = Instant::now() + limit;
    loop {
        let budget = Budget::begin(args);
        let (seen, report) = look(args, &budget, target, filter).await;
        let fine = exit_code(args, &report) == 0;
        if fine || Instant::now() + WAIT_PAUSE > deadline {
            let met = as_client(args, &budget, target, &seen).await;
            return finish(args, &seen, &report, met.as_ref());
        }
        if !args.quiet {
            let roots = report.roots.len();
            render::aside(&format!(
                "waiting: {}, {} s left",
                render::text::count(roots, "root cause"),
                deadline.saturating_duration_since(Instant::now()).as_secs()
            ));
        }
        tokio::time::sleep(WAIT_PAUSE).await;
    }
}

fn finish(
    args: &CheckArgs,
    seen: &Observation,
    report: &Report,
    met: Option<&AsClient>,
) -> Result<u8, Failure> {
    render::result(&written(args, seen, report, met)?)?;
    Ok(exit_code(args, report))
}

fn written(
    args: &CheckArgs,
    seen: &Observation,
    report: &Report,
    met: Option<&AsClient>,
) -> Result<String, Failure> {
    let document = Document {
        api_version: "slotwright/v1",
        kind: "Check",
        report,
        observation: seen,
        as_client: met,
    };
    let detail = if args.short {
        Detail::Short
    } else if args.verbose > 0 || args.output == Output::Wide {
        Detail::Full
    } else {
        Detail::Normal
    };
    match args.output {
        Output::Json => render::document::json(&document),
        Output::Yaml => render::document::yaml(&document),
        Output::Table | Output::Wide if args.quiet => {
            Ok(render::report::outcome(render::look(args.color), report))
        }
        Output::Table | Output::Wide => {
            let look = render::look(args.color);
            let mut page = render::report::draw(look, seen, report, detail);
            if args.verbose > 1 {
                page.push_str(&render::times::draw(look, seen));
            }
            if let Some(AsClient { met, verdicts }) = met {
                page.push_str(&render::client::draw(look, met, verdicts));
            }
            Ok(page)
        }
    }
}

fn exit_code(args: &CheckArgs, report: &Report) -> u8 {
    let worst = report.worst();
    if args.exit_style.is_some() {
        return match worst {
            Some(Severity::Critical | Severity::Error) => 2,
            Some(Severity::Warning) => 1,
            _ if !report.is_complete() => 3,
            _ => 0,
        };
    }
    if worst >= Some(args.fail_on.severity()) {
        3
    } else if report.is_complete() {
        0
    } else {
        4
    }
}

/// Reads a recorded observation.
///
/// # Errors
/// When it is none, or of a newer format.
pub fn read(file: &std::path::Path) -> Result<Observation, Failure> {
    let name = file.display();
    let text = super::input(file)?;
    if text.len() > PASTE_BYTES_MAX {
        return Err(Failure::user(format!("{name} is larger than {PASTE_BYTES_MAX} bytes")));
    }
    let seen = serde_json::from_str::<Recorded>(&text)
        .map(|recorded| recorded.observation)
        .or_else(|_| serde_json::from_str::<Observation>(&text))
        .map_err(|error| {
            Failure::with_hint(
                format!("{name} holds no observation: {error}"),
                "`slotwright check -o json` writes one; `slotwright explain` reads pasted text",
            )
        })?;
    if seen.format > FORMAT {
        return Err(Failure::with_hint(
            format!("{name} has format {}, this slotwright reads up to {FORMAT}", seen.format),
            "use the version of slotwright that wrote it, or a newer one",
        ));
    }
    Ok(seen)
}

/// `--only` and `--skip`.
#[derive(Debug)]
struct Filter {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Filter {
    fn new(args: &CheckArgs) -> Result<Self, Failure> {
        let codes = |given: &[String]| -> Result<Vec<String>, Failure> {
            given.iter().map(|code| Ok(codes::find(code)?.code())).collect()
        };
        Ok(Self { only: codes(&args.only)?, skip: codes(&args.skip)? })
    }

    fn apply(&self, report: Report) -> Report {
        if self.only.is_empty() && self.skip.is_empty() {
            return report;
        }
        report.keeping(|found| {
            (self.only.is_empty() || self.only.contains(&found.code))
                && !self.skip.contains(&found.code)
        })
    }
}
