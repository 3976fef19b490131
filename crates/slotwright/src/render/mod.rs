//! The only code that prints: results to stdout, progress and errors to stderr.
#![expect(clippy::print_stderr, reason = "the only code that prints")]

pub mod client;
pub mod doc;
pub mod document;
pub mod explanation;
pub mod lab;
mod matrix;
pub mod page;
pub mod plan;
pub mod recovery;
pub mod rehearsal;
pub mod report;
mod slots;
pub mod text;
pub mod times;
pub mod verification;

use std::io::{IsTerminal as _, Write as _};

use page::Look;

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a page looks on our standard output.
pub fn look(colour: Colour) -> Look {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let terminal = std::io::stdout().is_terminal();
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => set("CLICOLOR_FORCE") || (terminal && !set("NO_COLOR") && !dumb),
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let unicode = locale.is_some_and(|name| name.to_lowercase().replace('-', "").contains("utf8"));
    Look { width: width(terminal), colour, unicode }
}

/// Columns: `COLUMNS`, the terminal's own, or 80. A page for people never gets wider than 100.
fn width(terminal: bool) -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let own = || terminal.then(terminal_size::terminal_size).flatten();
    let columns = said.or_else(|| own().map(|(width, _)| usize::from(width.0))).unwrap_or(80);
    columns.clamp(40, 100)
}

/// A result, to stdout. A reader that went away is no failure of ours.
///
/// # Errors
/// When the output cannot be written for another reason.
pub fn result(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Until something is shown to the person who waits: most looks are over sooner.
const WAITING_SHOWN_AFTER: std::time::Duration = std::time::Duration::from_millis(400);

/// Shows on a terminal what is waited for, until it is dropped. Elsewhere nothing is shown.
pub struct Waiting(Option<indicatif::ProgressBar>);

impl Waiting {
    /// Begins to wait for this.
    pub fn begin(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = indicatif::ProgressBar::new_spinner().with_message(text::plain(what));
        bar.enable_steady_tick(WAITING_SHOWN_AFTER);
        Self(Some(bar))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

/// A line for the person who waits, to stderr.
pub fn aside(line: &str) {
    eprintln!("{}", text::plain(line));
}

/// A question to the person at the terminal, to stderr; the answer is on the same line.
pub fn question(text: &str) {
    eprint!("{}", text::plain(text));
}

/// What is wrong with the command line, to stderr. The message may repeat arguments, which may
/// hold ends of lines: these are escaped where they stand, before the message's own lines are.
pub fn usage(message: &str) {
    let arguments: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let values = arguments.iter().filter_map(|word| Some(word.split_once('=')?.1));
    let repeated = arguments.iter().map(String::as_str).chain(values);
    let message = repeated
        .filter(|word| word.chars().any(text::is_obeyed))
        .fold(message.to_owned(), |message, word| message.replace(word, &text::plain(word)));
    for line in message.lines() {
        eprintln!("{}", text::plain(line));
    }
}

/// An error with its hint, to stderr.
pub fn failure(message: &str, hint: Option<&str>) {
    eprintln!("slotwright: {}", text::plain(message));
    if let Some(hint) = hint {
        eprintln!("  hint: {}", text::plain(hint));
    }
}
