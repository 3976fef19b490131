//! The page of a finding, from its documentation.

use slotwright_core::diagnose::{Entry, code_of};

use super::page::{Ink, Look, Page};

/// Draws `slotwright explain CODE`.
pub fn draw(look: Look, entry: &Entry) -> String {
    let mut page = Page::new(look);
    let code = entry.code();
    let kind = format!("   {:?}, {:?}", entry.severity, entry.group).to_lowercase();
    page.line(&[(Ink::Strong, &code), (Ink::Faint, &kind)]);
    for paragraph in paragraphs(entry.doc) {
        if let Some(heading) = paragraph.strip_prefix("## ") {
            page.gap().line(&[(Ink::Strong, heading)]);
        } else {
            page.hang(&[(Ink::Plain, "  ")], Ink::Plain, &paragraph);
        }
    }
    if !entry.after.is_empty() {
        let causes: Vec<String> = entry.after.iter().map(|name| code_of(name)).collect();
        page.gap().line(&[(Ink::Strong, "Explained by, where both are found")]);
        page.hang(&[(Ink::Plain, "  ")], Ink::Plain, &causes.join(", "));
    }
    page.gap().line(&[(Ink::Strong, "See it happen")]);
    page.line(&[(Ink::Plain, &format!("  slotwright lab run {code}"))]);
    page.finish()
}

/// Lines joined to paragraphs; headings and the items of lists stand for themselves.
fn paragraphs(doc: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for line in doc.iter().map(|line| line.trim()) {
        let alone = line.starts_with("## ") || line.starts_with("- ") || line.starts_with("```");
        let listed = line.split_once(". ").is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        if line.is_empty() || line.starts_with("```") {
            open = false;
        } else if open && !alone && !listed {
            if let Some(last) = out.last_mut() {
                last.push(' ');
                last.push_str(line);
            }
        } else {
            out.push(line.to_owned());
            open = !line.starts_with("## ");
        }
    }
    out
}
