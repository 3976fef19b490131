//! Every command that observing may send. There is no way around it: without the proof that changes
//! were agreed to ([`crate::act`]) a connection takes a [`Command`] and nothing else (beside
//! `AUTH`).

use slotwright_core::model::Slot;
use slotwright_core::wire::resp;

/// A question to a server. None of them changes anything there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// `PING`.
    Ping,
    /// `CLUSTER MYID`.
    ClusterMyId,
    /// `CLUSTER NODES`.
    ClusterNodes,
    /// `CLUSTER INFO`.
    ClusterInfo,
    /// `CLUSTER SLOTS`.
    ClusterSlots,
    /// `CLUSTER SHARDS`.
    ClusterShards,
    /// `CLUSTER LINKS`.
    ClusterLinks,
    /// `CLUSTER COUNTKEYSINSLOT`.
    CountKeysInSlot(Slot),
    /// `CLUSTER GETSLOTMIGRATIONS` of Valkey.
    SlotMigrations,
    /// `CLUSTER MIGRATION STATUS ALL` of Redis.
    MigrationStatus,
    /// `INFO`.
    Info,
    /// `CONFIG GET` of [`SETTINGS`] in one command, since 7.0.
    ConfigGet,
    /// `CONFIG GET *`, for servers that take one pattern only.
    ConfigGetAll,
    /// `ACL WHOAMI`.
    AclWhoami,
    /// `ACL LIST`.
    AclList,
    /// `FUNCTION LIST`.
    FunctionList,
    /// `TIME`.
    Time,
}

/// The settings that findings ask for, by their whole names: a server looks those up, and would
/// hold a pattern against each of its two hundred (`configGetCommand`).
pub const SETTINGS: &[&str] = &[
    "appendonly",
    "bind",
    "bind-source-addr",
    "client-output-buffer-limit",
    "cluster-allow-pubsubshard-when-down",
    "cluster-allow-reads-when-down",
    "cluster-allow-replica-migration",
    "cluster-announce-bus-port",
    "cluster-announce-hostname",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-tls-port",
    "cluster-config-file",
    "cluster-databases",
    "cluster-link-sendbuf-limit",
    "cluster-migration-barrier",
    "cluster-node-timeout",
    "cluster-port",
    "cluster-preferred-endpoint-type",
    "cluster-replica-no-failover",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
    "dir",
    "masterauth",
    "masteruser",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "port",
    "primaryauth",
    "primaryuser",
    "protected-mode",
    "repl-backlog-size",
    "repl-ping-replica-period",
    "replica-priority",
    "requirepass",
    "save",
    "stop-writes-on-bgsave-error",
    "timeout",
    "tls-client-cert-file",
    "tls-cluster",
    "tls-port",
];

/// First words of all that may be sent, the longest known first; checked on every send.
pub(crate) const ALLOWED: &[&[&str]] = &[
    &["PING"],
    &["TIME"],
    &["INFO"],
    &["CONFIG", "GET"],
    &["ACL", "WHOAMI"],
    &["ACL", "LIST"],
    &["FUNCTION", "LIST"],
    &["CLUSTER", "MYID"],
    &["CLUSTER", "NODES"],
    &["CLUSTER", "INFO"],
    &["CLUSTER", "SLOTS"],
    &["CLUSTER", "SHARDS"],
    &["CLUSTER", "LINKS"],
    &["CLUSTER", "COUNTKEYSINSLOT"],
    &["CLUSTER", "GETSLOTMIGRATIONS"],
    &["CLUSTER", "MIGRATION", "STATUS", "ALL"],
];

/// Whether a command line only reads: the list that tests hold against the wire.
pub fn is_allowed<W: AsRef<[u8]>>(words: &[W]) -> bool {
    ALLOWED.iter().any(|allowed| {
        allowed.len() <= words.len()
            && allowed.iter().zip(words).all(|(known, word)| known.as_bytes() == word.as_ref())
    })
}

impl Command {
    /// Appends the command as it goes over the wire.
    ///
    /// # Panics
    /// When the command is not on the list of what may be sent: a bug, and better a crash than a
    /// change to somebody's cluster.
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        let slot;
        let words: &[&str] = match self {
            Self::Ping => &["PING"],
            Self::ClusterMyId => &["CLUSTER", "MYID"],
            Self::ClusterNodes => &["CLUSTER", "NODES"],
            Self::ClusterInfo => &["CLUSTER", "INFO"],
            Self::ClusterSlots => &["CLUSTER", "SLOTS"],
            Self::ClusterShards => &["CLUSTER", "SHARDS"],
            Self::ClusterLinks => &["CLUSTER", "LINKS"],
            Self::CountKeysInSlot(number) => {
                slot = number.to_string();
                &["CLUSTER", "COUNTKEYSINSLOT", &slot]
            }
            Self::SlotMigrations => &["CLUSTER", "GETSLOTMIGRATIONS"],
            Self::MigrationStatus => &["CLUSTER", "MIGRATION", "STATUS", "ALL"],
            Self::Info => &["INFO"],
            Self::ConfigGet => {
                let words: Vec<&str> =
                    ["CONFIG", "GET"].into_iter().chain(SETTINGS.iter().copied()).collect();
                return send(&words, out);
            }
            Self::ConfigGetAll => &["CONFIG", "GET", "*"],
            Self::AclWhoami => &["ACL", "WHOAMI"],
            Self::AclList => &["ACL", "LIST"],
            Self::FunctionList => &["FUNCTION", "LIST"],
            Self::Time => &["TIME"],
        };
        send(words, out);
    }
}

fn send(words: &[&str], out: &mut Vec<u8>) {
    assert!(is_allowed(words), "{words:?} is not on the list of what may be sent");
    resp::encode_command(words, out);
}

/// Whether a setting is one of [`SETTINGS`].
pub(crate) fn is_wanted(setting: &str) -> bool {
    SETTINGS.binary_search(&setting).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_not_allowed() {
        for line in ["FLUSHALL", "CLUSTER MEET", "CLUSTER", "CONFIG SET", "CLUSTER MIGRATION", ""] {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(!is_allowed(&words), "{line}");
        }
        assert!(is_allowed(&["CONFIG", "GET", "port"]));
        assert!(is_wanted("repl-backlog-size") && !is_wanted("hz"));
    }

    #[test]
    fn settings_are_named_whole_and_sorted() {
        assert!(SETTINGS.is_sorted());
        for setting in SETTINGS {
            assert!(setting.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }

    #[test]
    fn a_command_is_encoded_with_its_arguments() {
        let mut out = Vec::new();
        Command::CountKeysInSlot(Slot::new(7).expect("a slot")).encode(&mut out);
        assert_eq!(out, b"*3\r\n$7\r\nCLUSTER\r\n$15\r\nCOUNTKEYSINSLOT\r\n$1\r\n7\r\n");
    }
}
