//! A broken cluster as data: build this, break that.
//!
//! The same value is carried out by the lab on real servers, and read by a person through
//! `slotwright lab list`. Commands are templates: `{id2}`, `{ip2}`, `{port2}`, `{cport2}` stand
//! for the id, the present IP, client port and bus port of node 2; `{was2}` is the id that it was
//! built with, where that may be another by now. Nodes are numbered from 0: first the primaries,
//! then the replicas, replica `p + k` of primary `k % p`.

use serde::{Deserialize, Serialize};

/// Which node.
pub type Node = usize;

/// The three servers that tests run on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Server {
    /// Redis 7.0.15.
    #[serde(rename = "redis-7.0")]
    Redis70,
    /// Redis 8.2.3.
    #[serde(rename = "redis-8.2")]
    Redis82,
    /// Valkey 9.1.2.
    #[serde(rename = "valkey-9.1")]
    Valkey91,
}

impl Server {
    /// All three, oldest first.
    pub const ALL: [Self; 3] = [Self::Redis70, Self::Redis82, Self::Valkey91];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis70 => "redis-7.0",
            Self::Redis82 => "redis-8.2",
            Self::Valkey91 => "valkey-9.1",
        }
    }

    /// The server of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.name() == name)
    }
}

/// Where the servers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum World {
    /// On 127.0.x.y of this machine. Quick; no packet can be stopped.
    Loopback,
    /// On 10.x addresses in a network namespace of their own, where `nft` can cut one way, and
    /// where the servers hold nobody for local.
    Namespace,
}

/// A whole scenario.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Scenario {
    /// Primaries, sharing all slots evenly.
    pub primaries: usize,
    /// Replicas of each primary.
    pub replicas_each: usize,
    /// Where.
    pub world: World,
    /// `cluster-node-timeout` in milliseconds.
    pub node_timeout_ms: u32,
    /// Words for the server's command line, of all nodes or of one.
    pub options: Vec<(Option<Node>, Vec<String>)>,
    /// Whether the bus and replication speak TLS, with certificates of one authority, and clients
    /// may on a port of its own. Slotwright looks over TLS then.
    pub tls: bool,
    /// Nodes whose clock is ahead of the machine's by so many seconds (behind, if negative).
    pub clocks: Vec<(Node, i32)>,
    /// Keys written through the primaries before anything is broken: `key:0`, `key:1`, ...
    pub keys: usize,
    /// Whether the scenario stands or falls with how few keys there are: no more are written when
    /// its recovery is tried.
    pub bare: bool,
    /// Size in KiB of a tmpfs for the directory of a node, where a full disk is wanted.
    pub small_disk: Option<(Node, u32)>,
    /// What breaks it, in order.
    pub acts: Vec<Act>,
    /// How slotwright looks at it.
    pub look: Look,
    /// Servers it cannot apply to, and why.
    pub not_on: Vec<(Server, &'static str)>,
    /// Other codes that truly are root causes of this situation too.
    pub also: Vec<&'static str>,
    /// Where and why recovering must end with a refusal, although the finding can be repaired
    /// elsewhere: the scenario destroyed what a repair needs, or goes on breaking it.
    pub beyond_repair: Vec<(Server, &'static str)>,
    /// How long the finding may take to appear after the last act, in milliseconds.
    pub within_ms: u32,
}

/// How slotwright looks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Default)]
pub struct Look {
    /// The nodes that are named; all that run if empty.
    pub named: Vec<Node>,
    /// Further addresses that are named, `host:port`.
    pub also_named: Vec<String>,
    /// Count keys per slot everywhere.
    pub census: bool,
    /// User and password, where the servers want one.
    pub user: Option<String>,
    /// See `user`.
    pub password: Option<String>,
}

/// Where a process is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum At {
    /// Where it was.
    Same,
    /// On an address that nobody had yet.
    Fresh,
    /// On the first address of that node.
    Of(Node),
}

/// Which port of the target a cut closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Port {
    /// The client port.
    Client,
    /// The bus port.
    Bus,
    /// Both.
    Both,
}

/// What happens to a packet at a cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Cut {
    /// It vanishes.
    Drop,
    /// The sender is told.
    Reject,
    /// It vanishes when it is longer than 1300 bytes.
    DropLong,
}

/// What must be answered to a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Reply {
    /// No error.
    Fine,
    /// An error.
    Refused,
    /// Anything, or nothing within a second.
    Any,
}

