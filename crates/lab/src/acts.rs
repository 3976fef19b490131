//! What breaks a cluster, carried out on real servers.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use slotwright_core::scenario::{Act, At, ConfEdit, Cut, Port, Reply, Server, World};

use crate::client::words;
use crate::cluster::{ANSWER, Cluster};
use crate::error::{Doing, Error, Result};
use crate::layout;
use crate::place::{BUS_PORT, PORT};
use crate::process::Process;
use crate::servers::helper;

/// How long a server may take to end after SIGTERM. It waits ten seconds for lagging replicas
/// (`shutdown-timeout`).
const END_MS: u64 = 15_000;

impl Cluster {
    /// Carries out one act.
    ///
    /// # Errors
    /// When it does not go as the scenario says.
    pub fn act(&mut self, act: &Act) -> Result<()> {
        match act {
            Act::Send(node, command, reply) => self.send(*node, command, *reply),
            Act::SendAll(command, reply) => {
                self.running().into_iter().try_for_each(|node| self.send(node, command, *reply))
            }
            Act::Stop(node) => self.stop(*node),
            Act::Kill(node) => {
                self.process(*node)?.kill();
                Ok(())
            }
            Act::Freeze(node) => self.process(*node)?.freeze(true),
            Act::Thaw(node) => self.process(*node)?.freeze(false),
            Act::Start(node, at, options) => self.start(*node, *at, options),
            Act::Conf(node, edit) => self.edit_conf(*node, edit),
            Act::Remove(node, file) => {
                let path = self.node(*node)?.launch.folder.join(file);
                std::fs::remove_file(&path).doing(|| format!("removing {}", path.display()))
            }
            Act::File(node, file, bytes) => {
                let path = self.node(*node)?.launch.folder.join(file);
                std::fs::write(&path, bytes).doing(|| format!("writing {}", path.display()))
            }
            Act::Certificate(node) => crate::certificates::write(&self.node(*node)?.launch.folder),
            Act::FillDisk(node) => self.fill_disk(*node),
            Act::Stranger { at, options, server } => self.stranger(*at, options, *server),
            Act::Twin(node) => self.twin(*node),
            Act::Sever { from, to, port, cut } => self.sever(from, to, *port, *cut),
            Act::Mend => nft("flush chain inet lab input"),
            Act::Occupy(node, count) => {
                let address = self.node(*node)?.address();
                self.background.occupy(address, *count)
            }
            Act::Launch(node, command) => {
                let line = self.expand(command)?;
                let mut client = self.connect(*node)?;
                client.send(&words(&line)).doing(|| format!("sending `{line}` to node {node}"))?;
                self.background.hold(client);
                Ok(())
            }
            Act::Repeat(node, command, pause_ms) => {
                let line = self.expand(command)?;
                let address = self.node(*node)?.address();
                let pause = Duration::from_millis(u64::from(*pause_ms));
                self.background.repeat(address, vec![words(&line)], pause);
                Ok(())
            }
            Act::Pretend(node, fake) => {
                let address = self.node(*node)?.address();
                self.background.pretend(address, *fake)
            }
            Act::Wait(until, within_ms) => self.wait(until, u64::from(*within_ms)),
        }
    }

    fn process(&mut self, number: usize) -> Result<&mut Process> {
        let none = || Error::Scenario(format!("node {number} was not started"));
        self.node(number)?.process.as_mut().ok_or_else(none)
    }

    fn send(&mut self, number: usize, command: &str, reply: Reply) -> Result<()> {
        let deadline = if reply == Reply::Any { Duration::from_secs(1) } else { ANSWER };
        let answer = self.ask_within(number, command, deadline);
        if reply == Reply::Any {
            return Ok(());
        }
        let answer = answer?;
        let as_wanted = answer.error().is_none() == (reply == Reply::Fine);
        if as_wanted {
            return Ok(());
        }
        let command = self.expand(command)?;
        Err(Error::Answer { node: number, command, said: answer.text() })
    }

    fn stop(&mut self, number: usize) -> Result<()> {
        self.process(number)?.ask_to_end()?;
        let condition = format!("node {number} to end after SIGTERM");
        self.poll(&condition, END_MS, |cluster| {
            let ended = cluster.process(number)?.has_ended();
            Ok((!ended).then(|| "it runs".to_owned()))
        })
    }

