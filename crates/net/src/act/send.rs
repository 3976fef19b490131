//! Sends one step.

use std::collections::BTreeSet;
use std::time::Duration;

use slotwright_core::drive::Reply;
use slotwright_core::model::{Endpoint, NodeId, Slot};
use slotwright_core::observation::Silence;
use slotwright_core::plan::{Change, KEYS_A_ROUND, Plan};
use slotwright_core::wire::resp::Value;
use tokio::time::Instant;

use super::ActToken;
use crate::connection::{Connection, Patience, dial};
use crate::memory::Memory;
use crate::names;
use crate::observe::{Trusted, WITHHELD};
use crate::target::Target;

type Line = Vec<Vec<u8>>;

/// How long a server may stand still for one MIGRATE, in milliseconds: for each part of it, not
/// for all (`migrateCommand`).
const MIGRATE_TIMEOUT_MS: &str = "5000";
/// How long the reply to one change is waited for. `SETSLOT` on Valkey waits two seconds for its
/// replicas, a MIGRATE for its time-out.
const REPLY_WITHIN: Duration = Duration::from_secs(20);
/// Keys of one slot that are named where their values differ, and bytes of each name: what a person
/// reads. The number of all is said.
const KEYS_NAMED: usize = 20;
const KEY_BYTES_NAMED: usize = 100;

/// Sends the change of a step, and says what was said to it.
pub(super) async fn send(
    target: &Target,
    trusted: &Trusted,
    (plan, number): (&Plan, usize),
    token: &ActToken,
) -> Reply {
    let Some(step) = plan.steps.get(number) else {
        return Reply::Refused(format!("the plan has no step {number}"));
    };
    let Some(at) = plan.nodes.get(&step.on) else {
        return Reply::Refused(format!("the plan has no address of {}", step.on.short()));
    };
    let mut server = match Server::reach(target, trusted.allows(at), at, token).await {
        Ok(server) => server,
        // Not a byte of the change has left.
        Err(silence) => return Reply::Refused(format!("cannot reach it: {}", silence.describe())),
    };
    if let Err(reply) = server.is(&step.on).await {
        return reply;
    }
    match &step.change {
        // The giver is told the credentials with the address of the receiver, and sends them there.
        Change::MoveKeys { to, at, .. }
            if !may_see_login(target, trusted, (plan.nodes.get(to), at)) =>
        {
            Reply::Refused(WITHHELD.to_owned())
        }
        Change::MoveKeys { slot, at, .. } => move_keys(&mut server, *slot, at).await,
        Change::CopyLibrary { name, from, at } => {
            copy_library(&mut server, name, (from, at, trusted.allows(at))).await
        }
        // The change is the password itself.
        Change::LogInAsYou if !trusted.allows(at) => Reply::Refused(WITHHELD.to_owned()),
        Change::LogInAsYou => log_in_as_you(&mut server).await,
        change => {
            let lines: Vec<Line> = change
                .commands()
                .into_iter()
                .map(|line| line.into_iter().map(String::into_bytes).collect())
                .collect();
            reply_of(&server.tell(&lines).await)
        }
    }
}

/// The reply to all lines: the first refusal, else the first silence, else agreement.
fn reply_of(answers: &[Answer]) -> Reply {
    let refusal = answers.iter().find_map(|answer| match answer {
        Answer::Refused(text) => Some(Reply::Refused(text.clone())),
        _ => None,
    });
    let silence = || {
        answers.iter().find_map(|answer| match answer {
            Answer::Nothing(why) => Some(Reply::Unknown(why.clone())),
            _ => None,
        })
    };
    // A line that was refused after others that were not: something may have been done.
    let done = answers.iter().any(|answer| matches!(answer, Answer::Said(_)));
    match refusal {
        Some(Reply::Refused(text)) if done => Reply::Unknown(text),
        Some(refusal) => refusal,
        None => silence().unwrap_or(Reply::Accepted),
    }
}

