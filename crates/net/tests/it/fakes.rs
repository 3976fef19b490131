//! Peers on real sockets that behave as a test wants, and remember what they heard.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::wire::resp::{Decoder, Value, encode_value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How a peer behaves.
#[derive(Clone)]
pub enum Manner {
    /// Answers as a node with this id and this `CLUSTER NODES`.
    Node {
        /// Its id.
        id: NodeId,
        /// Its table.
        table: String,
        /// Whether every question before `AUTH` is refused.
        locked: bool,
    },
    /// A node that wants a password, and says that it is a replica with a link to that address.
    Copies {
        /// Its id.
        id: NodeId,
        /// Its table.
        table: String,
        /// Whom it copies.
        from: Endpoint,
    },
    /// A node that wants a password, takes every `SET`, and sends whoever reads to that address.
    Redirects {
        /// Its id.
        id: NodeId,
        /// Its table.
        table: String,
        /// `MOVED` or `ASK`, a slot and where to.
        error: String,
    },
    /// A node that counts the keys of some slots and says of others that it loads its data.
    CountsSome {
        /// Its id.
        id: NodeId,
        /// Its table.
        table: String,
    },
    /// `+PONG`, one byte a second.
    Slow,
    /// A bulk string that is announced within the limit and never ends.
    EndlessBulk,
    /// Elements without end.
    EndlessArray,
    /// Bytes that are no RESP.
    Garbage,
    /// Accepts and says nothing.
    Silent,
    /// Accepts and closes.
    Closes,
}

/// Command lines that a peer heard.
pub type Lines = Vec<Vec<Vec<u8>>>;
type Heard = Arc<Mutex<BTreeMap<usize, Lines>>>;

/// What a node says of itself.
const INFO: &str = "redis_version:7.0.15\r\n";

/// Some peers, served by a thread of their own until they are dropped.
pub struct Fakes {
    /// Where they listen, in the order of their manners.
    pub at: Vec<Endpoint>,
    heard: Heard,
    _end: oneshot::Sender<()>,
}

impl Fakes {
    /// Starts as many peers; `manners` is told their addresses.
    pub fn start(count: usize, manners: impl FnOnce(&[Endpoint]) -> Vec<Manner>) -> Self {
        let listeners: Vec<TcpListener> = (0..count)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
            .collect();
        let at: Vec<Endpoint> = listeners
            .iter()
            .map(|listener| listener.local_addr().expect("bound"))
            .map(|address| Endpoint::new(address.ip().to_string(), address.port()))
            .collect();
        let heard = Heard::default();
        let manners = manners(&at);
        let (end, ended) = oneshot::channel();
        let log = Arc::clone(&heard);
        std::thread::spawn(move || serve(listeners, manners, &log, ended));
        Self { at, heard, _end: end }
    }

    /// What this peer heard so far, over all its connections.
    pub fn heard(&self, peer: usize) -> Lines {
        lock(&self.heard).get(&peer).cloned().unwrap_or_default()
    }
}

fn lock(heard: &Heard) -> MutexGuard<'_, BTreeMap<usize, Lines>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    listeners: Vec<TcpListener>,
    manners: Vec<Manner>,
    heard: &Heard,
    ended: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for (peer, (listener, manner)) in listeners.into_iter().zip(manners).enumerate() {
            listener.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let heard = Arc::clone(heard);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(behave(stream, manner.clone(), peer, Arc::clone(&heard)));
                }
            });
        }
        let _ = ended.await;
    });
}

/// A peer that we broke off with is no failure of the test, so errors end the conversation.
async fn behave(mut stream: TcpStream, manner: Manner, peer: usize, heard: Heard) {
    let _ = match manner {
        Manner::Node { id, table, locked } => {
            answer(&mut stream, (id, INFO), &table, (locked, None), peer, &heard).await
        }
        Manner::Redirects { id, table, error } => {
            let refuses = Some((&b"GET "[..], error.as_str()));
            answer(&mut stream, (id, INFO), &table, (true, refuses), peer, &heard).await
        }
        Manner::CountsSome { id, table } => {
            let refuses = Some((&b"CLUSTER COUNTKEYSINSLOT 12"[..], "LOADING my data set"));
            answer(&mut stream, (id, INFO), &table, (false, refuses), peer, &heard).await
        }
        Manner::Copies { id, table, from } => {
            let info = format!(
                "{INFO}role:slave\r\nmaster_host:{}\r\nmaster_port:{}\r\nmaster_link_status:up\r\n",
                from.host, from.port
            );
            answer(&mut stream, (id, &info), &table, (true, None), peer, &heard).await
        }
        Manner::Slow => trickle(&mut stream).await,
        Manner::EndlessBulk => pour(&mut stream, b"$16000000\r\n", &[b'x'; 4096]).await,
        Manner::EndlessArray => pour(&mut stream, b"*1000000\r\n", &b":1\r\n".repeat(1024)).await,
        Manner::Garbage => pour(&mut stream, b"", b"\x00\xffSSH-2.0-nobody\r\n").await,
        Manner::Silent => hold(&mut stream).await,
        Manner::Closes => Ok(()),
    };
}

