//! `slotwright lab`: real servers on this machine, broken on purpose.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use slotwright_core::findings;
use slotwright_core::scenario::{Scenario, Server};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::disasters::{self, Disaster};
use slotwright_lab::healthy::Health;
use slotwright_lab::outcome::{self, Outcome, Verdict};
use slotwright_lab::{Error, healthy, kept, run, servers};

use crate::render::lab as render;

/// What to do in the lab.
#[derive(Debug, Args)]
#[command(help_template = super::EXAMPLES_FIRST, before_help = "Examples:
  slotwright lab list
  slotwright lab run SLOT_OPEN --server redis-8.2
  slotwright lab run ALL_ADDRESSES_STALE --server valkey-9.1 --keep
  slotwright lab up --primaries 3 --replicas 1 --keys 1000
  slotwright lab down")]
pub struct LabArgs {
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Lists what can be broken, and how.
    List {
        /// `table`, or `json` with every act.
        #[arg(short, long, value_enum, default_value = "table")]
        output: ListOutput,
    },
    /// Breaks a cluster as a finding describes, and checks that it is found.
    Run(RunArgs),
    /// Looks at healthy clusters of several shapes, at rest, under load and after failovers.
    Healthy(HealthyArgs),
    /// Breaks clusters in two or three ways at once, chosen by a seed, and recovers them.
    Disasters(DisasterArgs),
    /// Starts a healthy cluster and lets it stand.
    Up(UpArgs),
    /// Ends the clusters that stand.
    Down,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListOutput {
    Table,
    Json,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Codes of findings.
    #[arg(required_unless_present = "all")]
    codes: Vec<String>,
    /// Every finding.
    #[arg(long, conflicts_with = "codes")]
    all: bool,
    /// On these servers; on all three if none is named.
    #[arg(long = "server", value_parser = server)]
    servers: Vec<Server>,
    /// Recover each cluster once its finding was found, and count the keys before and after.
    #[arg(long)]
    recover: bool,
    /// Let the broken clusters stand, to look at them by hand.
    #[arg(long)]
    keep: bool,
    /// Clusters at the same time.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// Write the outcomes to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Write the table of the outcomes to this file, as Markdown.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct HealthyArgs {
    /// On these servers; on all three if none is named.
    #[arg(long = "server", value_parser = server)]
    servers: Vec<Server>,
    /// Clusters at the same time.
    #[arg(long, default_value_t = 3)]
    jobs: usize,
}

#[derive(Debug, Args)]
struct DisasterArgs {
    /// How many.
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// The first seed; each disaster has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// On these servers in turn; on all three if none is named.
    #[arg(long = "server", value_parser = server)]
    servers: Vec<Server>,
    /// Clusters at the same time.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// Primaries.
    #[arg(long, default_value_t = 3)]
    primaries: usize,
    /// Replicas of each primary.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// The server.
    #[arg(long, value_parser = server, default_value = "redis-8.2")]
    server: Server,
    /// Keys to write.
    #[arg(long, default_value_t = 0)]
    keys: usize,
}

/// Carries out the command. The number is the exit code: 0, or 3 when a scenario was not found.
///
/// # Errors
/// When the machine, the registries or the servers do not do what is asked.
pub fn lab(args: &LabArgs) -> Result<u8, Error> {
    match &args.command {
        LabCommand::List { output: ListOutput::Table } => {
            render::list(findings::ALL);
            Ok(0)
        }
        LabCommand::List { output: ListOutput::Json } => {
            render::list_json(findings::ALL);
            Ok(0)
        }
        LabCommand::Run(args) => run_codes(args),
        LabCommand::Healthy(args) => look_at_healthy(args),
        LabCommand::Disasters(args) => disasters(args),
        LabCommand::Up(args) => up(args),
        LabCommand::Down => down(),
    }
}

fn run_codes(args: &RunArgs) -> Result<u8, Error> {
    let chosen = chosen(&args.servers);
    let codes: Vec<String> = args.codes.iter().map(|code| code.to_uppercase()).collect();
    let trials = run::trials(&codes, &chosen)?;
    let binaries = servers::ensure(&Server::ALL, &render::progress)?;
    servers::ensure_tools(&render::progress)?;
    let then = run::Then { recover: args.recover, keep: args.keep };
    let outcomes = if args.keep {
        let mut outcomes = Vec::new();
        for trial in &trials {
            let (outcome, kept) = run::run(trial, &binaries, then);
            render::outcome(&outcome);
            if let Some(kept) = kept {
                render::kept(&kept);
            }
            outcomes.push(outcome);
        }
        outcomes
    } else {
        run::run_all(&trials, &binaries, args.jobs, then, &render::outcome)
    };
    render::total(&outcomes);
    if let Some(path) = &args.results {
        outcome::write(path, &outcomes)?;
    }
    if let Some(path) = &args.table {
        outcome::write_track_record(path, &outcomes)?;
    }
    Ok(exit_code(&outcomes))
}

fn chosen(servers: &[Server]) -> Vec<Server> {
    if servers.is_empty() { Server::ALL.to_vec() } else { servers.to_vec() }
}

fn look_at_healthy(args: &HealthyArgs) -> Result<u8, Error> {
    let binaries = servers::ensure(&chosen(&args.servers), &render::progress)?;
    let all = healthy::look_at_all(&binaries, args.jobs, &render::health);
    render::alarms(&all);
    if all.iter().any(|health| health.broken.is_some()) {
        return Ok(1);
    }
    Ok(if all.iter().all(Health::is_fine) { 0 } else { 3 })
}

fn disasters(args: &DisasterArgs) -> Result<u8, Error> {
    let binaries = servers::ensure(&Server::ALL, &render::progress)?;
    let seeds = args.seed..args.seed.saturating_add(args.count);
    let chosen = chosen(&args.servers);
    let all = disasters::run_all(seeds, &chosen, &binaries, args.jobs, &render::disaster);
    render::disasters(&all);
    Ok(if all.iter().all(Disaster::is_fine) { 0 } else { 3 })
}

fn exit_code(outcomes: &[Outcome]) -> u8 {
    if outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Broken(_))) {
        return 1;
    }
    if outcomes.iter().all(Outcome::is_fine) { 0 } else { 3 }
}

fn up(args: &UpArgs) -> Result<u8, Error> {
    let binaries = servers::ensure(&[args.server], &render::progress)?;
    let scenario = Scenario::of(args.primaries, args.replicas).keys(args.keys);
    let cluster = Cluster::build(&scenario, args.server, &binaries)?;
    render::kept(&cluster.keep("up")?);
    Ok(0)
}

fn down() -> Result<u8, Error> {
    let all = kept::all()?;
    for kept in &all {
        kept.end()?;
        render::ended(kept);
    }
    if all.is_empty() {
        render::progress("no cluster of the lab stands");
    }
    Ok(0)
}

fn server(name: &str) -> Result<Server, String> {
    Server::named(name).ok_or_else(|| {
        let names = Server::ALL.map(Server::name);
        format!("there is no server {name}; there are {}", names.join(", "))
    })
}