/// Whether keys may be moved there: without credentials, or with those of a node that may see them.
/// A node that we dial by a name is dialled by its peers at the IP of that name.
fn may_see_login(
    target: &Target,
    trusted: &Trusted,
    (dialled, at): (Option<&Endpoint>, &Endpoint),
) -> bool {
    target.login.is_none()
        || trusted.allows(at)
        || dialled.is_some_and(|dialled| dialled.port == at.port && trusted.allows(dialled))
}

/// What came back for one line.
enum Answer {
    Said(Vec<Vec<u8>>),
    Refused(String),
    Nothing(String),
}

struct Server<'a> {
    target: &'a Target,
    token: &'a ActToken,
    connection: Connection,
    login_to_send: bool,
}

impl<'a> Server<'a> {
    async fn reach(
        target: &'a Target,
        login: bool,
        at: &Endpoint,
        token: &'a ActToken,
    ) -> Result<Self, Silence> {
        let until = Instant::now() + target.timeout;
        let ip = match names::literal(&at.host) {
            Some(ip) => ip,
            None => *names::look_up(&at.host, until).await?.first().ok_or(Silence::NameNotFound)?,
        };
        let patience = Patience::until(until);
        let address = std::net::SocketAddr::new(ip, at.port);
        let dialled = dial(address, &at.host, target.tls.as_ref(), &patience).await;
        let patience = Patience::until(Instant::now() + REPLY_WITHIN);
        let connection = Connection::over(dialled.wire?, &Memory::new(), patience);
        Ok(Self { target, token, connection, login_to_send: login })
    }

    /// Asks who it is on the very connection that will carry the change: an address can have passed
    /// to another node since the guard was looked at.
    async fn is(&mut self, id: &NodeId) -> Result<(), Reply> {
        match self.tell_one(line(&[b"CLUSTER", b"MYID"])).await {
            Answer::Said(words) if words.iter().any(|word| *word == id.to_string().as_bytes()) => {
                Ok(())
            }
            Answer::Said(_) => Err(Reply::Refused(format!(
                "another node than {} answers at its address now, nothing was sent",
                id.short()
            ))),
            Answer::Refused(text) | Answer::Nothing(text) => {
                Err(Reply::Refused(format!("it did not say who it is, nothing was sent: {text}")))
            }
        }
    }

    /// Sends lines at once.
    async fn tell(&mut self, lines: &[Line]) -> Vec<Answer> {
        self.connection.be_patient(Patience::until(Instant::now() + REPLY_WITHIN));
        let log_in = std::mem::take(&mut self.login_to_send);
        let login = self.target.login.as_ref().filter(|_| log_in);
        let mut answers: Vec<Answer> = Vec::new();
        self.connection
            .change(login, lines, self.token, |_, answer| {
                answers.push(match answer {
                    Ok(value) => Answer::Said(parts(&value)),
                    Err(silence) if silence.somebody_answered() => {
                        Answer::Refused(silence.describe())
                    }
                    Err(silence) => Answer::Nothing(silence.describe()),
                });
            })
            .await;
        answers
    }

    /// Sends one line.
    async fn tell_one(&mut self, line: Line) -> Answer {
        let none = || Answer::Nothing("no reply".to_owned());
        self.tell(&[line]).await.pop().unwrap_or_else(none)
    }
}

/// The texts of a reply: of an array those of each element, in order.
fn parts(value: &Value<'_>) -> Vec<Vec<u8>> {
    match value.array() {
        Some(all) => all.iter().flat_map(parts).collect(),
        None => value.bytes().map(<[u8]>::to_vec).into_iter().collect(),
    }
}

