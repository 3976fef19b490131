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
        let text = format!("{}:{}: {}", quote.paste, quote.line, short_ids(&quote.text));
        page.hang(&[(Ink::Faint, head)], Ink::Plain, &text);
    }
    // What is shown needs no check before the fix; what is not, does.
    let shown = cause.confidence == Confidence::Shown;
    if !shown {
        page.hang(&[(Ink::Faint, "  check  ")], Ink::Plain, &cause.check);
    }
    for (at, step) in cause.fix.iter().enumerate() {
        let head = if at == 0 { "  fix    " } else { "         " };
        let number = format!("{}. ", at + 1);
        page.hang(&[(Ink::Good, head), (Ink::Faint, &number)], Ink::Plain, step);
    }
    list(page, "  never  ", Ink::Bad, &cause.never);
    if shown && !cause.fix.iter().any(|step| says_again(step, &cause.check)) {
        page.hang(&[(Ink::Faint, "  check  ")], Ink::Plain, &cause.check);
    }
}

/// Whether a step says nearly all that a check says.
fn says_again(step: &str, check: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2);
        parts.map(str::to_lowercase).collect()
    };
    let (said, asked) = (words(step), words(check));
    let again = asked.iter().filter(|word| said.contains(word)).count();
    again * 5 >= asked.len() * 4
}

/// A quoted line with its ids cut short, as they are long and told by their beginning.
fn short_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', '.', ')', ':']);
        match bare.get(..8) {
            Some(head) if is_id(bare) => word.replace(bare, &format!("{head}..")),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<String>>().join(" ")
}

fn list(page: &mut Page, head: &str, ink: Ink, lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        let head = if at == 0 { head } else { "         " };
        page.hang(&[(ink, head)], Ink::Plain, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_quoted_lines_are_cut_short() {
        let id = "ebc9a46a212d4c76bac0cc8d0c0907d32d771b2f";
        assert_eq!(
            short_ids(&format!("M: {id} 10.0.0.1:1, {id}.")),
            "M: ebc9a46a.. 10.0.0.1:1, ebc9a46a..."
        );
        assert_eq!(short_ids("deadbeef 10.0.0.1"), "deadbeef 10.0.0.1");
    }

    #[test]
    fn a_check_that_a_step_says_is_said_again() {
        let step =
            "Read CLUSTER MYID at each current address, so that you know which node is where.";
        assert!(says_again(step, "Read CLUSTER MYID at each address."));
        assert!(!says_again(step, "DBSIZE of the node, and its log."));
    }
}
