//! `nodes.conf`: what a node will believe at its next start (`clusterLoadConfig`). The lines of
//! `CLUSTER NODES`, and one of `vars`.

use super::cluster_nodes;
use crate::model::CurrentEpoch;
use crate::observation::{NodesView, RowTable};

/// What the file says.
#[derive(Clone, PartialEq, Debug)]
pub struct NodesConf {
    /// `currentEpoch` of the line of `vars`; `None` when it is missing, as in a file cut short.
    pub current_epoch: Option<CurrentEpoch>,
    /// `lastVoteEpoch`: the epoch in which this node last gave its vote.
    pub last_vote_epoch: Option<u64>,
    /// The rows.
    pub view: NodesView,
}

/// Reads a file. Lines that cannot be read become oddities of the view.
pub fn parse(text: &[u8], table: &mut RowTable) -> NodesConf {
    let is_vars = |line: &&[u8]| line.starts_with(b"vars ");
    let (mut current_epoch, mut last_vote_epoch) = (None, None);
    for line in text.split(|byte| *byte == b'\n').filter(is_vars) {
        let line = String::from_utf8_lossy(line);
        current_epoch = variable(&line, "currentEpoch").map(CurrentEpoch).or(current_epoch);
        last_vote_epoch = variable(&line, "lastVoteEpoch").or(last_vote_epoch);
    }
    let rows: Vec<&[u8]> =
        text.split(|byte| *byte == b'\n').filter(|line| !is_vars(line)).collect();
    let view = cluster_nodes::parse(&rows.join(&b'\n'), table);
    NodesConf { current_epoch, last_vote_epoch, view }
}

/// The number behind a name on the line of `vars`.
pub fn variable(line: &str, name: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_and_vars_are_told_apart() {
        let mut table = RowTable::default();
        let id = "a".repeat(40);
        let text = format!(
            "{id} 10.0.0.1:6379@16379 myself,master - 0 0 4 connected 0-16383\n\
             vars currentEpoch 6 lastVoteEpoch 5\n"
        );
        let file = parse(text.as_bytes(), &mut table);
        assert_eq!(file.current_epoch, Some(CurrentEpoch(6)));
        assert_eq!(file.last_vote_epoch, Some(5));
        assert_eq!(file.view.rows.len(), 1);
        assert!(file.view.oddities.is_empty());
    }

    #[test]
    fn a_file_cut_short_has_no_vars() {
        let file = parse(b"07c37df 10.0", &mut RowTable::default());
        assert_eq!(file.current_epoch, None);
        assert_eq!(file.view.oddities.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes, &mut RowTable::default());
        }
    }
}
