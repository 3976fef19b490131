//! Tables as they were pasted: whether rows are missing from one, and when it was taken.

use super::lines::Line;
use super::seen::{Seen, Source, Table};
use crate::model::SLOT_COUNT;

/// Lines above a table in which the command stands that printed it.
const ABOVE: usize = 2;

/// Lines below its last row that may still belong to it.
const BELOW: usize = 2;

/// Filters that leave rows out.
const FILTERS: [&str; 6] = ["| grep", "|grep", "| head", "|head", "| tail", "|tail"];

/// How people write that they left something out.
const LEFT_OUT: [&str; 5] = ["...", "…", "[...]", "(...)", "<snip"];

impl Seen {
    /// Whether rows of this table were left out of the paste: what is missing from it is then not
    /// missing from the cluster.
    pub fn is_cut(&self, table: &Table) -> bool {
        table.is_a_part()
            || self.is_filtered(table)
            || self.has_gap(table)
            || self.covers_more(table)
    }

    /// Whether the command above a table lets only some rows through.
    pub fn is_filtered(&self, table: &Table) -> bool {
        let Some(first) = table.rows.first() else { return false };
        let above = self.lines.get(first.line.saturating_sub(ABOVE)..first.line);
        let asks = |line: &&Line| FILTERS.iter().any(|word| line.lower.contains(word));
        above.unwrap_or_default().iter().rev().take(ABOVE).any(|line| asks(&line))
    }

    /// Whether somebody wrote dots in place of rows.
    fn has_gap(&self, table: &Table) -> bool {
        let (Some(first), Some(last)) = (table.rows.first(), table.rows.last()) else {
            return false;
        };
        let detail = if table.source == Source::Check { 2 } else { 0 };
        let to = (last.line + detail + BELOW).min(self.lines.len());
        let near = self.lines.get(first.line..to).unwrap_or_default();
        let dots = |line: &Line| {
            let text = line.text.trim();
            let said = text.ends_with("...") || text.ends_with('…') || text.contains("more ");
            // Dots alone on a line that grows are those of a tool that waits.
            text.len() < 40
                && LEFT_OUT.iter().any(|mark| text.starts_with(mark))
                && (said || text.chars().count() <= 5)
                && !text.starts_with("......")
        };
        near.iter().any(dots)
    }

    /// Whether the tool that listed the rows found all slots covered, and the rows have fewer.
    fn covers_more(&self, table: &Table) -> bool {
        let Some(last) = table.rows.last().filter(|_| table.source == Source::Check) else {
            return false;
        };
        let paste = self.lines.get(last.line).map(|line| line.paste);
        let next = |line: &usize| *line > last.line;
        let begins = self.tables.iter().filter_map(|t| t.rows.first()).map(|row| row.line);
        let end = begins.filter(next).min().unwrap_or(self.lines.len());
        let after = self.lines.get(last.line..end).unwrap_or_default();
        let covered = |line: &Line| {
            Some(line.paste) == paste && line.lower.contains("[ok] all 16384 slots covered")
        };
        table.assigned().len() < SLOT_COUNT && after.iter().any(covered)
    }

    /// When a server printed a table: the latest moment that it names, in milliseconds.
    pub fn taken(&self, table: &Table) -> Option<u64> {
        let lines = table.rows.iter().filter_map(|row| self.lines.get(row.line));
        let words = lines.flat_map(|line| line.text.split_whitespace());
        let moments = words.filter_map(|word| word.parse::<u64>().ok());
        moments.filter(|ms| *ms > 1_000_000_000_000).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1 10.0.0.1:7000@17000 myself,master - 0 0 1 \
        connected 0-99\n\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2 10.0.0.2:7000@17000 master - 0 1 2 connected \
        100-200\n";

    fn is_cut(text: &str) -> bool {
        let seen = Seen::of(text);
        seen.tables.first().is_some_and(|table| seen.is_cut(table))
    }

    #[test]
    fn a_part_of_a_table_is_told_from_a_whole_one() {
        assert!(!is_cut(ROWS));
        assert!(is_cut(&format!("$ redis-cli cluster nodes | head -2\n{ROWS}")));
        assert!(is_cut(&format!("{ROWS}...\n")));
        assert!(is_cut(&format!("{ROWS}   ... 6 more masters ...\n")));
        assert!(!is_cut(&format!("{ROWS}Waiting\n..........\n")));
    }

    #[test]
    fn a_check_that_covers_all_listed_more_than_was_pasted() {
        let listed =
            format!("M: {0}1 10.0.0.1:7000\n   slots:[0-99] (100 slots) master\n", "a".repeat(39));
        assert!(is_cut(&format!("{listed}[OK] All 16384 slots covered.\n")));
        assert!(!is_cut(&format!("{listed}[ERR] Not all 16384 slots are covered by nodes.\n")));
    }
}
