//! The house rules that no compiler checks, as a test of the code itself.
//!
//! Each rule is a function from a file to complaints, so that each can be tested on a few lines.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Columns of a screen beside another.
const COLUMNS_MAX: usize = 100;
/// Lines of a function: what fits on a screen.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines of a file, without its tests.
const FILE_LINES_MAX: usize = 800;

/// Crates that `core` must not pull in: its purity is proved by its dependencies.
const IMPURE: [&str; 14] = [
    "tokio",
    "mio",
    "socket2",
    "rustls",
    "hyper",
    "async-std",
    "smol",
    "futures",
    "jiff",
    "chrono",
    "time",
    "rand",
    "tempfile",
    "libc",
];

/// Crates that nothing may pull in: one TLS stack, no C build beyond ring's assembly.
const BANNED: [&str; 7] =
    ["openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "cmake", "bindgen", "serde_yaml"];

/// Calls that `core` must not make, and what to do instead.
const NOT_IN_CORE: [(&str, &str); 7] = [
    ("SystemTime::now", "take the time as an argument"),
    ("Instant::now", "take the time as an argument"),
    ("std::net::Tcp", "sockets live in net"),
    ("std::fs::", "files live in the binary"),
    ("std::env::var", "settings are arguments"),
    ("thread::spawn", "core is single-threaded"),
    ("async fn", "core is synchronous"),
];

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    line: usize,
    what: String,
}

/// Runs all rules over all files.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let mut complaints = Vec::new();
    let mut files = 0;
    for file in rust_files(root)? {
        files += 1;
        let text = std::fs::read_to_string(&file)?;
        let place = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for complaint in check_file(&place, &text) {
            complaints.push(format!("{place}:{}: {}", complaint.line, complaint.what));
        }
    }
    complaints.extend(check_trees(root)?);
    complaints.extend(check_lock(&std::fs::read_to_string(root.join("Cargo.lock"))?));
    if !complaints.is_empty() {
        for complaint in &complaints {
            eprintln!("{complaint}");
        }
        bail!("{} complaints", complaints.len());
    }
    eprintln!("xtask: tidy: {files} files, nothing to complain about");
    Ok(())
}

fn rust_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root)
        .output()
        .context("run git ls-files")?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut files: Vec<PathBuf> =
        names.lines().map(|name| root.join(name)).filter(|file| file.exists()).collect();
    files.sort();
    if files.is_empty() {
        bail!("git ls-files names no Rust file");
    }
    Ok(files)
}

fn check_file(place: &str, text: &str) -> Vec<Complaint> {
    let code = without_tests(text);
    let mut complaints = wide_lines(text);
    complaints.extend(torn_words(text));
    complaints.extend(long_functions(&code));
    let length = code.lines().count();
    if length > FILE_LINES_MAX {
        complaints.push(Complaint {
            line: 1,
            what: format!("{length} lines without tests, at most {FILE_LINES_MAX}"),
        });
    }
    if !text.starts_with("//!") && !place.ends_with("build.rs") {
        complaints.push(Complaint { line: 1, what: "no module comment".to_owned() });
    }
    if place.starts_with("crates/core/src/") {
        complaints.extend(banned_calls(&code));
    }
    if place.starts_with("crates/core/src/findings/") && text.contains("finding! {") {
        complaints.extend(finding_rules(text));
    }
    complaints
}

/// The text before the tests, which stand at the end of a file.
fn without_tests(text: &str) -> String {
    match text.find("\n#[cfg(test)]\nmod tests") {
        Some(at) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

fn wide_lines(text: &str) -> Vec<Complaint> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.chars().count() > COLUMNS_MAX && !is_unbreakable(line))
        .map(|(at, line)| Complaint {
            line: at + 1,
            what: format!("{} columns, at most {COLUMNS_MAX}", line.chars().count()),
        })
        .collect()
}

/// A word that a string breaks after its hyphen is printed with a blank in it.
fn torn_words(text: &str) -> Vec<Complaint> {
    let is_torn = |line: &str| {
        let before = line.strip_suffix("- \\").and_then(|rest| rest.chars().last());
        before.is_some_and(char::is_alphanumeric)
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_torn(line));
    let what = "a word is broken at its hyphen: it is printed with a blank";
    lines.map(|(at, _)| Complaint { line: at + 1, what: what.to_owned() }).collect()
}

/// A line of one long string or address cannot be broken without harm.
fn is_unbreakable(line: &str) -> bool {
    let line = line.trim();
    line.contains("http") || line.contains('"') || line.starts_with("r#")
}

