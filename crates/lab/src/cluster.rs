//! A cluster of real servers: built, spoken to, and cleaned up.
//!
//! Invariant: whatever was started, mounted or made is known to the watchdog before anything else
//! is done with it.
//!
//! A cluster in a namespace is usable only on the thread that built it: the thread has entered the
//! namespace for good, and so does everything that it starts.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use slotwright_core::model::Slot;
use slotwright_core::scenario::{Act, At, Scenario, Server, Until, World};
use slotwright_net::Tls;

use crate::background::Background;
use crate::certificates;
use crate::client::{Client, Value, words};
use crate::clock::Clock;
use crate::error::{Doing, Error, Result};
use crate::kept::Kept;
use crate::layout;
use crate::place::{BUS_PORT, PORT, Place, TLS_PORT, make_folder};
use crate::process::{Launch, Process};
use crate::servers::{Binary, helper};
use crate::watchdog::{Debris, Watchdog};

/// How long a server may take to answer a command of a scenario.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);
/// How long a server that was started is given to say its first word.
const FIRST_WORD_MS: u64 = 5_000;
/// How long a healthy cluster may take to come up.
const BUILD_MS: u64 = 30_000;

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    // The order is the order of dropping: what disturbs the servers ends before they do.
    pub(crate) background: Background,
    pub(crate) nodes: Vec<LabNode>,
    pub(crate) watchdog: Watchdog,
    pub(crate) place: Place,
    binaries: Vec<Binary>,
    server: Server,
    world: World,
    node_timeout_ms: u32,
    tls: bool,
    credentials: Vec<(Option<String>, String)>,
}

/// One of its nodes.
#[derive(Debug)]
pub(crate) struct LabNode {
    pub launch: Launch,
    /// The id as last heard; `None` for a server that has none, or has not told it yet.
    pub id: Option<String>,
    /// The id that it was built with.
    pub first_id: Option<String>,
    pub first_ip: Ipv4Addr,
    pub process: Option<Process>,
    client: Option<Client>,
}

impl Cluster {
    /// Builds the healthy cluster that a scenario begins with.
    ///
    /// Where the scenario has options of its own, which may keep the cluster from being healthy,
    /// it is enough that every server speaks.
    ///
    /// # Errors
    /// When a server does not come up.
    pub fn build(scenario: &Scenario, server: Server, binaries: &[Binary]) -> Result<Self> {
        Self::build_with_ids(scenario, server, binaries, &[])
    }

    /// The same, with these ids for the first nodes, and random ones for the others.
    pub(crate) fn build_with_ids(
        scenario: &Scenario,
        server: Server,
        binaries: &[Binary],
        ids: &[String],
    ) -> Result<Self> {
        let mut watchdog = Watchdog::start()?;
        let place = Place::take(scenario.world)?;
        watchdog.folder(place.folder())?;
        if scenario.world == World::Namespace {
            enter_namespace(&place, &mut watchdog)?;
        }
        let mut cluster = Self {
            background: Background::default(),
            nodes: Vec::new(),
            watchdog,
            place,
            binaries: binaries.to_vec(),
            server,
            world: scenario.world,
            node_timeout_ms: scenario.node_timeout_ms,
            tls: scenario.tls,
            credentials: credentials(scenario),
        };
        cluster.lay_out(scenario, ids)?;
        cluster.start_all(scenario)?;
        cluster.write_keys(scenario.primaries, scenario.keys)?;
        Ok(cluster)
    }

    /// Lets it stand after us, and enters it in the register for `lab down`.
    ///
    /// # Errors
    /// When the register cannot be written.
    pub fn keep(mut self, purpose: &str) -> Result<Kept> {
        let debris = self.watchdog.keep()?;
        let place = self.place.number();
        let mut kept = Kept::new(place, purpose, self.server, self.world, debris);
        kept.nodes = self.nodes.iter().map(|node| node.address().to_string()).collect();
        kept.register()?;
        self.nodes.iter_mut().for_each(|node| std::mem::forget(node.process.take()));
        Ok(kept)
    }

