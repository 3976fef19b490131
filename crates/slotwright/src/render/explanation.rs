//! The answer to pasted evidence as a page: the likeliest cause, what shows it, the safe way out.

use slotwright_core::explain::{Confidence, Explained, Explanation};

use super::page::{Ink, Look, Page};

/// Draws `slotwright explain FILE`.
pub fn draw(look: Look, answer: &Explanation) -> String {
    let mut page = Page::new(look);
    match &answer.cause {
        Some(cause) => draw_cause(&mut page, cause),
        None => {
            page.line(&[
                (Ink::Warn, "unknown  "),
                (Ink::Plain, "nothing here points at one cause"),
            ]);
        }
    }
    if !answer.health.is_empty() {
        page.gap().hang(&[(Ink::Faint, "cluster  ")], Ink::Plain, &answer.health);
    }
    list(&mut page, "shown    ", Ink::Faint, &answer.shown);
    for other in &answer.alternatives {
        page.gap().hang(&[(Ink::Faint, "or else  ")], Ink::Strong, &other.code);
        page.hang(&[(Ink::Plain, "         ")], Ink::Plain, &other.title);
        page.hang(&[(Ink::Faint, "  check  ")], Ink::Plain, &other.check);
    }
    list(&mut page, "send     ", Ink::Strong, &answer.ask_for);
    page.gap();
    list(&mut page, "read     ", Ink::Faint, &answer.recognised);
    list(&mut page, "unread   ", Ink::Warn, &answer.unread);
    page.finish()
}

fn draw_cause(page: &mut Page, cause: &Explained) {
    let sure = match cause.confidence {
        Confidence::Possible => "possible  ",
        Confidence::Likely => "likely  ",
        Confidence::Shown => "shown  ",
    };
    page.line(&[(Ink::Bad, sure), (Ink::Strong, &cause.code)]);
    page.hang(&[(Ink::Plain, "  ")], Ink::Strong, &cause.title);
    page.hang(&[(Ink::Plain, "  ")], Ink::Plain, &cause.cause);
    for (at, quote) in cause.quotes.iter().enumerate() {
        let head = if at == 0 { "  proof  " } else { "         " };
        let text = format!("{}:{}: {}", quote.paste, quote.line, quote.text);
        page.hang(&[(Ink::Faint, head)], Ink::Plain, &text);
    }
    page.hang(&[(Ink::Faint, "  check  ")], Ink::Plain, &cause.check);
    for (at, step) in cause.fix.iter().enumerate() {
        let head = if at == 0 { "  fix    " } else { "         " };
        let number = format!("{}. ", at + 1);
        page.hang(&[(Ink::Good, head), (Ink::Faint, &number)], Ink::Plain, step);
    }
    list(page, "  never  ", Ink::Bad, &cause.never);
}

fn list(page: &mut Page, head: &str, ink: Ink, lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        let head = if at == 0 { head } else { "         " };
        page.hang(&[(ink, head)], Ink::Plain, line);
    }
}