/// Loads a library as the giver has it. The server refuses one that it has by that name already.
async fn copy_library(
    server: &mut Server<'_>,
    name: &str,
    (from, at, login): (&NodeId, &Endpoint, bool),
) -> Reply {
    let mut giver = match Server::reach(server.target, login, at, server.token).await {
        Ok(giver) => giver,
        Err(silence) => {
            return Reply::Refused(format!("cannot reach {at}: {}", silence.describe()));
        }
    };
    if let Err(reply) = giver.is(from).await {
        return reply;
    }
    let ask = line(&[b"FUNCTION", b"LIST", b"LIBRARYNAME", name.as_bytes(), b"WITHCODE"]);
    let told = match giver.tell_one(ask).await {
        Answer::Said(told) => told,
        Answer::Refused(text) | Answer::Nothing(text) => return Reply::Refused(text),
    };
    let Some(source) = source(&told, name) else {
        return Reply::Refused(format!("{at} did not show one library of the name {name}"));
    };
    reply_of(&server.tell(&[line(&[b"FUNCTION", b"LOAD", source])]).await)
}

/// The source in the answer about one library: its name comes first, its source last.
fn source<'a>(told: &'a [Vec<u8>], name: &str) -> Option<&'a [u8]> {
    match told {
        [first, own, .., last, source]
            if first == b"library_name" && own == name.as_bytes() && last == b"library_code" =>
        {
            Some(source)
        }
        _ => None,
    }
}

/// Sets the password that the user gave as the one for the primary. It is that of the default user,
/// as whom a replica logs in.
async fn log_in_as_you(server: &mut Server<'_>) -> Reply {
    let ours = server.target.login.as_ref();
    let default = ours.filter(|login| login.user.as_deref().is_none_or(|user| user == "default"));
    let Some(login) = default else {
        return Reply::Refused("no password of the default user was given".to_owned());
    };
    let words = line(&[b"CONFIG", b"SET", b"masterauth", login.password.expose().as_bytes()]);
    reply_of(&server.tell(&[words]).await)
}

/// Moves keys until none is left that can be moved. A key that the receiver has with another value
/// stays at both ends: which one is right is for a person to say.
async fn move_keys(server: &mut Server<'_>, slot: Slot, to: &Endpoint) -> Reply {
    let mut differing: BTreeSet<Vec<u8>> = BTreeSet::new();
    loop {
        let count = (KEYS_A_ROUND + differing.len()).to_string();
        let ask =
            line(&[b"CLUSTER", b"GETKEYSINSLOT", slot.to_string().as_bytes(), count.as_bytes()]);
        let keys: Vec<Vec<u8>> = match server.tell_one(ask).await {
            Answer::Said(keys) => keys,
            Answer::Refused(text) => return Reply::Refused(text),
            Answer::Nothing(why) => return Reply::Unknown(why),
        };
        let keys: Vec<Vec<u8>> = keys.into_iter().filter(|key| !differing.contains(key)).collect();
        if keys.is_empty() {
            return if differing.is_empty() { Reply::Accepted } else { conflict(&differing) };
        }
        match server.tell_one(migrate(server.target, to, &keys, false)).await {
            Answer::Said(_) => {}
            Answer::Nothing(why) => return Reply::Unknown(why),
            Answer::Refused(text) if text.contains("BUSYKEY") => {
                match settle_busy(server, to, &keys).await {
                    Ok(differ) if differ.is_empty() => {}
                    Ok(differ) => differing.extend(differ),
                    Err(reply) => return reply,
                }
            }
            // The receiver may have them already (`migrateCommand`, socket errors).
            Answer::Refused(text) if text.starts_with("IOERR") => return Reply::Unknown(text),
            Answer::Refused(text) => return Reply::Refused(text),
        }
    }
}