/// A change to a `nodes.conf` of a node that does not run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum ConfEdit {
    /// Remove the file.
    Delete,
    /// Cut it to so many bytes.
    Truncate(usize),
    /// Replace each occurrence; both are templates.
    Replace(String, String),
    /// Replace the slots at the end of the row of a node (a template such as `{id1}`).
    Slots {
        /// The node whose row it is.
        of: Node,
        /// The slots as the file writes them.
        slots: String,
    },
    /// Make the row of a node that of a replica.
    Follow {
        /// The node whose row it is.
        of: Node,
        /// Its primary.
        whom: Node,
    },
    /// Replace the config epoch of the row of a node.
    Epoch {
        /// The node whose row it is.
        of: Node,
        /// The epoch.
        epoch: u64,
    },
}

/// What must hold before the next act. Each has a deadline in the act.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Until {
    /// `cluster_state` of a node.
    State(Node, &'static str),
    /// A node's row about a node has this flag (as on the wire: `fail`, `fail?`, `noaddr`,
    /// `handshake`). `fail` counts as `fail?` as well: it comes of it.
    Flag {
        /// Who says so.
        on: Node,
        /// Of whom.
        about: Node,
        /// Which.
        flag: &'static str,
    },
    /// The contrary of `Flag`.
    NoFlag {
        /// Who says so.
        on: Node,
        /// Of whom.
        about: Node,
        /// Which.
        flag: &'static str,
    },
    /// A node's table names (or no longer names) a node.
    Knows {
        /// Whose table.
        on: Node,
        /// Whom.
        about: Node,
        /// Named or not.
        known: bool,
    },
    /// A field of `INFO` or `CLUSTER INFO` of a node has this value.
    Field(Node, &'static str, &'static str),
    /// A field of `INFO` or `CLUSTER INFO` of a node has any other value than this.
    FieldNot(Node, &'static str, &'static str),
    /// A line with this text is in the log of a node.
    Logged(Node, &'static str),
    /// The process of a node has ended by itself.
    Exited(Node),
    /// All running nodes say `cluster_state:ok`, and all links and replicas are in order.
    Settled,
    /// The reply to `PING` begins so (`-LOADING`, `-MISCONF`, `-BUSY`).
    Ping(Node, &'static str),
    /// A command (a template) on a node answers with text that contains this (a template).
    Answers(Node, String, String),
}

/// What a stand-in for a server does with those who connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Fake {
    /// Sends an endless bulk.
    Endless,
    /// Sends one byte a second.
    Drip,
    /// Sends random bytes.
    Garbage,
    /// Accepts and says nothing.
    Silent,
    /// Closes at once.
    Hangup,
}

/// One act.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Act {
    /// Send a command (a template) to a node.
    Send(Node, String, Reply),
    /// Send a command (a template) to all that run.
    SendAll(String, Reply),
    /// End a process as an orchestrator would (SIGTERM) and wait for it.
    Stop(Node),
    /// End a process at once (SIGKILL) and wait for it.
    Kill(Node),
    /// Stop a process where it is (SIGSTOP).
    Freeze(Node),
    /// Let it go on.
    Thaw(Node),
    /// Start a stopped process on its own directory, with further words for its command line.
    Start(Node, At, Vec<String>),
    /// Change the `nodes.conf` of a stopped node.
    Conf(Node, ConfEdit),
    /// Remove a file from the directory of a node: `dump.rdb`.
    Remove(Node, String),
    /// Put a file into the directory of a node.
    File(Node, String, Vec<u8>),
    /// Put a TLS certificate of its own into the directory of a node: `server.crt`, `server.key`,
    /// and `ca.crt`, which trusts it.
    Certificate(Node),
    /// Fill the small disk of a node.
    FillDisk(Node),
    /// Start another server with a directory of its own. It becomes the next node number. Its
    /// address is that of `at`.
    Stranger {
        /// Where.
        at: At,
        /// Its command line; contains `--cluster-enabled` unless it is to be none.
        options: Vec<String>,
        /// The server, if another than the scenario's.
        server: Option<Server>,
    },
    /// Start a second process on a copy of a node's directory, on a fresh address. It becomes the
    /// next node number.
    Twin(Node),
    /// Close a port of some nodes to some nodes, in that direction (a namespace is needed).
    Sever {
        /// Who dials.
        from: Vec<Node>,
        /// Who is dialled.
        to: Vec<Node>,
        /// Which port.
        port: Port,
        /// How.
        cut: Cut,
    },
    /// Open everything again.
    Mend,
    /// Hold this many idle connections to a node.
    Occupy(Node, usize),
    /// Send a command (a template) to a node and do not wait for the answer.
    Launch(Node, String),
    /// Send a command (a template) to a node again and again until the scenario ends.
    Repeat(Node, String, u32),
    /// Put a stand-in on the client port of a stopped node.
    Pretend(Node, Fake),
    /// Wait for a condition, this many milliseconds at most.
    Wait(Until, u32),
}