async fn trickle(stream: &mut TcpStream) -> std::io::Result<()> {
    for byte in b"+PONG\r\n".iter().cycle() {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn pour(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> std::io::Result<()> {
    stream.write_all(head).await?;
    loop {
        stream.write_all(body).await?;
    }
}

async fn hold(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut unread = [0_u8; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

async fn answer(
    stream: &mut TcpStream,
    (id, info): (NodeId, &str),
    table: &str,
    (locked, refuses): (bool, Option<(&[u8], &str)>),
    peer: usize,
    heard: &Heard,
) -> std::io::Result<()> {
    let (mut decoder, mut open, id) = (Decoder::new(), !locked, id.to_string());
    loop {
        let mut out = Vec::new();
        while let Ok(Some(command)) = decoder.next_value() {
            let words: Vec<Vec<u8>> = command
                .array()
                .unwrap_or_default()
                .iter()
                .filter_map(|word| word.bytes().map(<[u8]>::to_vec))
                .collect();
            let line = words.join(&b' ');
            lock(heard).entry(peer).or_default().push(words);
            open |= line.starts_with(b"AUTH ");
            let reply = match refuses {
                Some((what, error)) if open && line.starts_with(what) => {
                    Value::Error(error.as_bytes())
                }
                _ => reply(&line, open, (&id, info), table),
            };
            encode_value(&reply, &mut out);
        }
        stream.write_all(&out).await?;
        if stream.read_buf(decoder.input()).await? == 0 {
            return Ok(());
        }
    }
}

fn reply<'a>(line: &[u8], open: bool, (id, info): (&'a str, &'a str), table: &'a str) -> Value<'a> {
    match line {
        _ if !open => Value::Error(b"NOAUTH Authentication required."),
        b"PING" => Value::Status(b"PONG"),
        b"CLUSTER MYID" => Value::Bulk(id.as_bytes()),
        b"CLUSTER NODES" => Value::Bulk(table.as_bytes()),
        b"INFO" => Value::Bulk(info.as_bytes()),
        line if line.starts_with(b"AUTH ") || line.starts_with(b"SET ") => Value::Status(b"OK"),
        line if line.starts_with(b"DEL ") => Value::Integer(1),
        line if line.starts_with(b"CLUSTER COUNTKEYSINSLOT ") => Value::Integer(3),
        line if line.starts_with(b"CONFIG GET ") => Value::Array(Vec::new()),
        _ => Value::Error(b"ERR unknown command"),
    }
}

/// A table of primaries at these addresses that share the slots, as the one at `myself` shows it.
/// Their bus ports are closed.
pub fn table(at: &[Endpoint], myself: usize) -> String {
    let share = 16_384 / at.len().max(1);
    let mut text = String::new();
    for (number, endpoint) in at.iter().enumerate() {
        let id = NodeId::made_up(u32::try_from(number).expect("few"));
        let flags = if number == myself { "myself,master" } else { "master" };
        let last = if number + 1 == at.len() { 16_383 } else { (number + 1) * share - 1 };
        let (host, port, first) = (&endpoint.host, endpoint.port, number * share);
        text.push_str(&format!(
            "{id} {host}:{port}@1 {flags} - 0 1700000000000 {number} connected {first}-{last}\n"
        ));
    }
    text
}

/// Healthy nodes of one cluster.
pub fn cluster(at: &[Endpoint]) -> Vec<Manner> {
    (0..at.len())
        .map(|number| Manner::Node {
            id: NodeId::made_up(u32::try_from(number).expect("few")),
            table: table(at, number),
            locked: false,
        })
        .collect()
}
