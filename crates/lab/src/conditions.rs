//! Waiting for conditions on real servers: look, and look again until a deadline.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use slotwright_core::scenario::Until;

use crate::client::{Client, Value};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::process::{Process, is_logged};

/// The pause between two looks. Short against every time that servers take, long against a look.
const PAUSE: Duration = Duration::from_millis(25);
/// How long one question of a condition may take.
const QUESTION: Duration = Duration::from_secs(1);

/// A row of `CLUSTER NODES`, as far as the lab needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    id: String,
    address: String,
    flags: Vec<String>,
    connected: bool,
    slots: String,
}

impl Cluster {
    /// Waits for a condition.
    ///
    /// # Errors
    /// [`Error::NotYet`] when it has not come true within `within_ms`.
    pub fn wait(&mut self, until: &Until, within_ms: u64) -> Result<()> {
        self.poll(&format!("{until:?}"), within_ms, |cluster| cluster.lacks(until))
    }

    /// Looks again and again until `lacks` says that nothing is lacking.
    pub(crate) fn poll(
        &mut self,
        condition: &str,
        within_ms: u64,
        mut lacks: impl FnMut(&mut Self) -> Result<Option<String>>,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            let Some(seen) = lacks(self)? else { return Ok(()) };
            if began.elapsed() > Duration::from_millis(within_ms) {
                let condition = condition.to_owned();
                return Err(Error::NotYet { condition, waited_ms: within_ms, seen });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What is seen instead of the condition; `None` when it holds.
    fn lacks(&mut self, until: &Until) -> Result<Option<String>> {
        let (holds, seen) = match until {
            Until::State(node, state) => self.field(*node, "cluster_state", state)?,
            Until::Field(node, name, value) => self.field(*node, name, value)?,
            Until::FieldNot(node, name, value) => {
                let (holds, seen) = self.field(*node, name, value)?;
                (!holds && !seen.starts_with('('), seen)
            }
            Until::Flag { on, about, flag } => self.flag(*on, *about, flag)?,
            Until::NoFlag { on, about, flag } => {
                let (holds, seen) = self.flag(*on, *about, flag)?;
                (!holds && !seen.starts_with('('), seen)
            }
            Until::Knows { on, about, known } => {
                let id = self.expand(&format!("{{id{about}}}"))?;
                match self.table(*on) {
                    Ok(rows) => {
                        let found = rows.iter().any(|row| row.id == id);
                        (found == *known, format!("known: {found}"))
                    }
                    Err(silence) => (false, silence),
                }
            }
            Until::Logged(node, text) => {
                let log = &self.node(*node)?.launch.log;
                (is_logged(log, text), format!("not in {}", log.display()))
            }
            Until::Exited(node) => {
                let ended = self.node(*node)?.process.as_mut().is_none_or(Process::has_ended);
                (ended, "it runs".to_owned())
            }
            Until::Settled => match self.unsettled() {
                None => (true, String::new()),
                Some(why) => (false, why),
            },
            Until::Ping(node, start) => {
                let said = self.said_to_a_newcomer(*node)?;
                (said.starts_with(start), said)
            }
            Until::Answers(node, command, text) => {
                let text = self.expand(text)?;
                let said = self.said(*node, command);
                (said.contains(&text), said)
            }
        };
        Ok((!holds).then_some(seen))
    }

    /// The answer as text, or in brackets why there is none.
    fn said(&mut self, node: usize, command: &str) -> String {
        match self.ask_within(node, command, QUESTION) {
            Ok(answer) => answer.text(),
            Err(error) => format!("({})", error.chain()),
        }
    }

    /// What somebody is told who connects now and has no password.
    fn said_to_a_newcomer(&mut self, node: usize) -> Result<String> {
        let address = self.node(node)?.address();
        let said = Client::connect(address, QUESTION).and_then(|mut new| new.ask(&["PING"]));
        Ok(said.map_or_else(|error| format!("({error})"), |answer| answer.text()))
    }

    /// Whether a field has this value, and the value it has.
    fn field(&mut self, node: usize, name: &str, value: &str) -> Result<(bool, String)> {
        let mut silence = format!("(there is no {name})");
        for command in ["CLUSTER INFO", "INFO"] {
            match self.ask_within(node, command, QUESTION) {
                Ok(Value::Text(text)) => {
                    let find = |line: &str| {
                        let (field, value) = line.split_once(':')?;
                        (field == name).then(|| value.to_owned())
                    };
                    if let Some(found) = text.lines().find_map(find) {
                        return Ok((found == value, format!("{name}:{found}")));
                    }
                }
                Ok(other) => silence = format!("({})", other.text()),
                Err(error) => silence = format!("({})", error.chain()),
            }
        }
        Ok((false, silence))
    }

    /// Whether a row about a node has a flag, and the flags it has. A node that came back with
    /// another id may have two rows; one in handshake has an id that its peer has made up, and is
    /// known by its address.
    fn flag(&mut self, on: usize, about: usize, flag: &str) -> Result<(bool, String)> {
        let rows = match self.table(on) {
            Ok(rows) => rows,
            Err(silence) => return Ok((false, silence)),
        };
        let node = self.node(about)?;
        let ids = [node.id.as_deref(), node.first_id.as_deref()];
        let address = format!("{}:", node.launch.ip);
        let named: Vec<&Row> =
            rows.iter().filter(|row| ids.contains(&Some(row.id.as_str()))).collect();
        let about: Vec<&Row> = if named.is_empty() {
            rows.iter().filter(|row| row.address.starts_with(&address)).collect()
        } else {
            named
        };
        let seen: Vec<String> = about.iter().map(|row| row.flags.join(",")).collect();
        // A suspicion that was agreed on before we looked is still one.
        let is_it = |found: &str| found == flag || (flag == "fail?" && found == "fail");
        let holds = about.iter().any(|row| row.flags.iter().any(|found| is_it(found)));
        Ok((holds, if seen.is_empty() { "no row".to_owned() } else { seen.join("; ") }))
    }

    /// `CLUSTER NODES` of a node, or in brackets why there is none.
    fn table(&mut self, node: usize) -> std::result::Result<Vec<Row>, String> {
        match self.ask_within(node, "CLUSTER NODES", QUESTION) {
            Ok(Value::Text(text)) => Ok(text.lines().filter_map(row).collect()),
            Ok(other) => Err(format!("({})", other.text())),
            Err(error) => Err(format!("({})", error.chain())),
        }
    }

    /// Why the members that run are not all content; `None` when they are.
    fn unsettled(&mut self) -> Option<String> {
        let running = self.running();
        let first = *running.first()?;
        let named = match self.table(first) {
            Ok(rows) => rows,
            Err(silence) => return Some(format!("node {first} {silence}")),
        };
        let is_named = |id: &str| named.iter().any(|row| row.id == id);
        let members: BTreeMap<String, (usize, String)> = running
            .iter()
            .filter_map(|number| {
                let node = &self.nodes[*number];
                let id = node.id.clone().filter(|id| is_named(id))?;
                Some((id, (*number, format!("{}:", node.launch.ip))))
            })
            .collect();
        let mut owners = None;
        for (number, _) in members.values() {
            let rows = match self.table(*number) {
                Ok(rows) => rows,
                Err(silence) => return Some(format!("node {number} {silence}")),
            };
            for row in &rows {
                if let Some(why) = row.unsettled(members.get(&row.id).map(|(_, ip)| ip.as_str())) {
                    return Some(format!("node {number}: {why}"));
                }
            }
            let slots: BTreeMap<String, String> = rows
                .into_iter()
                .filter(|row| !row.slots.is_empty())
                .map(|row| (row.id, row.slots))
                .collect();
            if owners.get_or_insert_with(|| slots.clone()) != &slots {
                return Some(format!("node {number} names other owners than the rest"));
            }
            if let Some(why) = self.is_unhealthy(*number) {
                return Some(format!("node {number}: {why}"));
            }
        }
        None
    }

    fn is_unhealthy(&mut self, number: usize) -> Option<String> {
        let info = self.said(number, "CLUSTER INFO") + &self.said(number, "INFO replication");
        if !info.contains("cluster_state:ok") {
            return Some("cluster_state is not ok".to_owned());
        }
        let replica = info.contains("role:slave");
        (replica && !info.contains("master_link_status:up"))
            .then(|| "its replication link is down".to_owned())
    }
}

impl Row {
    /// Why this row is not what a settled cluster shows. `running_at` is the address of the node
    /// when it runs.
    fn unsettled(&self, running_at: Option<&str>) -> Option<String> {
        let has = |flag: &str| self.flags.iter().any(|f| f == flag);
        let why = match running_at {
            Some(address) => {
                let bad = ["fail", "fail?", "handshake", "noaddr"].into_iter().find(|f| has(f));
                match bad {
                    Some(flag) => flag,
                    None if !self.connected && !has("myself") => "disconnected",
                    // Its own address a node learns only from a MEET; a stale one harms nobody.
                    None if !self.address.starts_with(address) && !has("myself") => {
                        "at another address"
                    }
                    None => return None,
                }
            }
            None if has("fail?") => "fail?",
            None if has("handshake") => "handshake",
            None if !has("fail") => "dead and not failing yet",
            None => return None,
        };
        Some(format!("{} {} is {why}", self.id.get(..8).unwrap_or_default(), self.address))
    }
}

fn row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, address, flags, _, _, _, _, link, slots @ ..] = words.as_slice() else {
        return None;
    };
    // Marks of open slots stand on the node's own row only: no disagreement.
    let slots: Vec<&str> = slots.iter().copied().filter(|s| !s.starts_with('[')).collect();
    Some(Row {
        id: (*id).to_owned(),
        address: (*address).to_owned(),
        flags: flags.split(',').map(str::to_owned).collect(),
        connected: *link == "connected",
        slots: slots.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "07c37dfeb235213a872192d90877d0cd55635b91 127.0.9.1:6379@16379,host \
        slave,fail? e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 0 4 connected 5 [7->-aa]";

    #[test]
    fn a_row_is_read_and_judged() {
        let row = row(LINE).expect("a row");
        assert_eq!(row.flags, ["slave", "fail?"]);
        assert_eq!(row.slots, "5");
        assert!(row.unsettled(Some("127.0.9.1:")).is_some());
        assert!(row.unsettled(None).is_some());
        let dead = Row { flags: vec!["slave".to_owned(), "fail".to_owned()], ..row.clone() };
        assert_eq!(dead.unsettled(None), None);
        let well = Row { flags: vec!["slave".to_owned()], ..row };
        assert_eq!(well.unsettled(Some("127.0.9.1:")), None);
        assert!(well.unsettled(Some("127.0.9.2:")).is_some());
    }
}
