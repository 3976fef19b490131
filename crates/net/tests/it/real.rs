//! Real servers, one process each, ended when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use slotwright_core::model::Endpoint;
use slotwright_core::scenario::Server;
use slotwright_lab::client::Client;
use slotwright_lab::servers;
use tempfile::TempDir;

/// Longer than any server takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server on the loopback interface.
pub struct Real {
    child: Child,
    /// Where it listens; with TLS, where it speaks TLS.
    pub at: Endpoint,
    folder: TempDir,
}

impl Real {
    /// Starts a server with these options beside its port, and waits until it answers anything.
    pub fn start(server: Server, options: &[&str]) -> Self {
        Self::start_in(server, TempDir::new().expect("a folder"), "--port", options)
    }

    /// Starts a server that speaks TLS only.
    pub fn start_tls(options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let options: Vec<&str> = ["--port", "0"].iter().chain(options).copied().collect();
        Self::start_in(Server::Redis70, folder, "--tls-port", &options)
    }

    /// Ends it and starts it again on the same data, with other options.
    pub fn restart(mut self, server: Server, options: &[&str]) -> Self {
        self.end();
        let folder = std::mem::replace(&mut self.folder, TempDir::new().expect("a folder"));
        Self::start_in(server, folder, "--port", options)
    }

    fn start_in(server: Server, folder: TempDir, port_option: &str, options: &[&str]) -> Self {
        let binaries = servers::ensure(&[server], &|_| {}).expect("the server is installed");
        let program = &binaries.first().expect("one was asked for").path;
        let port = free_port();
        let mut child = spawn(program, folder.path(), &[port_option, &port.to_string()], options);
        let at = Endpoint::new("127.0.0.1", port);
        let until = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(address(&at)).is_err() {
            assert!(Instant::now() < until, "the server does not listen");
            assert!(child.try_wait().expect("our child").is_none(), "the server ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, at, folder }
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(address(&self.at), PATIENCE).expect("it listens")
    }

    /// Asks one question without credentials; an error reply fails the test.
    pub fn ask(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = self.client().ask(&words).expect("it answers");
        assert_eq!(answer.error(), None, "{line}");
        answer.text()
    }

    /// Stops the process without ending it.
    pub fn freeze(&self) {
        let pid = self.child.id().to_string();
        let stopped = Command::new("kill").args(["-STOP", &pid]).status().expect("kill");
        assert!(stopped.success());
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(program: &Path, folder: &Path, port: &[&str], options: &[&str]) -> Child {
    Command::new(program)
        .args(port)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(options)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

pub fn address(at: &Endpoint) -> SocketAddr {
    SocketAddr::new(at.host.parse().expect("an IP"), at.port)
}

/// A port that is free now and whose bus port exists.
fn free_port() -> u16 {
    // Below what the kernel gives to those who dial, or who listen at port 0: the hostile peers of
    // other tests take thousands of these, and one would be taken between this look and the
    // server's own bind.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let first = u16::try_from(std::process::id() % 9_000).unwrap_or(0);
        let port = 10_240 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}
