//! `cargo xtask`: what one can do in this repository.
//!
//! `demo` and `test` are the two commands of the README; `ci` is what runs before anything lands.

mod bench;
mod ci;
mod codegen;
mod crashes;
mod demo;
mod fuzz;
mod leash;
mod liar;
mod new_finding;
mod races;
mod sim;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A schedule of the simulator allocates all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What one can do in this repository")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The outage that slotwright exists for, on real servers, with all set-up.
    Demo,
    /// Installs what the tests need, then runs all of them.
    Test,
    /// What must pass before anything lands: test, fmt, clippy, tidy, codegen --check.
    Ci,
    /// Writes findings/mod.rs, docs/findings and the other generated files.
    Codegen {
        /// Only say whether they are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Checks the house rules that no compiler checks.
    Tidy,
    /// Figures, as ratios against the peer in the same run.
    Bench {
        /// What is measured.
        #[command(subcommand)]
        what: bench::Bench,
    },
    /// Kills `recover` at its n-th send, write and fsync, and runs it again, on real servers.
    Crashes {
        /// Takes each n-th crash point only.
        #[arg(long, default_value_t = 1)]
        every: usize,
        /// Takes those before the first step one by one as well: such a run has only looked.
        #[arg(long)]
        full: bool,
        /// Clusters at the same time.
        #[arg(long, default_value_t = 4)]
        jobs: usize,
        /// The server: redis-7.0, redis-8.2, valkey-9.1.
        #[arg(long, value_parser = bench::server, default_value = "redis-7.0")]
        server: slotwright_core::scenario::Server,
        /// The scenarios of these findings, whichever they are; without, of twelve.
        codes: Vec<String>,
    },
    /// Two and three of our runs at once, and `redis-cli --cluster fix` beside ours at each step.
    Races {
        /// Takes each n-th step only.
        #[arg(long, default_value_t = 1)]
        every: usize,
        /// Clusters at the same time.
        #[arg(long, default_value_t = 4)]
        jobs: usize,
        /// On this server only: redis-7.0, redis-8.2, valkey-9.1.
        #[arg(long, value_parser = bench::server)]
        server: Vec<slotwright_core::scenario::Server>,
        /// The scenarios of these findings only.
        codes: Vec<String>,
    },
    /// One of six nodes lies to `recover`, in every way, beside honest nodes in several states.
    Liar {
        /// Clusters at the same time.
        #[arg(long, default_value_t = 4)]
        jobs: usize,
        /// On this server only: redis-7.0, redis-8.2, valkey-9.1.
        #[arg(long, value_parser = bench::server)]
        server: Vec<slotwright_core::scenario::Server>,
        /// The strategies whose names contain one of these words.
        only: Vec<String>,
    },
    /// Random schedules in the modelled world, with every checker.
    Sim {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        schedules: u64,
        /// The seed of the first; each next one has the next number.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Runs this seed only, shortens it when it fails, and tells what was done.
        #[arg(long, conflicts_with = "schedules")]
        replay: Option<u64>,
        /// Plants known-bad behaviours one after another: each must be caught.
        #[arg(long, conflicts_with_all = ["schedules", "replay"])]
        bugs: bool,
        /// Seconds that each of them may take.
        #[arg(long, default_value_t = 60)]
        within: u64,
        /// Plants this bug only; with `--replay`, in that seed.
        #[arg(long)]
        bug: Option<String>,
        /// Looks for a schedule that brings up this mark, and prints it as a kept script.
        #[arg(long, conflicts_with_all = ["replay", "bugs", "prefixes"])]
        find: Option<String>,
        /// Kills the runs of so many schedules at every record of their journals.
        #[arg(long, conflicts_with_all = ["schedules", "replay", "bugs"])]
        prefixes: Option<u64>,
    },
    /// The same scripts in the modelled world and on real servers, compared.
    Leash {
        /// How many.
        #[arg(long, default_value_t = 200)]
        scripts: u64,
        /// The seed of the first; each next one has the next number.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Clusters at the same time.
        #[arg(long, default_value_t = 4)]
        jobs: usize,
        /// One server only (redis-7.0, redis-8.2, valkey-9.1); else they take turns.
        #[arg(long, value_parser = bench::server)]
        server: Option<slotwright_core::scenario::Server>,
        /// Runs this seed only, and shows both sides.
        #[arg(long, conflicts_with = "scripts")]
        replay: Option<u64>,
        /// The scenarios of the findings instead, as far as the model has their acts.
        #[arg(long, conflicts_with_all = ["scripts", "replay"])]
        scenarios: bool,
        /// Shows what the model does with that seed, without servers.
        #[arg(long, requires = "replay")]
        model: bool,
    },
    /// Runs the parsers on millions of inputs.
    Fuzz {
        /// How many inputs, shared among the targets.
        #[arg(long, default_value_t = 10_000_000)]
        inputs: u64,
        /// The seed that decides all of them.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One target only.
        #[arg(long)]
        only: Option<String>,
    },
    /// The same, in this very process.
    #[command(hide = true)]
    FuzzHere {
        /// See `fuzz`.
        #[arg(long)]
        inputs: u64,
        /// See `fuzz`.
        #[arg(long)]
        seed: u64,
        /// See `fuzz`.
        #[arg(long)]
        only: Option<String>,
    },
    /// Writes the file of a new finding.
    NewFinding {
        /// Its name in kebab case: half-moved-slot.
        name: String,
    },
}