    fn start(&mut self, number: usize, at: At, options: &[String]) -> Result<()> {
        if !self.process(number)?.has_ended() {
            return Err(Error::Scenario(format!("node {number} runs; it cannot be started")));
        }
        let present = self.node(number)?.launch.ip;
        let ip = self.address_of(at, Some(present))?;
        let options: Vec<String> =
            options.iter().map(|word| self.expand(word)).collect::<Result<_>>()?;
        let node = self.node(number)?;
        node.launch.ip = ip;
        node.launch.words.extend(options);
        self.launch(number)?;
        self.await_first_word(number)
    }

    fn edit_conf(&mut self, number: usize, edit: &ConfEdit) -> Result<()> {
        let path = self.node(number)?.launch.folder.join("nodes.conf");
        let mut whom = String::new();
        let (edit, of) = match edit {
            ConfEdit::Delete => {
                return std::fs::remove_file(&path)
                    .doing(|| format!("removing {}", path.display()));
            }
            ConfEdit::Replace(from, to) => {
                (ConfEdit::Replace(self.expand(from)?, self.expand(to)?), String::new())
            }
            ConfEdit::Follow { of, whom: primary } => {
                whom = self.expand(&format!("{{id{primary}}}"))?;
                (edit.clone(), self.expand(&format!("{{id{of}}}"))?)
            }
            ConfEdit::Slots { of, .. } | ConfEdit::Epoch { of, .. } => {
                (edit.clone(), self.expand(&format!("{{id{of}}}"))?)
            }
            ConfEdit::Truncate(_) => (edit.clone(), String::new()),
        };
        let text =
            std::fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
        let text = layout::edit(&text, &edit, &of, &whom)?;
        std::fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    }

    /// Writes until there is no room left.
    fn fill_disk(&mut self, number: usize) -> Result<()> {
        let path = self.node(number)?.launch.folder.join("filler");
        let mut file =
            std::fs::File::create(&path).doing(|| format!("making {}", path.display()))?;
        for size in [4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
        Ok(())
    }

    fn stranger(&mut self, at: At, options: &[String], server: Option<Server>) -> Result<()> {
        let ip = self.address_of(at, None)?;
        let program = self.program(server.unwrap_or_else(|| self.server()))?;
        let options: Vec<String> =
            options.iter().map(|word| self.expand(word)).collect::<Result<_>>()?;
        let words = self.timeout_words().into_iter().chain(options).collect();
        let number = self.add_node(program, ip, words)?;
        self.launch(number)?;
        self.await_first_word(number)
    }

    fn twin(&mut self, of: usize) -> Result<()> {
        let ip = self.place.fresh_address()?;
        let original = self.node(of)?;
        let (program, words) = (original.launch.program.clone(), original.launch.words.clone());
        let folder = original.launch.folder.clone();
        let number = self.add_node(program, ip, words)?;
        let copy = self.nodes[number].launch.folder.clone();
        let copying = || format!("copying {}", folder.display());
        for entry in std::fs::read_dir(&folder).doing(copying)? {
            let entry = entry.doing(copying)?;
            if entry.path().is_file() {
                std::fs::copy(entry.path(), copy.join(entry.file_name())).doing(copying)?;
            }
        }
        self.launch(number)?;
        self.await_first_word(number)
    }

    fn sever(&mut self, from: &[usize], to: &[usize], port: Port, cut: Cut) -> Result<()> {
        if self.world() != World::Namespace {
            return Err(Error::Scenario("packets can be stopped in a namespace only".to_owned()));
        }
        nft("add table inet lab")?;
        nft("add chain inet lab input { type filter hook input priority 0 ; }")?;
        let ports = match port {
            Port::Client => PORT.to_string(),
            Port::Bus => BUS_PORT.to_string(),
            Port::Both => format!("{{ {PORT}, {BUS_PORT} }}"),
        };
        let verdict = match cut {
            Cut::Drop => "drop",
            Cut::Reject => "reject with tcp reset",
            Cut::DropLong => "meta length > 1300 drop",
        };
        for from in from {
            for to in to {
                let (from, to) = (self.node(*from)?.launch.ip, self.node(*to)?.launch.ip);
                nft(&format!(
                    "add rule inet lab input ip saddr {from} ip daddr {to} tcp dport {ports} {verdict}"
                ))?;
            }
        }
        Ok(())
    }
}

fn nft(command: &str) -> Result<()> {
    helper(Command::new("nft").arg(command)).map(|_| ())
}
