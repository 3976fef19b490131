//! What goes on beside a scenario until it ends: idle connections, commands repeated again and
//! again, stand-ins for servers.
//!
//! Every thread ends when its channel closes; none outlives the cluster.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use slotwright_core::scenario::Fake;

use crate::client::Client;
use crate::error::{Doing, Result};

/// How long a pause is at most: a thread ends within this time.
const TICK: Duration = Duration::from_millis(20);
/// What a hostile peer sends before we take it for proven that nobody reads.
const CHUNK: usize = 64 * 1024;

/// All that goes on.
#[derive(Debug, Default)]
pub struct Background {
    connections: Vec<TcpStream>,
    clients: Vec<Client>,
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
    /// Of those, the ones that repeat a `CLUSTER` command.
    meddlers: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Background {
    /// Ends everything and waits for it.
    pub fn end(&mut self) {
        self.connections.clear();
        self.clients.clear();
        self.end_meddling();
        end(&mut self.threads);
    }

    /// Stops whoever repeats a `CLUSTER` command: nothing can be mended against somebody who goes
    /// on breaking it, and an operator stops his script before he mends.
    pub fn end_meddling(&mut self) {
        end(&mut self.meddlers);
    }

    /// Holds a client, and whatever it has sent, until the end.
    pub fn hold(&mut self, client: Client) {
        self.clients.push(client);
    }

    /// Opens idle connections, and returns when the server has seen the last of them.
    ///
    /// # Errors
    /// When the machine has no more.
    pub fn occupy(&mut self, address: SocketAddr, count: usize) -> Result<()> {
        for _ in 0..count {
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5));
            self.connections.push(stream.doing(|| format!("occupying {address}"))?);
        }
        let Some(last) = self.connections.last_mut() else { return Ok(()) };
        let seen = last
            .set_read_timeout(Some(Duration::from_secs(5)))
            .and_then(|()| last.write_all(b"PING\r\n"))
            .and_then(|()| last.read(&mut [0; 1]));
        match seen {
            // It was refused with a reset: seen as well.
            Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                Err(error).doing(|| format!("occupying {address}"))
            }
            _ => Ok(()),
        }
    }

    /// Sends commands again and again, one after the other, with a pause in between. An answer
    /// that does not come is no reason to stop; the connection is then made anew.
    pub fn repeat(&mut self, address: SocketAddr, commands: Vec<Vec<String>>, pause: Duration) {
        let mut client = None;
        let meddles = commands.iter().any(|words| words.first().is_some_and(|w| w == "CLUSTER"));
        let mut next = commands.into_iter().cycle();
        self.start(move |stopped| {
            while !wait(stopped, pause) {
                let Some(words) = next.next() else { return };
                let connected = client
                    .take()
                    .map_or_else(|| Client::connect(address, Duration::from_secs(1)), Ok);
                client = connected.ok().and_then(|mut client: Client| {
                    client.ask(&words).ok()?;
                    Some(client)
                });
            }
        });
        if meddles {
            self.meddlers.extend(self.threads.pop());
        }
    }

    /// Puts a stand-in on an address.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn pretend(&mut self, address: SocketAddr, fake: Fake) -> Result<()> {
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .doing(|| format!("listening on {address}"))?;
        self.start(move |stopped| {
            let mut visitors = Vec::new();
            while !wait(stopped, TICK) {
                while let Ok((stream, _)) = listener.accept() {
                    if fake != Fake::Hangup && stream.set_nonblocking(true).is_ok() {
                        visitors.push(Visitor { stream, began: Instant::now(), sent: 0 });
                    }
                }
                visitors.retain_mut(|visitor| visitor.serve(fake));
            }
        });
        Ok(())
    }

    fn start(&mut self, work: impl FnOnce(&Receiver<()>) + Send + 'static) {
        let (stop, stopped) = channel();
        self.threads.push((stop, spawn(move || work(&stopped))));
    }
}

fn end(threads: &mut Vec<(Sender<()>, JoinHandle<()>)>) {
    for (stop, thread) in threads.drain(..) {
        drop(stop);
        // A thread that panicked has ended too.
        let _ended = thread.join();
    }
}

/// Pauses; true when it is time to end.
fn wait(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
}

/// Somebody who connected to a stand-in.
struct Visitor {
    stream: TcpStream,
    began: Instant,
    sent: usize,
}

impl Visitor {
    /// Sends what is due; false when the visitor has left.
    fn serve(&mut self, fake: Fake) -> bool {
        let mut heard = [0; 4096];
        match self.stream.read(&mut heard) {
            Ok(0) => return false,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return false,
            _ => (),
        }
        let due = match fake {
            Fake::Silent | Fake::Hangup => return true,
            Fake::Endless if self.sent == 0 => b"$536870912\r\n".to_vec(),
            Fake::Endless => vec![b'x'; CHUNK],
            Fake::Garbage => noise(self.sent),
            Fake::Drip => {
                let seconds = usize::try_from(self.began.elapsed().as_secs()).unwrap_or(usize::MAX);
                if self.sent > seconds {
                    return true;
                }
                b"+".to_vec()
            }
        };
        match self.stream.write(&due) {
            Ok(sent) => self.sent += sent,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        true
    }
}

/// Bytes without sense; the same ones each time, so that a failure can be repeated.
fn noise(seed: usize) -> Vec<u8> {
    let mut state = (seed as u64) | 1;
    (0..1_024)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        })
        .collect()
}
