//! One member that lies: it stands at the address of a real node, answers every question of
//! slotwright, and lies by a strategy, for ever; and the address of an attacker that it may name.
//!
//! It knows what the real node knew: all answers are taken from it before it is ended. On the bus
//! it answers strangers, such as slotwright's probe, with a PONG that fits its lies, and is silent
//! to the members, whom a forged message could harm without any help of ours.
//!
//! Invariant: a liar ends with its value, and with it every socket.

mod past;
mod strategy;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use slotwright_core::wire::bus;
use slotwright_core::wire::resp::{Decoder, encode_value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

pub use past::Past;
pub use strategy::Strategy;

use crate::cluster::Cluster;
use crate::error::{Doing, Result};
use crate::place::{BUS_PORT, PORT};
use strategy::Liars;

/// All bytes that an address received on its client port.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A liar, and the attacker whom it may name.
#[derive(Debug)]
pub struct Liar {
    attacker: SocketAddr,
    heard_by_attacker: Heard,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// Takes the place of a node that has ended. The attacker lives at an address that nobody had,
    /// on the ports of every server of the lab, and says that it is the first primary.
    ///
    /// # Errors
    /// When an address is taken.
    pub fn start(cluster: &mut Cluster, past: Past, strategy: Strategy) -> Result<Self> {
        let attacker = cluster.place.fresh_address()?;
        let heard_by_attacker = Heard::default();
        let liars = Arc::new(Liars::new(past, strategy, attacker));
        let mut ports = Vec::new();
        for (ip, is_attacker) in [(liars.ip(), false), (attacker, true)] {
            let heard = is_attacker.then(|| Arc::clone(&heard_by_attacker));
            for port in [PORT, BUS_PORT] {
                let at = SocketAddr::from((ip, port));
                let listener = TcpListener::bind(at)
                    .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                    .doing(|| format!("listening on {at}"))?;
                ports.push(Port { listener, is_attacker, heard: heard.clone() });
            }
        }
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .doing(|| "making a runtime".to_owned())?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                for port in ports {
                    tokio::spawn(listen(port, Arc::clone(&liars)));
                }
                let _ = ended.await;
            });
        });
        let attacker = SocketAddr::from((attacker, PORT));
        Ok(Self { attacker, heard_by_attacker, end: Some(end), thread: Some(thread) })
    }

    /// The address that nobody but the liar names.
    pub const fn attacker(&self) -> SocketAddr {
        self.attacker
    }

    /// All bytes that came there, of all connections.
    pub fn heard_by_attacker(&self) -> Vec<u8> {
        self.heard_by_attacker.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended too.
            let _ended = thread.join();
        }
    }
}

struct Port {
    listener: TcpListener,
    is_attacker: bool,
    heard: Option<Heard>,
}

async fn listen(port: Port, liars: Arc<Liars>) {
    let is_bus = port.listener.local_addr().is_ok_and(|at| at.port() == BUS_PORT);
    let Ok(listener) = tokio::net::TcpListener::from_std(port.listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (liars, heard) = (Arc::clone(&liars), port.heard.clone());
        tokio::spawn(async move {
            // Whoever breaks off does no harm to a liar.
            let _ = if is_bus {
                on_the_bus(stream, &liars, port.is_attacker).await
            } else {
                on_the_client_port(stream, &liars, port.is_attacker, heard.as_ref()).await
            };
        });
    }
}

async fn on_the_bus(
    mut stream: TcpStream,
    liars: &Liars,
    is_attacker: bool,
) -> std::io::Result<()> {
    let mut ping = vec![0; bus::HEADER_BYTES];
    stream.read_exact(&mut ping).await?;
    if let Some(pong) = liars.pong(&ping, is_attacker) {
        stream.write_all(&pong).await?;
    }
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

async fn on_the_client_port(
    mut stream: TcpStream,
    liars: &Liars,
    is_attacker: bool,
    heard: Option<&Heard>,
) -> std::io::Result<()> {
    let mut decoder = Decoder::new();
    loop {
        let mut out = Vec::new();
        while let Ok(Some(command)) = decoder.next_value() {
            let words: Vec<String> = command
                .array()
                .unwrap_or_default()
                .iter()
                .filter_map(|word| Some(String::from_utf8_lossy(word.bytes()?).into_owned()))
                .collect();
            let said = liars.answer(&words, is_attacker);
            encode_value(&said.as_value(), &mut out);
        }
        stream.write_all(&out).await?;
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        if let Some(heard) = heard {
            let mut all = heard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(&bytes[..count]);
        }
        decoder.input().extend_from_slice(&bytes[..count]);
    }
}
