//! `slotwright explain`: the page of a code, or the cause behind pasted evidence.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Command, ValueEnum};
use serde::Serialize;
use slotwright_core::explain::{Explanation, Paste};

use super::codes;
use super::failure::Failure;
use crate::render::{self, Colour};

/// Flags of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  slotwright explain SLOTS_UNASSIGNED
  kubectl logs redis-0 | slotwright explain
  slotwright explain nodes.txt info.txt client.log
  slotwright explain incident/ -o json")]
pub struct ExplainArgs {
    /// A code; or files with pasted evidence, folders of them, - for standard input, which is also
    /// read when nothing is named and something is piped in
    #[arg(value_name = "CODE|FILE")]
    what: Vec<PathBuf>,
    /// How the answer is written
    #[arg(short, long, value_enum, default_value = "table", env = "SLOTWRIGHT_OUTPUT")]
    output: Output,
    /// Colour
    #[arg(long, value_enum, default_value = "auto", env = "SLOTWRIGHT_COLOR")]
    color: Colour,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A page for people.
    #[value(alias = "wide")]
    Table,
    /// One document; the schema is `slotwright schema explain`.
    Json,
    /// The same as YAML.
    Yaml,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    explanation: &'a Explanation,
}

/// What is wrong when nothing is named and nothing is piped in: nobody is to wait for a person who
/// does not know that he is asked to type.
pub fn lacks_evidence(args: &ExplainArgs, command: &mut Command) -> Option<String> {
    if !args.what.is_empty() || !std::io::stdin().is_terminal() {
        return None;
    }
    command.build();
    let own = command.find_subcommand_mut("explain")?;
    let wrong = "the following required arguments were not provided:\n  <CODE|FILE>...";
    Some(own.error(ErrorKind::MissingRequiredArgument, wrong).render().to_string())
}

/// Explains. The number is the exit code.
///
/// # Errors
/// When there is no such code or file.
pub fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let look = render::look(args.color);
    if let [only] = args.what.as_slice()
        && let Some(word) = only.to_str()
        && !only.exists()
        && codes::looks_like_one(word)
        && word != "-"
    {
        render::result(&render::doc::draw(look, codes::find(word)?))?;
        return Ok(0);
    }
    let piped = [PathBuf::from("-")];
    let what = if args.what.is_empty() { &piped[..] } else { &args.what };
    let answer = slotwright_core::explain::explain(&pastes(what)?);
    let document = Document { api_version: "slotwright/v1", kind: "Explain", explanation: &answer };
    render::result(&match args.output {
        Output::Table => render::explanation::draw(look, &answer),
        Output::Json => render::document::json(&document)?,
        Output::Yaml => render::document::yaml(&document)?,
    })?;
    Ok(0)
}

/// The files, and those of the folders, by name.
fn pastes(what: &[PathBuf]) -> Result<Vec<Paste>, Failure> {
    let mut files = Vec::new();
    for path in what {
        if path.is_dir() {
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path)? {
                inside.push(entry?.path());
            }
            inside.retain(|file| file.is_file());
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    files
        .iter()
        .map(|file| Ok(Paste { name: file.display().to_string(), text: super::input(file)? }))
        .collect()
}
