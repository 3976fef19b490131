//! `slotwright journal`: what earlier runs sent, and what came of it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use slotwright_core::journal::{Entry, Read, Story, read};
use slotwright_core::model::Endpoint;
use slotwright_core::plan::Plan;

use super::EXAMPLES_FIRST;
use super::failure::Failure;
use crate::render;

/// How many journals, the newest first, are looked through for one of the same target.
const JOURNALS_READ: usize = 20;

/// Flags of `journal`.
#[derive(Args, Debug)]
#[command(help_template = EXAMPLES_FIRST, before_help = "Examples:
  slotwright journal list
  slotwright journal show
  slotwright journal show 20261123T031500Z.journal")]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Debug, Subcommand)]
enum JournalCommand {
    /// Lists the journals, the newest last
    List {
        /// Where journals are kept
        #[arg(long, value_name = "FOLDER", env = "SLOTWRIGHT_JOURNAL_DIR")]
        journal_dir: Option<PathBuf>,
    },
    /// Tells the story of a run: the newest if none is named
    Show {
        /// A journal: its file, or its name in the folder
        file: Option<PathBuf>,
        /// Where journals are kept
        #[arg(long, value_name = "FOLDER", env = "SLOTWRIGHT_JOURNAL_DIR")]
        journal_dir: Option<PathBuf>,
    },
}

/// Shows journals. The number is the exit code.
///
/// # Errors
/// When a journal cannot be read.
pub fn journal(args: &JournalArgs) -> Result<u8, Failure> {
    match &args.command {
        JournalCommand::List { journal_dir } => {
            let folder = folder(journal_dir.as_deref())?;
            for path in all(&folder) {
                let told = load(&path)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                render::result(&format!(
                    "{}  {}\n",
                    render::text::plain(&name),
                    render::text::plain(&summary(&told))
                ))?;
            }
            Ok(0)
        }
        JournalCommand::Show { file, journal_dir } => {
            let path = match file {
                Some(file) if file.exists() => file.clone(),
                Some(name) => folder(journal_dir.as_deref())?.join(name),
                None => {
                    let folder = folder(journal_dir.as_deref())?;
                    all(&folder).pop().ok_or_else(|| {
                        Failure::user(format!("there is no journal in {}", folder.display()))
                    })?
                }
            };
            show(&path)?;
            Ok(0)
        }
    }
}

fn show(path: &Path) -> Result<(), Failure> {
    let told = load(path)?;
    let mut plan: Option<Plan> = None;
    for entry in &told.entries {
        if let Some(line) = render::plan::entry(plan.as_ref(), entry) {
            render::result(&format!("{}\n", render::text::plain(&line)))?;
        }
        if let Entry::Planned { plan: next } = entry {
            plan = Some((**next).clone());
        }
    }
    if let Some(damage) = &told.damage {
        render::result(&format!("the rest cannot be read: {}\n", render::text::plain(damage)))?;
    }
    if let Some(hint) = open_end(&told) {
        render::result(&format!("{hint}\n"))?;
    }
    Ok(())
}

fn load(path: &Path) -> Result<Read, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::Environment(format!("cannot read {}: {error}", path.display()))
    })?;
    Ok(read(&bytes))
}

/// The journals of a folder by name, which is by time.
fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "journal"))
        .collect();
    paths.sort();
    paths
}

fn summary(told: &Read) -> String {
    let target = told.entries.iter().find_map(|entry| match entry {
        Entry::RunBegun { target, .. } => Some(target.as_str()),
        _ => None,
    });
    let outcome = told.entries.iter().rev().find_map(|entry| match entry {
        Entry::RunEnded { outcome, .. } => Some(outcome.as_str()),
        _ => None,
    });
    let sent = told.entries.iter().filter(|e| matches!(e, Entry::StepBegun { .. })).count();
    let target = target.unwrap_or("?");
    format!("{target}  {sent} sent  {}", outcome.unwrap_or("did not end"))
}

