//! `slotwright explain`: the page of a code, or the cause behind pasted evidence.

use std::path::PathBuf;

use clap::Args;
use slotwright_core::explain::Paste;

use super::codes;
use super::failure::Failure;
use crate::render::{self, Colour};

/// Flags of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  slotwright explain SLOTS_UNASSIGNED
  kubectl logs redis-0 | slotwright explain -
  slotwright explain nodes.txt info.txt client.log")]
pub struct ExplainArgs {
    /// A code; or files with pasted evidence, folders of them, - for standard input
    #[arg(required = true, value_name = "CODE|FILE")]
    what: Vec<PathBuf>,
    /// Colour
    #[arg(long, value_enum, default_value = "auto")]
    color: Colour,
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
    let answer = slotwright_core::explain::explain(&pastes(&args.what)?);
    render::result(&render::explanation::draw(look, &answer))?;
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