impl Scenario {
    /// A healthy cluster of that shape, with nothing broken yet.
    pub fn of(primaries: usize, replicas_each: usize) -> Self {
        Self {
            primaries,
            replicas_each,
            world: World::Loopback,
            node_timeout_ms: 1_500,
            options: Vec::new(),
            tls: false,
            clocks: Vec::new(),
            keys: 0,
            bare: false,
            small_disk: None,
            acts: Vec::new(),
            look: Look::default(),
            not_on: Vec::new(),
            also: Vec::new(),
            beyond_repair: Vec::new(),
            within_ms: 15_000,
        }
    }

    /// In a network namespace, on 10.x addresses.
    #[must_use]
    pub const fn in_namespace(mut self) -> Self {
        self.world = World::Namespace;
        self
    }

    /// With keys.
    #[must_use]
    pub const fn keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// With no more keys than it says, also when its recovery is tried.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// With another node timeout.
    #[must_use]
    pub const fn node_timeout_ms(mut self, ms: u32) -> Self {
        self.node_timeout_ms = ms;
        self
    }

    /// With words on every command line.
    #[must_use]
    pub fn option(mut self, words: &str) -> Self {
        self.options.push((None, words.split_whitespace().map(str::to_owned).collect()));
        self
    }

    /// With words on the command line of one node.
    #[must_use]
    pub fn option_of(mut self, node: Node, words: &str) -> Self {
        self.options.push((Some(node), words.split_whitespace().map(str::to_owned).collect()));
        self
    }

    /// Over TLS.
    #[must_use]
    pub const fn over_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// With a clock that is ahead by so many seconds on one node.
    #[must_use]
    pub fn clock(mut self, node: Node, ahead_s: i32) -> Self {
        self.clocks.push((node, ahead_s));
        self
    }

    /// With a small disk for one node.
    #[must_use]
    pub const fn small_disk(mut self, node: Node, kib: u32) -> Self {
        self.small_disk = Some((node, kib));
        self
    }

    /// Then this act.
    #[must_use]
    pub fn act(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    /// Then send a command that must succeed.
    #[must_use]
    pub fn send(self, node: Node, command: &str) -> Self {
        self.act(Act::Send(node, command.to_owned(), Reply::Fine))
    }

    /// Then send a command that must succeed to all that run.
    #[must_use]
    pub fn send_all(self, command: &str) -> Self {
        self.act(Act::SendAll(command.to_owned(), Reply::Fine))
    }

    /// Then wait for a condition, ten seconds at most.
    #[must_use]
    pub fn wait(self, until: Until) -> Self {
        self.act(Act::Wait(until, 10_000))
    }

    /// Then end a process at once.
    #[must_use]
    pub fn kill(self, node: Node) -> Self {
        self.act(Act::Kill(node))
    }

    /// Then end a process as an orchestrator would.
    #[must_use]
    pub fn stop(self, node: Node) -> Self {
        self.act(Act::Stop(node))
    }

    /// Then start another server in cluster mode, with the node timeout of the others.
    #[must_use]
    pub fn stranger(self, at: At) -> Self {
        let timeout = self.node_timeout_ms.to_string();
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", &timeout];
        let options = options.iter().map(|word| (*word).to_owned()).collect();
        self.act(Act::Stranger { at, options, server: None })
    }

    /// Then start it again.
    #[must_use]
    pub fn start(self, node: Node, at: At) -> Self {
        self.act(Act::Start(node, at, Vec::new()))
    }

    /// Slotwright counts keys per slot.
    #[must_use]
    pub const fn census(mut self) -> Self {
        self.look.census = true;
        self
    }

    /// Slotwright is given these nodes only.
    #[must_use]
    pub fn naming(mut self, nodes: &[Node]) -> Self {
        self.look.named = nodes.to_vec();
        self
    }

    /// Slotwright logs in with this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.look.password = Some(password.to_owned());
        self
    }

    /// Does not apply to a server.
    #[must_use]
    pub fn not_on(mut self, server: Server, why: &'static str) -> Self {
        self.not_on.push((server, why));
        self
    }

    /// Another code that is a root cause of this situation too.
    #[must_use]
    pub fn also(mut self, code: &'static str) -> Self {
        self.also.push(code);
        self
    }

    /// Recovering must end with a refusal on these servers, and why.
    #[must_use]
    pub fn beyond_repair(mut self, servers: &[Server], why: &'static str) -> Self {
        self.beyond_repair.extend(servers.iter().map(|server| (*server, why)));
        self
    }

    /// The finding may take longer to appear.
    #[must_use]
    pub const fn within_ms(mut self, ms: u32) -> Self {
        self.within_ms = ms;
        self
    }
}
