//! Tables side by side, by node id: of one node at two moments, and of two nodes about each other.

use super::members;
use crate::explain::cause::Hit;
use crate::explain::figures::{places, short};
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;

/// From here on two tables of one node are of two moments.
const APART_MS: u64 = 20_000;

/// Words of a command that takes a node out, in small letters.
const TAKES_OUT: [&str; 3] = ["del-node", "cluster forget", "removing node"];

/// A node that told its table twice, and came back at another address in between.
struct Moved<'a> {
    before: &'a Row,
    after: &'a Row,
    peers: Vec<&'a Row>,
}

/// The node came back at another address, and lost all peers at addresses that stayed the same. Of
/// two living nodes with one id (a copied nodes.conf) neither table looks so.
fn moved(seen: &Seen) -> Option<Moved<'_>> {
    let told = |table: &&Table| table.source == Source::Nodes && seen.taken(table).is_some();
    let tables: Vec<&Table> = seen.past.iter().chain(&seen.tables).filter(told).collect();
    tables.iter().find_map(|later| {
        let after = later.myself().filter(|row| !row.address.ip.is_empty())?;
        let peers: Vec<&Row> = later.rows.iter().filter(|row| !row.is_myself()).collect();
        let lost = |row: &&Row| row.is_failing() && row.linked == Some(false);
        if peers.len() < 2 || !peers.iter().all(lost) {
            return None;
        }
        let before = tables.iter().find_map(|earlier| {
            let before = earlier.myself().filter(|row| row.id == after.id)?;
            let gap = seen.taken(later)?.checked_sub(seen.taken(earlier)?)?;
            let elsewhere = before.address.ip != after.address.ip && gap > APART_MS;
            let same = |row: &&Row| {
                let mut rows = earlier.rows.iter();
                rows.any(|old| old.id == row.id && old.place() == row.place() && !old.is_failing())
            };
            (elsewhere && peers.iter().all(same)).then_some(before)
        })?;
        Some(Moved { before, after, peers })
    })
}

/// Whether two tables with one id at two addresses are of one node that moved.
pub(super) fn is_one_that_moved(seen: &Seen) -> bool {
    moved(seen).is_some()
}

/// The addresses of all peers are of the time before the node itself got another one.
pub(super) fn all_old(seen: &Seen) -> Option<Hit> {
    let Moved { before, after, peers } = moved(seen)?;
    let hit = Hit::of(82)
        .quote(before.line)
        .quote(after.line)
        .quotes(peers.iter().map(|row| row.line).take(2))
        .fact("stale", list(&places(peers.iter().copied()), 6))
        .note(format!(
            "Node {} itself had {} before and has {} now. Its {} peers stand in its table with the \
             addresses of before, and it reaches none of them.",
            short(&after.id),
            before.address.ip,
            after.address.ip,
            peers.len()
        ));
    let Some((at, ip, row)) = resolved(seen, &peers) else { return Some(hit) };
    let name = row.address.hostname.as_deref().unwrap_or_default();
    let hit = hit.quote(at).more_if(8, true).fact("resolved", ip.as_str());
    Some(hit.note(format!(
        "{name} resolves to {ip}, and the row of that node says {}. Names in the rows are for \
         clients: the nodes dial the IPs of nodes.conf, and resolve no name.",
        row.address.ip
    )))
}

/// A line that gives another IP for the name of a peer, as `getent hosts` prints it.
fn resolved<'a>(seen: &Seen, peers: &[&'a Row]) -> Option<(usize, String, &'a Row)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let mut words = line.text.split_whitespace();
        let (ip, name) = (words.next()?, words.next()?);
        ip.parse::<std::net::IpAddr>().ok()?;
        let row = peers.iter().find(|row| row.address.hostname.as_deref() == Some(name))?;
        (row.address.ip != ip).then(|| (at, ip.to_owned(), *row))
    })
}

/// A node lists others as members, and is in the table of none that was pasted: it was taken out,
/// and has not heard of it.
pub(super) fn not_listed(seen: &Seen) -> Option<Hit> {
    let whole = |table: &&Table| table.source == Source::Nodes && !seen.is_cut(table);
    let tables: Vec<&Table> = seen.tables.iter().filter(whole).collect();
    tables.iter().find_map(|own| {
        let me = own.myself().filter(|row| row.slots.is_empty() && row.id.len() == 40)?;
        let lists = |other: &&&Table| {
            let them = other.myself().filter(|row| row.id != me.id);
            them.is_some_and(|them| own.rows.iter().any(|row| row.id == them.id))
        };
        let others: Vec<&&Table> = tables.iter().filter(lists).collect();
        let knows = |table: &&&Table| table.rows.iter().any(|row| row.id == me.id);
        let other = others.first().filter(|_| !others.iter().any(knows))?;
        let taken_out = seen.lines.iter().position(|line| {
            line.lower.contains(&me.id) && TAKES_OUT.iter().any(|word| line.lower.contains(word))
        });
        let later = seen.taken(other)? + APART_MS >= seen.taken(own)?;
        (taken_out.is_some() || later).then(|| one_sided(seen, own, me, other, taken_out))
    })
}

