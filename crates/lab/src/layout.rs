//! The `nodes.conf` files that a cluster starts from, and changes to them.
//!
//! A cluster that is written down is `ok` after the servers' own start-up delay of two seconds
//! (`CLUSTER_WRITABLE_DELAY`); one that is formed by MEET takes several times as long.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv4Addr;

use slotwright_core::scenario::{ConfEdit, Server};

use crate::error::{Error, Result};
use crate::place::BUS_PORT;

/// One node of a cluster that is to be written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its shard, in the versions that have one.
    pub shard: String,
    /// The number of its primary, for a replica.
    pub primary: Option<usize>,
    /// The first and last slot, for a primary.
    pub slots: Option<(u16, u16)>,
    /// Its config epoch, or its primary's.
    pub epoch: u64,
}

/// The shape of a healthy cluster: first the primaries, then the replicas.
pub fn healthy(primaries: usize, replicas_each: usize, addresses: &[Ipv4Addr]) -> Vec<Row> {
    let shards: Vec<String> = (0..primaries).map(|_| random_id()).collect();
    let total = primaries * (1 + replicas_each);
    addresses
        .iter()
        .take(total)
        .enumerate()
        .map(|(number, ip)| {
            let shard = number % primaries;
            let slots = (number < primaries).then(|| slots_of(number, primaries));
            Row {
                id: random_id(),
                ip: *ip,
                shard: shards[shard].clone(),
                primary: (number >= primaries).then_some(shard),
                slots,
                epoch: shard as u64 + 1,
            }
        })
        .collect()
}

/// The file of one of these nodes, as `server` writes it. `port` is the one that they announce.
pub fn file(rows: &[Row], myself: usize, server: Server, port: u16) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let aux = match server {
            Server::Redis70 => String::new(),
            Server::Redis82 | Server::Valkey91 => format!(",,tls-port=0,shard-id={}", row.shard),
        };
        let myself = if number == myself { "myself," } else { "" };
        let (role, primary) = match row.primary {
            Some(primary) => ("slave", rows[primary].id.as_str()),
            None => ("master", "-"),
        };
        let slots = row.slots.map_or_else(String::new, |(first, last)| format!(" {first}-{last}"));
        text.push_str(&format!(
            "{} {}:{port}@{BUS_PORT}{aux} {myself}{role} {primary} 0 0 {} connected{slots}\n",
            row.id, row.ip, row.epoch
        ));
    }
    let greatest = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
    text.push_str(&format!("vars currentEpoch {greatest} lastVoteEpoch 0\n"));
    text
}

/// Carries out an edit on the text of a file. `of` is the id of the node that the edit names, and
/// `whom` that of the primary it is given.
///
/// # Errors
/// When the text holds nothing that the edit could change.
pub fn edit(text: &str, edit: &ConfEdit, of: &str, whom: &str) -> Result<String> {
    match edit {
        ConfEdit::Delete => Ok(String::new()),
        ConfEdit::Truncate(length) => Ok(text.chars().take(*length).collect()),
        ConfEdit::Replace(from, to) => {
            if !text.contains(from.as_str()) {
                return Err(Error::Scenario(format!("`{from}` is not in nodes.conf:\n{text}")));
            }
            Ok(text.replace(from.as_str(), to))
        }
        ConfEdit::Slots { slots, .. } => edit_row(text, of, |words| {
            words.truncate(8);
            words.extend(slots.split_whitespace().map(str::to_owned));
        }),
        ConfEdit::Follow { .. } => edit_row(text, of, |words| {
            words.truncate(8);
            words[2] = words[2].replace("master", "slave");
            whom.clone_into(&mut words[3]);
        }),
        ConfEdit::Epoch { epoch, .. } => edit_row(text, of, |words| words[6] = epoch.to_string()),
    }
}

fn edit_row(text: &str, id: &str, change: impl Fn(&mut Vec<String>)) -> Result<String> {
    let mut found = false;
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if words.len() < 8 || words[0] != id {
                return line.to_owned();
            }
            found = true;
            change(&mut words);
            words.join(" ")
        })
        .collect();
    if !found {
        return Err(Error::Scenario(format!("nodes.conf has no row of {id}:\n{text}")));
    }
    Ok(lines.join("\n") + "\n")
}

fn slots_of(shard: usize, shards: usize) -> (u16, u16) {
    let first = shard * 16_384 / shards;
    let last = (shard + 1) * 16_384 / shards - 1;
    (first as u16, last as u16)
}

/// Forty hexadecimal digits that nobody has seen before: ids must differ between clusters.
fn random_id() -> String {
    let part = |seed: u64| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(seed);
        format!("{:016x}", hasher.finish())
    };
    let mut id = part(1) + &part(2) + &part(3);
    id.truncate(40);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::PORT;

    fn addresses(count: u8) -> Vec<Ipv4Addr> {
        (1..=count).map(|last| Ipv4Addr::new(127, 0, 9, last)).collect()
    }

    #[test]
    fn all_slots_are_shared_out_once() {
        for primaries in 1..=12 {
            let rows = healthy(primaries, 0, &addresses(12));
            let mut next = 0;
            for (first, last) in rows.iter().filter_map(|row| row.slots) {
                assert_eq!(first, next);
                next = last + 1;
            }
            assert_eq!(next, 16_384);
        }
    }

    #[test]
    fn a_replica_names_its_primary_and_is_myself_in_its_own_file() {
        let rows = healthy(3, 1, &addresses(6));
        let text = file(&rows, 4, Server::Valkey91, PORT);
        let line = text.lines().nth(4).expect("the fifth row");
        assert!(line.contains(" myself,slave "), "{line}");
        assert!(line.contains(&rows[1].id), "{line}");
        assert_eq!(text.matches("myself").count(), 1);
    }

    #[test]
    fn slots_and_epoch_of_one_row_are_replaced() {
        let rows = healthy(2, 0, &addresses(2));
        let text = file(&rows, 0, Server::Redis70, PORT);
        let slots = ConfEdit::Slots { of: 1, slots: "1 5-9".to_owned() };
        let text = edit(&text, &slots, &rows[1].id, "").expect("the row is there");
        assert!(text.contains("connected 1 5-9\n"), "{text}");
        let text = edit(&text, &ConfEdit::Epoch { of: 1, epoch: 77 }, &rows[1].id, "");
        assert!(text.expect("the row is there").contains(" 0 0 77 connected 1 5-9\n"));
    }

    #[test]
    fn an_edit_that_changes_nothing_is_an_error() {
        let rows = healthy(1, 0, &addresses(1));
        let text = file(&rows, 0, Server::Redis70, PORT);
        let absent = ConfEdit::Replace("absent".to_owned(), "x".to_owned());
        assert!(edit(&text, &absent, "", "").is_err());
        assert!(edit(&text, &ConfEdit::Epoch { of: 0, epoch: 1 }, "nobody", "").is_err());
    }
}
