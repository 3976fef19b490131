//! A page for a terminal: lines of styled pieces, wrapped to its width.
//!
//! Every piece passes [`super::text::plain`] when it is added; there is no way around it.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::text::plain;

/// How a page looks on this terminal.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// Whether colour is wanted. Colour never carries a meaning alone.
    pub colour: bool,
    /// Whether symbols beyond ASCII can be shown.
    pub unicode: bool,
}

/// What a piece of text is, and so how it is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Plain text.
    Plain,
    /// What the eye should find first.
    Strong,
    /// What may be passed over.
    Faint,
    /// Something is down.
    Bad,
    /// Something may go down.
    Warn,
    /// Something is in order.
    Good,
}

impl Ink {
    const fn style(self) -> Style {
        let style = Style::new();
        match self {
            Self::Plain => style,
            Self::Strong => style.bold(),
            Self::Faint => style.dimmed(),
            Self::Bad => style.bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))),
            Self::Warn => style.bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow))),
            Self::Good => style.fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green))),
        }
    }
}

/// A page under construction.
#[derive(Debug)]
pub struct Page {
    look: Look,
    text: String,
}

impl Page {
    /// An empty page.
    pub const fn new(look: Look) -> Self {
        Self { look, text: String::new() }
    }

    /// How it looks.
    pub const fn look(&self) -> Look {
        self.look
    }

    /// A blank line.
    pub fn gap(&mut self) -> &mut Self {
        self.text.push('\n');
        self
    }

    /// A line of pieces, as it is: for tables and maps that have their own width.
    pub fn line(&mut self, pieces: &[(Ink, &str)]) -> &mut Self {
        for (ink, text) in pieces {
            self.piece(*ink, &self.shown(text));
        }
        let trimmed = self.text.trim_end_matches(' ').len();
        self.text.truncate(trimmed);
        self.gap()
    }

    /// A paragraph: the head on the first line, the text wrapped and hanging below it.
    pub fn hang(&mut self, head: &[(Ink, &str)], ink: Ink, text: &str) -> &mut Self {
        let indent: usize = head.iter().map(|(_, piece)| self.shown(piece).width()).sum();
        for (ink, piece) in head {
            self.piece(*ink, &self.shown(piece));
        }
        let room = self.look.width.saturating_sub(indent).max(20);
        for (at, line) in wrap(&self.shown(text), room).iter().enumerate() {
            if at > 0 {
                self.text.push_str(&" ".repeat(indent));
            }
            self.piece(ink, line.trim_end());
            self.text.push('\n');
        }
        self
    }

    /// The columns that a text takes.
    pub fn width_of(&self, text: &str) -> usize {
        self.shown(text).width()
    }

    /// A text in exactly so many columns: filled up, or without its beginning, since the end of a
    /// name and the port tell nodes apart.
    pub fn fitted(&self, text: &str, columns: usize) -> String {
        let mut text = self.shown(text);
        if text.width() > columns {
            let mut tail = String::new();
            for c in text.chars().rev() {
                if tail.width() + c.width().unwrap_or(0) + 2 > columns {
                    break;
                }
                tail.insert(0, c);
            }
            text = format!("..{tail}");
        }
        let missing = columns.saturating_sub(text.width());
        text.push_str(&" ".repeat(missing));
        text
    }

    /// A text as this terminal can show it.
    fn shown(&self, text: &str) -> String {
        let text = plain(text);
        if self.look.unicode || text.is_ascii() {
            return text;
        }
        text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
            if c.is_ascii() {
                out.push(c)
            } else {
                out.extend(c.escape_unicode())
            }
            out
        })
    }

    fn piece(&mut self, ink: Ink, text: &str) {
        if self.look.colour && ink != Ink::Plain {
            let style = ink.style();
            self.text.push_str(&format!("{style}{text}{style:#}"));
        } else {
            self.text.push_str(text);
        }
    }

    /// The whole page.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Breaks a text at blanks. A word that is longer than the room stands on a line of its own: an id
/// or a command that is torn apart cannot be copied.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = &mut lines.last_mut().map_or_else(String::new, std::mem::take);
        let fits = line.is_empty() || line.width() + 1 + word.width() <= room;
        if !fits {
            if let Some(last) = lines.last_mut() {
                last.clone_from(line);
            }
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if let Some(last) = lines.last_mut() {
            last.clone_from(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { width: 40, colour: false, unicode: true };

    #[test]
    fn text_hangs_below_its_head_and_long_words_stay_whole() {
        let id = "a".repeat(50);
        let mut page = Page::new(LOOK);
        page.hang(&[(Ink::Bad, "FAIL ")], Ink::Plain, &format!("one two three four five {id} six"));
        let page = page.finish();
        assert!(page.lines().any(|line| line.trim() == id), "{page}");
        assert!(page.lines().skip(1).all(|line| line.starts_with("     ")), "{page}");
    }

    #[test]
    fn a_peer_cannot_colour_a_page() {
        let mut page = Page::new(LOOK);
        page.line(&[(Ink::Plain, "\u{1b}[31mred")]).hang(&[], Ink::Plain, "\u{1b}[0m");
        assert!(!page.finish().contains('\u{1b}'));
    }
}