/// Functions are found by their indentation, which rustfmt guarantees.
fn long_functions(code: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in code.lines().enumerate() {
        if let Some((begun, end)) = &open {
            // A declaration in a trait has no body: its parameters close before a semicolon.
            let declared = line.ends_with(';') && line.starts_with(&end.replace('}', ")"));
            if declared {
                open = None;
            } else if line == end {
                let length = at + 1 - begun;
                if length > FUNCTION_LINES_MAX {
                    complaints.push(Complaint {
                        line: begun + 1,
                        what: format!("a function of {length} lines, at most {FUNCTION_LINES_MAX}"),
                    });
                }
                open = None;
            }
            continue;
        }
        let body = line.trim_start();
        if is_function(body) && !body.ends_with(['}', ';']) {
            let indent = &line[..line.len() - body.len()];
            open = Some((at, format!("{indent}}}")));
        }
    }
    complaints
}

fn is_function(line: &str) -> bool {
    let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let line = line.trim_start_matches("pub(super) ").trim_start_matches("const ");
    line.trim_start_matches("async ").starts_with("fn ")
}

fn banned_calls(code: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (at, line) in code.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (call, instead) in NOT_IN_CORE {
            if line.contains(call) {
                let what = format!("{call} in core: {instead}");
                complaints.push(Complaint { line: at + 1, what });
            }
        }
    }
    complaints
}

/// A finding has its headings, two tests and a scenario.
fn finding_rules(text: &str) -> Vec<Complaint> {
    const HEADINGS: [&str; 6] = [
        "## What it means",
        "## How it comes about",
        "## What we look at",
        "## The repair",
        "## Repair safety",
        "## By hand",
    ];
    let missing = HEADINGS.iter().filter(|heading| !text.contains(**heading));
    let mut complaints: Vec<Complaint> = missing
        .map(|heading| Complaint { line: 1, what: format!("no heading {heading:?}") })
        .collect();
    let tests = text.matches("#[test]").count();
    if tests < 2 {
        let what = format!("{tests} tests; one that fires and one that must not are the least");
        complaints.push(Complaint { line: 1, what });
    }
    complaints
}

/// The dependencies of `core` prove that it is pure.
fn check_trees(root: &Path) -> anyhow::Result<Vec<String>> {
    let listed = Command::new(env!("CARGO"))
        .args(["tree", "--package", "slotwright-core", "--edges", "normal", "--prefix", "none"])
        .current_dir(root)
        .output()
        .context("run cargo tree")?;
    if !listed.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let crates: Vec<&str> =
        names.lines().filter_map(|line| line.split(' ').next()).filter(|n| !n.is_empty()).collect();
    if !crates.contains(&"serde") {
        bail!("cargo tree shows no serde below core: the check would check nothing");
    }
    Ok(IMPURE
        .iter()
        .filter(|name| crates.contains(name))
        .map(|name| format!("crates/core: depends on {name}, so it is not pure"))
        .collect())
}

fn check_lock(lock: &str) -> Vec<String> {
    BANNED
        .iter()
        .filter(|name| lock.contains(&format!("name = \"{name}\"\n")))
        .map(|name| format!("Cargo.lock: {name} is banned, see deny.toml"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found_and_a_short_one_is_not() {
        let body = "    let x = 1;\n".repeat(FUNCTION_LINES_MAX);
        let long = format!("impl A {{\n    fn f() {{\n{body}    }}\n}}\n");
        assert_eq!(long_functions(&long).len(), 1);
        assert_eq!(long_functions("fn f() {\n    g();\n}\n"), []);
        let declared = long.replace("fn f() {", "fn d(\n        &self,\n    );\n    fn f() {");
        assert_eq!(long_functions(&declared).len(), 1);
    }

    #[test]
    fn a_wide_line_is_found() {
        assert_eq!(wide_lines(&"x".repeat(101)).len(), 1);
        assert_eq!(wide_lines(&"x".repeat(100)), []);
        assert_eq!(torn_words("\"cluster-node- \\\n timeout\"").len(), 1);
        assert_eq!(torn_words("\"cluster-node-timeout - \\\n or\""), []);
    }

    #[test]
    fn a_clock_in_core_is_found_but_not_in_a_comment() {
        assert_eq!(banned_calls("let now = SystemTime::now();").len(), 1);
        assert_eq!(banned_calls("// never SystemTime::now here"), []);
    }

    #[test]
    fn a_finding_without_pages_and_tests_is_found() {
        assert_eq!(finding_rules("finding! {}").len(), 7);
    }

    #[test]
    fn a_banned_crate_is_found_in_the_lock_file() {
        assert_eq!(check_lock("name = \"openssl-sys\"\n").len(), 1);
        assert!(check_lock("name = \"openssl-probe\"\n").is_empty());
    }

    #[test]
    fn tests_do_not_count_as_code() {
        assert_eq!(without_tests("fn a() {}\n\n#[cfg(test)]\nmod tests {}\n"), "fn a() {}\n");
    }
}