    /// What there is to clean up after it.
    pub const fn debris(&self) -> &Debris {
        self.watchdog.debris()
    }

    /// The folder that ends with it.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.place.folder()
    }

    /// The addresses of these nodes, or of all that run.
    pub fn addresses(&mut self, of: &[usize]) -> Vec<SocketAddr> {
        let running = self.running();
        let chosen = if of.is_empty() { running } else { of.to_vec() };
        chosen.into_iter().filter_map(|n| Some(self.nodes.get(n)?.address())).collect()
    }

    /// Where these nodes are looked at, and how: over TLS where they speak it.
    pub(crate) fn windows(&mut self, of: &[usize]) -> Result<(Vec<SocketAddr>, Option<Tls>)> {
        let mut addresses = self.addresses(of);
        if !self.tls {
            return Ok((addresses, None));
        }
        addresses.iter_mut().for_each(|address| address.set_port(TLS_PORT));
        Ok((addresses, Some(certificates::tls(self.place.folder())?)))
    }

    /// The numbers of the nodes that run and are not frozen.
    pub fn running(&mut self) -> Vec<usize> {
        let runs = |node: &mut LabNode| {
            node.process
                .as_mut()
                .is_some_and(|process| !process.has_ended() && !process.is_frozen())
        };
        (0..self.nodes.len()).filter(|n| runs(&mut self.nodes[*n])).collect()
    }

    pub(crate) fn node(&mut self, number: usize) -> Result<&mut LabNode> {
        let count = self.nodes.len();
        let none = || Error::Scenario(format!("there is no node {number}, only {count}"));
        self.nodes.get_mut(number).ok_or_else(none)
    }

    /// Sends a command, a template, and returns the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&mut self, number: usize, template: &str) -> Result<Value> {
        self.ask_within(number, template, ANSWER)
    }

    pub(crate) fn ask_within(
        &mut self,
        number: usize,
        template: &str,
        deadline: Duration,
    ) -> Result<Value> {
        let line = self.expand(template)?;
        let credentials = self.credentials.clone();
        let node = self.node(number)?;
        let answer = node.ask(&words(&line), deadline, &credentials);
        answer.doing(|| format!("asking node {number} at {} for `{line}`", node.address()))
    }

    /// A connection of its own to a node, logged in where it must be.
    pub(crate) fn connect(&mut self, number: usize) -> Result<Client> {
        let credentials = self.credentials.clone();
        let node = self.node(number)?;
        let address = node.address();
        log_in(address, ANSWER, &credentials).doing(|| format!("connecting to {address}"))
    }

    /// Puts ids and addresses into a template.
    ///
    /// # Errors
    /// When it names a node that there is not, or that has no id.
    pub fn expand(&mut self, template: &str) -> Result<String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            match after.split_once('}').and_then(|(name, tail)| Some((named(name)?, tail))) {
                Some(((what, number), tail)) => {
                    text.push_str(&self.value_of(what, number)?);
                    rest = tail;
                }
                // A brace of the command's own: a hash tag.
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    fn value_of(&mut self, what: &str, number: usize) -> Result<String> {
        let node = self.node(number)?;
        let id = match what {
            "ip" => return Ok(node.launch.ip.to_string()),
            "port" => return Ok(node.launch.port().to_string()),
            "cport" => return Ok(BUS_PORT.to_string()),
            "id" => node.id.clone(),
            _ => node.first_id.clone(),
        };
        id.ok_or_else(|| Error::Scenario(format!("node {number} has not told its id")))
    }

    fn lay_out(&mut self, scenario: &Scenario, ids: &[String]) -> Result<()> {
        let total = scenario.primaries * (1 + scenario.replicas_each);
        let addresses: Vec<Ipv4Addr> =
            (0..total).map(|n| self.place.address(n)).collect::<Result<_>>()?;
        let mut rows = layout::healthy(scenario.primaries, scenario.replicas_each, &addresses);
        for (row, id) in rows.iter_mut().zip(ids) {
            row.id.clone_from(id);
        }
        for (number, row) in rows.iter().enumerate() {
            let mut words = self.timeout_words().to_vec();
            words.extend(["--cluster-enabled".to_owned(), "yes".to_owned()]);
            let program = self.program(self.server)?;
            self.add_node(program, row.ip, words)?;
            self.nodes[number].id = Some(row.id.clone());
            self.nodes[number].first_id = Some(row.id.clone());
            if let Some((_, kib)) = scenario.small_disk.filter(|(node, _)| *node == number) {
                self.mount_small_disk(number, kib)?;
            }
            let path = self.nodes[number].launch.folder.join("nodes.conf");
            let port = if self.tls { TLS_PORT } else { PORT };
            let text = layout::file(&rows, number, self.server, port);
            std::fs::write(&path, text).doing(|| format!("writing {}", path.display()))?;
        }
        if self.tls {
            self.prepare_tls()?;
        }
        for (number, ahead_s) in &scenario.clocks {
            let clock = Clock::new(self.place.folder(), *ahead_s)?;
            self.nodes[*number].launch.clock = Some(clock);
        }
        for (of, options) in &scenario.options {
            for number in (0..total).filter(|number| of.is_none_or(|of| of == *number)) {
                let options: Vec<String> =
                    options.iter().map(|word| self.expand(word)).collect::<Result<_>>()?;
                self.nodes[number].launch.words.extend(options);
            }
        }
        Ok(())
    }

    /// Certificates for all nodes and for us, and the words that make the nodes use them. The plain
    /// port stays: the scenario speaks there.
    fn prepare_tls(&mut self) -> Result<()> {
        let ours = self.place.folder().to_owned();
        let folders = self.nodes.iter().map(|node| &node.launch.folder).chain([&ours]);
        certificates::write_related(folders)?;
        let words = format!(
            "--tls-port {TLS_PORT} --tls-cluster yes --tls-replication yes --tls-auth-clients no \
             --tls-cert-file server.crt --tls-key-file server.key --tls-ca-cert-file ca.crt"
        );
        for node in &mut self.nodes {
            node.launch.words.extend(words.split_whitespace().map(str::to_owned));
        }
        Ok(())
    }

    /// What all servers have in common, strangers too: no drift that nobody staged.
    pub(crate) fn timeout_words(&self) -> [String; 2] {
        ["--cluster-node-timeout".to_owned(), self.node_timeout_ms.to_string()]
    }

    /// The program of a server.
    pub(crate) fn program(&self, server: Server) -> Result<PathBuf> {
        let binary = self.binaries.iter().find(|binary| binary.server == server);
        binary.map(|binary| binary.path.clone()).ok_or_else(|| Error::Missing {
            what: format!("{} is not installed", server.name()),
            hint: "Install it first: `slotwright lab up --server` does.".to_owned(),
        })
    }

    /// The server that the scenario runs on.
    pub const fn server(&self) -> Server {
        self.server
    }

    /// Where it lives.
    pub const fn world(&self) -> World {
        self.world
    }

    /// Adds a node that is not started yet, with a folder of its own.
    pub(crate) fn add_node(
        &mut self,
        program: PathBuf,
        ip: Ipv4Addr,
        words: Vec<String>,
    ) -> Result<usize> {
        let number = self.nodes.len();
        let folder = self.place.folder().join(number.to_string());
        make_folder(&folder)?;
        let log = self.place.folder().join(format!("{number}.log"));
        self.nodes.push(LabNode {
            launch: Launch { program, folder, log, ip, words, clock: None },
            id: None,
            first_id: None,
            first_ip: ip,
            process: None,
            client: None,
        });
        Ok(number)
    }

    fn mount_small_disk(&mut self, number: usize, kib: u32) -> Result<()> {
        let folder = self.nodes[number].launch.folder.clone();
        let size = format!("size={kib}k");
        helper(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder))?;
        self.watchdog.mount(&folder)
    }

    fn start_all(&mut self, scenario: &Scenario) -> Result<()> {
        for number in 0..self.nodes.len() {
            self.launch(number)?;
        }
        for number in 0..self.nodes.len() {
            self.await_first_word(number)?;
        }
        let plain = scenario.options.is_empty();
        let patience_ms = if plain { BUILD_MS } else { 6_000 };
        let settled = self.wait(&Until::Settled, patience_ms);
        if plain { settled } else { Ok(()) }
    }

    /// Starts the process of a node and notes it for cleaning up.
    pub(crate) fn launch(&mut self, number: usize) -> Result<()> {
        let node = self.node(number)?;
        let process = node.launch.start()?;
        let id = process.id();
        node.process = Some(process);
        node.client = None;
        self.watchdog.process(id)
    }

    /// Waits until a server answers anything, or has ended by itself. A server that does neither
    /// (it may be loading with its hands full) is left to the scenario.
    pub(crate) fn await_first_word(&mut self, number: usize) -> Result<()> {
        let spoke = |cluster: &mut Self| {
            if cluster.node(number)?.process.as_mut().is_none_or(Process::has_ended) {
                return Ok(None);
            }
            match cluster.ask_within(number, "PING", Duration::from_secs(1)) {
                Ok(_) => Ok(None),
                Err(error) => Ok(Some(error.chain())),
            }
        };
        match self.poll("its first word", FIRST_WORD_MS, spoke) {
            Ok(()) => {
                self.learn_id(number);
                Ok(())
            }
            Err(Error::NotYet { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn learn_id(&mut self, number: usize) {
        let told = self.ask_within(number, "CLUSTER MYID", Duration::from_secs(1));
        if let (Ok(Value::Text(id)), Ok(node)) = (told, self.node(number)) {
            node.first_id.get_or_insert_with(|| id.clone());
            node.id = Some(id);
        }
    }

    /// The address that a process is to have.
    pub(crate) fn address_of(&mut self, at: At, present: Option<Ipv4Addr>) -> Result<Ipv4Addr> {
        match (at, present) {
            (At::Same, Some(present)) => Ok(present),
            (At::Same, None) | (At::Fresh, _) => self.place.fresh_address(),
            (At::Of(other), _) => Ok(self.node(other)?.first_ip),
        }
    }

    /// Writes `key:0`, `key:1`, ... each to the primary of its slot.
    fn write_keys(&mut self, primaries: usize, keys: usize) -> Result<()> {
        let mut commands = vec![Vec::new(); primaries];
        for number in 0..keys {
            let key = format!("key:{number}");
            let slot = usize::from(Slot::of_key(key.as_bytes()).get());
            // The inverse of the even shares of `layout`.
            let owner = ((slot + 1) * primaries).div_ceil(16_384) - 1;
            commands[owner].push(vec!["SET".to_owned(), key, format!("value:{number}")]);
        }
        for (number, commands) in commands.iter().enumerate() {
            for part in commands.chunks(1_000) {
                let answers = self.connect(number)?.ask_all(part);
                let answers = answers.doing(|| format!("writing keys to node {number}"))?;
                if let Some(said) = answers.iter().find_map(Value::error) {
                    let command = "SET key:...".to_owned();
                    return Err(Error::Answer { node: number, command, said: said.to_owned() });
                }
            }
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.background.end();
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                process.kill();
            }
        }
    }
}

impl LabNode {
    /// Its present client address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(self.launch.ip, self.launch.port()))
    }

    /// Asks over a connection that is kept, so that a server that lets nobody in any more (out of
    /// clients, another password) still hears the scenario.
    fn ask(
        &mut self,
        words: &[String],
        deadline: Duration,
        credentials: &[(Option<String>, String)],
    ) -> io::Result<Value> {
        if let Some(mut client) = self.client.take() {
            client.set_deadline(deadline)?;
            match client.ask(words) {
                Ok(answer) => {
                    self.client = Some(client);
                    return Ok(answer);
                }
                Err(error) if is_timeout(&error) => return Err(error),
                // The connection was closed in the meantime; a new one may do.
                Err(_) => (),
            }
        }
        let mut client = log_in(self.address(), deadline, credentials)?;
        let answer = client.ask(words)?;
        self.client = Some(client);
        Ok(answer)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn log_in(
    address: SocketAddr,
    deadline: Duration,
    credentials: &[(Option<String>, String)],
) -> io::Result<Client> {
    let mut client = Client::connect(address, deadline)?;
    if credentials.is_empty() {
        return Ok(client);
    }
    for (user, password) in credentials {
        if !matches!(client.ask(&["PING"])?, Value::Error(text) if text.starts_with("NOAUTH")) {
            break;
        }
        let _refused = match user {
            Some(user) => client.ask(&["AUTH", user, password])?,
            None => client.ask(&["AUTH", password])?,
        };
    }
    Ok(client)
}

/// Every password that the scenario itself sets, and the one that slotwright is given.
fn credentials(scenario: &Scenario) -> Vec<(Option<String>, String)> {
    let mut lines: Vec<Vec<String>> =
        scenario.options.iter().map(|(_, options)| options.clone()).collect();
    for act in &scenario.acts {
        match act {
            Act::Send(_, command, _) | Act::SendAll(command, _) => lines.push(words(command)),
            Act::Start(_, _, options) => lines.push(options.clone()),
            _ => (),
        }
    }
    let set = lines.iter().flat_map(|line| line.windows(2)).filter_map(|pair| {
        let option = pair[0].trim_start_matches("--").eq_ignore_ascii_case("requirepass");
        (option && !pair[1].is_empty()).then(|| (None, pair[1].clone()))
    });
    let given =
        scenario.look.password.clone().map(|password| (scenario.look.user.clone(), password));
    set.chain(given).collect()
}

/// `id2` is what of which node.
fn named(name: &str) -> Option<(&str, usize)> {
    let digits = name.find(|letter: char| letter.is_ascii_digit())?;
    let (what, number) = name.split_at(digits);
    let known = ["id", "was", "ip", "port", "cport"].contains(&what);
    known.then_some(what).zip(number.parse().ok())
}

fn enter_namespace(place: &Place, watchdog: &mut Watchdog) -> Result<()> {
    let name = place.namespace();
    helper(Command::new("ip").args(["netns", "add", &name]))?;
    watchdog.namespace(&name)?;
    let path = PathBuf::from("/var/run/netns").join(&name);
    let file = File::open(&path).doing(|| format!("opening {}", path.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(io::Error::from)
        .doing(|| format!("entering the namespace {name}"))?;
    helper(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    // On lo the whole network of an address is local, so this is enough for all nodes. What comes
    // from an address that is not bound - we - comes from this one, which no node has.
    let ours = place.network();
    helper(Command::new("ip").args(["addr", "add", &ours, "dev", "lo"]))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_for_templates() {
        assert_eq!(named("id2"), Some(("id", 2)));
        assert_eq!(named("cport10"), Some(("cport", 10)));
        assert_eq!(named("tag"), None);
        assert_eq!(named("user1000"), None);
    }

    #[test]
    fn passwords_that_the_scenario_sets_are_known() {
        let scenario = Scenario::of(3, 0)
            .option("--requirepass one")
            .send(0, "CONFIG SET requirepass two")
            .password("three");
        let known: Vec<String> = credentials(&scenario).into_iter().map(|(_, word)| word).collect();
        assert_eq!(known, ["one", "two", "three"]);
    }
}