fn main() -> ExitCode {
    let root = root();
    let done = match Args::parse().task {
        Task::Demo => demo::run(&root),
        Task::Test => ci::test(&root),
        Task::Ci => ci::run(&root),
        Task::Codegen { check } => codegen::run(&root, check),
        Task::Tidy => tidy::run(&root),
        Task::Crashes { every, full, jobs, server, codes } => {
            crashes::run(&root, crashes::Points { every, full }, jobs, server, &codes)
        }
        Task::Races { every, jobs, server, codes } => {
            let servers = bench::all_unless(&server).to_vec();
            races::run(&root, &races::Options { every, jobs, servers, codes })
        }
        Task::Liar { jobs, server, only } => {
            let servers = bench::all_unless(&server).to_vec();
            liar::run(&root, &liar::Options { jobs, servers, only })
        }
        Task::Sim { .. } if cfg!(debug_assertions) => sim::launch(&root),
        Task::Sim { replay: Some(seed), bug, .. } => sim::replay(seed, bug.as_deref()),
        Task::Sim { bugs: true, jobs, within, bug, .. } => {
            sim::bugs(jobs, std::time::Duration::from_secs(within), bug.as_deref())
        }
        Task::Sim { prefixes: Some(schedules), seed, jobs, .. } => {
            sim::prefixes(schedules, seed, jobs)
        }
        Task::Sim { find: Some(mark), schedules, seed, .. } => sim::find(&mark, schedules, seed),
        Task::Sim { schedules, seed, jobs, .. } => sim::run_many(&root, schedules, seed, jobs),
        Task::Leash { replay: Some(seed), server, model: true, .. } => leash::model(seed, server),
        Task::Leash { replay: Some(seed), server, .. } => leash::replay(seed, server),
        Task::Leash { scenarios: true, jobs, server, .. } => leash::scenarios(jobs, server),
        Task::Leash { scripts, seed, jobs, server, .. } => {
            leash::run_many(scripts, seed, jobs, server)
        }
        Task::Fuzz { inputs, seed, only } => fuzz::launch(&root, inputs, seed, only.as_deref()),
        Task::FuzzHere { inputs, seed, only } => fuzz::run(inputs, seed, only.as_deref()),
        Task::Bench { what } => bench::run(&root, &what),
        Task::NewFinding { name } => new_finding::run(&root, &name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top folder of the repository.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