/// Of keys that the receiver has as well, moves those with the same value; returns the others.
async fn settle_busy(
    server: &mut Server<'_>,
    to: &Endpoint,
    keys: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, Reply> {
    let mut receiver = Server::reach(server.target, true, to, server.token)
        .await
        .map_err(|silence| Reply::Unknown(silence.describe()))?;
    let (mut same, mut differ) = (Vec::new(), Vec::new());
    for key in keys {
        let (here, there) = (dump(server, key).await?, dump(&mut receiver, key).await?);
        match (here, there) {
            // It went with the others of the same MIGRATE, or was never there.
            (None, _) | (Some(_), None) => {}
            (Some(here), Some(there)) if here == there => same.push(key.clone()),
            _ => differ.push(key.clone()),
        }
    }
    if !same.is_empty() {
        match server.tell_one(migrate(server.target, to, &same, true)).await {
            Answer::Said(_) => {}
            Answer::Refused(text) | Answer::Nothing(text) => return Err(Reply::Unknown(text)),
        }
    }
    Ok(differ)
}

/// The value of a key as bytes; `None` when there is none.
async fn dump(server: &mut Server<'_>, key: &[u8]) -> Result<Option<Vec<u8>>, Reply> {
    let lines = [line(&[b"ASKING"]), line(&[b"DUMP", key])];
    match server.tell(&lines).await.pop() {
        Some(Answer::Said(mut parts)) => Ok(parts.pop()),
        Some(Answer::Refused(text) | Answer::Nothing(text)) => Err(Reply::Unknown(text)),
        None => Err(Reply::Unknown("no reply".to_owned())),
    }
}

fn conflict(keys: &BTreeSet<Vec<u8>>) -> Reply {
    let names = keys.iter().take(KEYS_NAMED).map(|key| short_name(key)).collect();
    Reply::Differ { count: keys.len() as u64, names }
}

/// The name of a key in quotes, so that its end can be seen; what is no text as escapes.
fn short_name(key: &[u8]) -> String {
    let head = key.get(..KEY_BYTES_NAMED).unwrap_or(key);
    let more = if head.len() < key.len() { "..." } else { "" };
    match std::str::from_utf8(head) {
        Ok(text) => format!("\"{text}\"{more}"),
        Err(_) => format!("\"{}\"{more}", head.escape_ascii()),
    }
}

fn migrate(target: &Target, to: &Endpoint, keys: &[Vec<u8>], replace: bool) -> Line {
    let port = to.port.to_string();
    let mut words = line(&[
        b"MIGRATE",
        to.host.as_bytes(),
        port.as_bytes(),
        b"",
        b"0",
        MIGRATE_TIMEOUT_MS.as_bytes(),
    ]);
    if replace {
        words.push(b"REPLACE".to_vec());
    }
    if let Some(login) = &target.login {
        let password = login.password.expose().as_bytes();
        match &login.user {
            Some(user) => words.extend(line(&[b"AUTH2", user.as_bytes(), password])),
            None => words.extend(line(&[b"AUTH", password])),
        }
    }
    words.push(b"KEYS".to_vec());
    words.extend(keys.iter().cloned());
    words
}

fn line(words: &[&[u8]]) -> Line {
    words.iter().map(|word| word.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_source_is_that_of_the_one_library_that_was_asked_for() {
        let one = ["library_name", "orders", "engine", "LUA", "functions", "library_code", "#!lua"];
        assert_eq!(source(&told(&one), "orders"), Some(b"#!lua".as_slice()));
        assert_eq!(source(&told(&one), "users"), None);
        assert_eq!(source(&told(&one[..6]), "orders"), None);
        assert_eq!(source(&[], "orders"), None);
    }

    #[test]
    fn keys_that_differ_are_counted_whole_and_named_within_bounds() {
        let keys: BTreeSet<Vec<u8>> = (0..50_u8).map(|n| vec![n.wrapping_add(200); 500]).collect();
        let Reply::Differ { count, names } = conflict(&keys) else { panic!("no conflict") };
        assert_eq!((count, names.len()), (50, KEYS_NAMED));
        assert!(names.iter().all(|name| name.len() <= 4 * KEY_BYTES_NAMED + 5), "{names:?}");
        assert_eq!(short_name("k\u{e9}".as_bytes()), "\"k\u{e9}\"");
        assert_eq!(short_name(b"\xff"), r#""\xff""#);
    }
}