fn one_sided(seen: &Seen, own: &Table, me: &Row, other: &Table, out: Option<usize>) -> Hit {
    let asked = other.myself().map_or_else(|| "a member".to_owned(), Row::place);
    let loaded = seen.lines.iter().position(|line| {
        line.lower.contains("node configuration loaded") && line.lower.contains(&me.id)
    });
    let hit = Hit::of(80)
        .more_if(10, out.is_some())
        .quotes(out)
        .quote(me.line)
        .quotes(other.myself().map(|row| row.line))
        .quotes(loaded)
        .note(format!(
            "{} ({}) lists {} nodes and itself among them; the table of {asked} has {} rows, and \
             none of that id. FORGET is not told to the node that is forgotten: its nodes.conf \
             lists the whole cluster, it dials everybody and they answer, so all looks connected \
             there. They do not know its id and pass over what it says: it is no member, counts as \
             nobody's replica, and is promoted by nobody, whatever its own table says.",
            me.place(),
            short(&me.id),
            own.rows.len(),
            other.rows.len()
        ));
    let place = if me.address.ip.is_empty() {
        "<its ip> <port>".to_owned()
    } else {
        format!("{} {}", me.address.ip, me.address.port)
    };
    hit.check(format!("CLUSTER NODES of every other node: does one of them list {}?", me.id))
        .step(format!(
            "To have it back: from a member ({asked}) CLUSTER MEET {place}, later than a minute \
             after the last FORGET, and see that every node lists it with its role."
        ))
        .step(
            "To be rid of it: stop that process, and move its nodes.conf aside before the machine \
             is used for a node again.",
        )
        .only_these_steps()
}

/// The nodes do not list the same members.
pub(super) fn members_differ(seen: &Seen) -> Option<Hit> {
    let hit = || members::forgotten_here_only(seen).or_else(|| members::made_up_each_time(seen));
    hit().or_else(|| not_listed(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u8, ip: &str, flags: &str, slots: &str) -> String {
        let id = format!("{n:040x}");
        format!("{id} {ip}:6379@16379,n{n}.svc.local {flags} {slots}\n")
    }

    fn table(own: &str, state: &str, at: u64) -> String {
        let peer = |n: u8| {
            let flags = format!("master{state} - 0 {at} {n}");
            let link = if state.is_empty() { "connected" } else { "disconnected" };
            row(n, &format!("10.0.0.{n}"), &flags, &format!("{link} {n}"))
        };
        row(1, own, &format!("myself,master - 0 {at} 1"), "connected 1") + &peer(2) + &peer(3)
    }

    #[test]
    fn a_node_that_moved_is_not_two() {
        let before = table("10.0.0.1", "", 1_771_500_643_954);
        let after = table("10.0.0.9", ",fail?", 1_771_502_212_003);
        let seen = Seen::of(&format!("{before}\n$ cluster nodes\n{after}"));
        assert!(is_one_that_moved(&seen));
        let hit = all_old(&seen).expect("old addresses");
        assert!(!hit.facts.contains_key("resolved"));
        let named = format!("10.0.0.77   n2.svc.local\n{before}\n$ cluster nodes\n{after}");
        assert!(all_old(&Seen::of(&named)).is_some_and(|hit| hit.score == 90));
        let alive = table("10.0.0.9", "", 1_771_502_212_003);
        let seen = Seen::of(&format!("{before}\n$ cluster nodes\n{alive}"));
        assert!(!is_one_that_moved(&seen), "its peers are well: another process may have the id");
    }

    #[test]
    fn who_is_in_no_table_but_its_own_is_no_member() {
        let master = |at: u64| {
            row(1, "10.0.0.1", &format!("myself,master - 0 {at} 1"), "connected 1")
                + &row(2, "10.0.0.2", &format!("master - 0 {at} 2"), "connected 2")
        };
        let own = row(1, "10.0.0.1", "master - 0 1771500643954 1", "connected 1")
            + &row(2, "10.0.0.2", "master - 0 1771500643954 2", "connected 2")
            + &row(4, "10.0.0.4", &format!("myself,slave {:040x} 0 0 2", 2), "connected");
        let both = |at| Seen::of(&format!("{}\n$ cluster nodes\n{own}", master(at)));
        assert!(not_listed(&both(1_771_500_763_954)).is_some());
        assert!(not_listed(&both(1_771_500_043_954)).is_none(), "it may have joined since");
    }
}
