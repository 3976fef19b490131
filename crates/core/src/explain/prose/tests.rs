//! Many ways of saying each statement, and what only sounds like one.

use super::*;
use crate::explain::{Confidence, Paste, explain};

fn answer(text: &str) -> (String, Option<Confidence>) {
    let answer = explain(&[Paste { name: "notes".to_owned(), text: format!("{text}\n") }]);
    let confidence = answer.cause.as_ref().map(|cause| cause.confidence);
    (answer.cause.map_or_else(|| "-".to_owned(), |cause| cause.code), confidence)
}

/// The statements of a file: below `@CODE` what is to be understood as it, below `-CODE` what not.
fn each(file: &str, mut judge: impl FnMut(&str, &str)) {
    let mut code = "";
    for line in file.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_prefix(['@', '-']) {
            Some(name) => code = name,
            None => judge(code, line),
        }
    }
}

#[test]
fn what_is_told_in_words_is_understood() {
    let mut wrong = Vec::new();
    each(include_str!("said.txt"), |code, text| {
        let (given, confidence) = answer(text);
        if given != code || confidence == Some(Confidence::Shown) {
            wrong.push(format!("{code} expected, {given} ({confidence:?}) given: {text}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_denied_or_meant_otherwise_is_not_taken_for_it() {
    let mut wrong = Vec::new();
    each(include_str!("not_said.txt"), |codes, text| {
        let (given, _) = answer(text);
        if codes.split(',').any(|code| code == given) {
            wrong.push(format!("{given}: {text}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_statement_names_a_cause_in_plain_spelling() {
    for one in all() {
        let known = |code: &str| causes::all().any(|cause| cause.code == code);
        assert!(one.code.is_empty() || known(one.code), "{}", one.code);
        assert!(one.score < 85 && !one.shapes.is_empty(), "{}", one.code);
        assert!(one.over.iter().all(|(code, _)| known(code)), "{}", one.code);
    }
}

#[test]
fn causes_of_statements_read_well_without_figures() {
    for code in all().map(|one| one.code).filter(|code| !code.is_empty()) {
        causes::reads_well_without_figures(code);
    }
}
