//! `cargo xtask leash`: the same scripts on the model and on real servers, compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::ensure;
use slotwright_core::scenario::Server;
use slotwright_lab::leash::{Outcome, run, run_all};
use slotwright_lab::run::trials;
use slotwright_lab::servers::{self, Binary};
use slotwright_sim::leash::{DIVERGENCES, Picture, Script, Stage};

use crate::ci::say;

/// The servers go round with the seeds, or it is always the same one.
fn script(seed: u64, server: Option<Server>) -> Script {
    let turn = usize::try_from(seed % 3).unwrap_or(0);
    Script::of(seed, server.unwrap_or(Server::ALL[turn]))
}

/// Runs scripts with the seeds from `seed` on.
pub fn run_many(
    scripts: u64,
    seed: u64,
    jobs: usize,
    server: Option<Server>,
) -> anyhow::Result<()> {
    let wanted = server.map_or_else(|| Server::ALL.to_vec(), |server| vec![server]);
    let binaries = servers::ensure(&wanted, &say)?;
    let all: Vec<Script> = (seed..seed + scripts).map(|seed| script(seed, server)).collect();
    compare(all, &binaries, jobs)
}

/// Runs the scenarios of the findings, those that the model has all acts of.
pub fn scenarios(jobs: usize, server: Option<Server>) -> anyhow::Result<()> {
    let wanted = server.map_or_else(|| Server::ALL.to_vec(), |server| vec![server]);
    let binaries = servers::ensure(&wanted, &say)?;
    let trials = trials(&[], &wanted).map_err(|error| anyhow::anyhow!("{}", error.chain()))?;
    let (mut all, mut lacking) = (Vec::new(), BTreeSet::new());
    for trial in trials {
        if trial.scenario.not_on.iter().any(|(not_on, _)| *not_on == trial.server) {
            continue;
        }
        match Script::of_scenario(&trial.code, &trial.scenario, trial.server) {
            Ok(script) if script.moves.is_empty() => {}
            Ok(script) => all.push(script),
            Err(why) => {
                lacking.insert(format!("{}: {why}", trial.code));
            }
        }
    }
    for why in &lacking {
        println!("not in the model: {why}");
    }
    println!("{} findings have scenarios that the model has no acts for", lacking.len());
    compare(all, &binaries, jobs)
}

fn compare(all: Vec<Script>, binaries: &[Binary], jobs: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (done, total) = (AtomicUsize::new(0), all.len());
    let outcomes = run_all(all, binaries, jobs, &|outcome| {
        let number = done.fetch_add(1, Ordering::Relaxed) + 1;
        eprintln!("{number:>4}/{total} {}", line(outcome));
        for difference in &outcome.unexplained {
            eprintln!("          {difference:?}");
        }
    });
    sum_up(&outcomes);
    println!(
        "{} scripts in {:.0} s, {jobs} at a time",
        outcomes.len(),
        begun.elapsed().as_secs_f64()
    );
    let bad = outcomes.iter().find(|outcome| !outcome.is_fine());
    if let Some(bad) = bad {
        let (seed, server) = (bad.script.seed, bad.script.server.name());
        ensure!(false, "replay one: cargo xtask leash --replay {seed} --server {server}");
    }
    Ok(())
}

fn line(outcome: &Outcome) -> String {
    let script = &outcome.script;
    let what: Vec<&str> = script.moves.iter().map(|one| one.what.as_str()).collect();
    let verdict = match (&outcome.broken, outcome.unexplained.len(), outcome.explained.len()) {
        (Some(why), ..) => format!("BROKEN: {why}"),
        (None, 0, 0) => "agree".to_owned(),
        (None, 0, _) => format!("explained by {}", outcome.explained[0].0),
        (None, count, _) => {
            let after = outcome.after.map_or("the start".to_owned(), |n| format!("move {n}"));
            format!("{count} DIFFERENCES after {after}")
        }
    };
    format!(
        "seed {} {} {}+{} {:.1} s: {verdict}: {}",
        script.seed,
        script.server.name(),
        script.primaries,
        script.primaries * script.replicas_each,
        outcome.took_ms as f64 / 1_000.0,
        what.join("; "),
    )
}

fn sum_up(outcomes: &[Outcome]) {
    println!(
        "{:<12} {:>7} {:>8} {:>9} {:>9} {:>11} {:>6}",
        "server", "scripts", "compared", "by chance", "explained", "unexplained", "broken"
    );
    for server in Server::ALL {
        let mine: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| outcome.script.server == server).collect();
        if mine.is_empty() {
            continue;
        }
        let compared: usize = mine.iter().map(|outcome| outcome.compared).sum();
        let by_chance: usize = mine.iter().map(|outcome| outcome.by_chance).sum();
        let explained: usize = mine.iter().map(|outcome| outcome.explained.len()).sum();
        let unexplained: usize = mine.iter().map(|outcome| outcome.unexplained.len()).sum();
        let broken = mine.iter().filter(|outcome| outcome.broken.is_some()).count();
        println!(
            "{:<12} {:>7} {compared:>8} {by_chance:>9} {explained:>9} {unexplained:>11} {broken:>6}",
            server.name(),
            mine.len()
        );
    }
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, _) in outcomes.iter().flat_map(|outcome| &outcome.explained) {
        *uses.entry(*id).or_default() += 1;
    }
    for entry in DIVERGENCES {
        match uses.get(entry.id) {
            Some(count) => println!("{count:>5} explained by {}: {}", entry.id, entry.why),
            None => println!("    0 explained by {}: not used", entry.id),
        }
    }
}

/// Runs one seed in the model only, and shows it.
pub fn model(seed: u64, server: Option<Server>) -> anyhow::Result<()> {
    let script = script(seed, server);
    let mut stage = Stage::new(&script);
    for one in &script.moves {
        println!("{}", one.what);
        for act in &one.acts {
            let said = stage.act(act).map_err(anyhow::Error::msg)?;
            println!("    {act:?} {}", said.unwrap_or_default());
        }
        if let Err(changes) = stage.rest() {
            println!("    does not come to rest: {changes}");
        }
    }
    for (at, shown) in stage.picture() {
        println!("  {at:<16} {shown}");
    }
    Ok(())
}

/// Runs one seed, and shows both sides.
pub fn replay(seed: u64, server: Option<Server>) -> anyhow::Result<()> {
    let script = script(seed, server);
    for (number, one) in script.moves.iter().enumerate() {
        println!("move {number}: {}", one.what);
        for act in &one.acts {
            println!("    {act:?}");
        }
    }
    let binaries = servers::ensure(&[script.server], &say)?;
    let outcome = run(script, &binaries);
    side_by_side(&outcome.last.0, &outcome.last.1);
    println!("{}", line(&outcome));
    for (id, difference) in &outcome.explained {
        println!("explained by {id}: {difference:?}");
    }
    for difference in &outcome.unexplained {
        println!("unexplained: {difference:?}");
    }
    ensure!(outcome.is_fine(), "seed {seed}: the model and the servers differ");
    Ok(())
}

fn side_by_side(model: &Picture, real: &Picture) {
    println!("  {:<16} {:<42} servers", "what", "model");
    let mut all: Vec<&String> = model.keys().chain(real.keys()).collect();
    all.sort();
    all.dedup();
    for at in all {
        let none = "(none)".to_owned();
        let (one, other) = (model.get(at).unwrap_or(&none), real.get(at).unwrap_or(&none));
        let mark = if one == other { ' ' } else { '!' };
        println!("{mark} {at:<16} {one:<42} {other}");
    }
}