/// What a run that did not end left behind.
fn open_end(told: &Read) -> Option<String> {
    let mut story = Story::default();
    for entry in &told.entries {
        story.take(entry).ok()?;
    }
    if story.is_over() || told.entries.is_empty() {
        return None;
    }
    Some(story.unanswered().map_or_else(
        || "the run did not end; `slotwright recover` looks again and goes on".to_owned(),
        |step| {
            format!(
                "the run ended while step {} was being sent: whether it was done is not known; \
                 `slotwright recover` looks",
                step + 1
            )
        },
    ))
}

/// A line about the newest journal of the same target that tells of a step or of an end, when it is
/// not the end.
pub fn unfinished(named: Option<&Path>, seeds: &[Endpoint]) -> Option<String> {
    let paths = all(&folder(named).ok()?);
    let newest = paths.iter().rev().take(JOURNALS_READ).find_map(|path| {
        let told = load(path).ok()?;
        let tells =
            |entry: &Entry| matches!(entry, Entry::StepBegun { .. } | Entry::RunEnded { .. });
        (is_about(&told, seeds) && told.entries.iter().any(tells)).then_some((path, told))
    });
    let (path, told) = newest?;
    let hint = open_end(&told)?;
    Some(format!("{}: {hint}", path.display()))
}

/// Whether a run was told one of these addresses, or planned for a node at one.
fn is_about(told: &Read, seeds: &[Endpoint]) -> bool {
    told.entries.iter().any(|entry| match entry {
        Entry::RunBegun { target, .. } => {
            target.split(',').any(|named| seeds.iter().any(|seed| seed.to_string() == named))
        }
        Entry::Planned { plan } => plan.nodes.values().any(|at| seeds.contains(at)),
        _ => false,
    })
}

/// Where journals are kept: the folder that is named, or the one of this user's state.
///
/// # Errors
/// When none is named and the user has no home.
pub fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    let state = state.ok_or_else(|| {
        Failure::with_hint("there is no folder for journals", "name one with --journal-dir")
    })?;
    Ok(state.join("slotwright/journal"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use slotwright_core::diagnose::Risk;
    use slotwright_core::model::NodeId;
    use slotwright_core::plan::{Change, FORMAT, Step};
    use slotwright_net::act::JournalFile;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn step(on: NodeId) -> Step {
        Step {
            mends: String::new(),
            on,
            change: Change::BumpEpoch,
            risk: Risk::Reversible,
            why: String::new(),
            guard: Vec::new(),
            expect: Vec::new(),
            within_ms: 1_000,
            stage: 0,
        }
    }

    /// A run that ended while it sent something, or before.
    fn leave(folder: &Path, name: &str, host: &str, sent: bool) -> Outcome {
        let (id, at) = (NodeId::made_up(1), Endpoint::new(host, 6379));
        let mut file = JournalFile::begin(folder, name)?;
        let target = "10.0.9.9:6379".to_owned();
        file.append(&Entry::RunBegun { tool: String::new(), at_ms: 0, target })?;
        if sent {
            let plan = Plan {
                format: FORMAT,
                tool: String::new(),
                parent: String::new(),
                nodes: BTreeMap::from([(id, at)]),
                steps: vec![step(id)],
                loss: Vec::new(),
                census: Vec::new(),
            };
            file.append(&Entry::Planned { plan: Box::new(plan) })?;
            file.append(&Entry::StepBegun { step: 0 })?;
        }
        Ok(())
    }

    #[test]
    fn a_run_of_the_same_target_that_sent_something_is_told() -> Outcome {
        let folder = tempfile::tempdir()?;
        let told = |host: &str| unfinished(Some(folder.path()), &[Endpoint::new(host, 6379)]);
        leave(folder.path(), "20260101T000001Z", "10.0.0.1", true)?;
        leave(folder.path(), "20260101T000002Z", "10.0.0.2", true)?;
        let hint = told("10.0.0.1").unwrap_or_default();
        assert!(hint.contains("20260101T000001Z") && hint.contains("step 1"), "{hint}");
        assert_eq!(told("10.0.0.3"), None, "another cluster");
        leave(folder.path(), "20260101T000003Z", "10.0.0.1", false)?;
        let hint = told("10.0.9.9").unwrap_or_default();
        assert!(hint.contains("20260101T000002Z"), "the newest that sent something: {hint}");
        Ok(())
    }
}
