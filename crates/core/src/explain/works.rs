//! What the paste tells to work: a tool from the same place, the plain class of the library, the
//! same program for a while before.
//!
//! Whatever works is no reason, so it takes the checks away that it answers.

use super::seen::Seen;

/// Lines that tell of what works.
#[derive(Clone, Copy, Default)]
pub(super) struct Works {
    /// redis-cli or valkey-cli reaches the servers.
    pub tool: Option<usize>,
    /// The class for one server works with the same settings.
    pub plain: Option<usize>,
    /// The same program worked before.
    pub before: Option<usize>,
}

/// Words of success.
const WELL: [&str; 8] = [
    " works",
    " work fine",
    " work too",
    " work as well",
    " works too",
    " connects fine",
    " is fine",
    " succeeds",
];

/// Words that turn them round, or bind them to another place or condition.
const BUT: [&str; 22] = [
    "not work",
    "n't work",
    "works only",
    "only works",
    "inside",
    "within",
    "from the pod",
    "in the pod",
    "in the container",
    "from a pod",
    "on the server",
    "on the node",
    "on the host",
    "without password",
    "without tls",
    "localhost",
    "127.0.0.1",
    "bastion",
    "same machine",
    "same network",
    "no longer works",
    "docker exec",
];

/// Classes for one server, as people name them.
const PLAIN: [&str; 10] = [
    "redis.redis(",
    "new redis(",
    "plain redis",
    "plain client",
    "single-node client",
    "standalone client",
    "redis.newclient",
    "new jedis(",
    "jedispool",
    "redis(host",
];

/// Words of a time in which all was well.
const HOURS: [&str; 12] = [
    "works for hours",
    "worked for",
    "works for days",
    "worked until",
    "worked fine until",
    "had worked",
    "was working until",
    "had been working",
    "ran fine",
    "ran for",
    "application works",
    "app works",
];

/// Reads it.
pub(super) fn told(seen: &Seen) -> Works {
    let find = |fits: &dyn Fn(&str) -> bool| seen.lines.iter().position(|line| fits(&line.lower));
    let well = |line: &str| has(line, &WELL) && !has(line, &BUT);
    let tool = |line: &str| has(line, &["redis-cli", "valkey-cli"]) && well(line);
    let plain = |line: &str| has(line, &PLAIN) && well(line);
    let before = |line: &str| has(line, &HOURS) && !has(line, &["not work", "n't work"]);
    Works { tool: find(&tool), plain: find(&plain), before: find(&before) }
}

/// Whether a line, in small letters, has one of these words.
pub(super) fn has(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn works(text: &str) -> Works {
        told(&Seen::of(text))
    }

    #[test]
    fn what_works_where_counts() {
        let told = works("redis-cli --tls -c -h $H works. redis.Redis(...) works too.");
        assert!(told.tool.is_some() && told.plain.is_some() && told.before.is_none());
        assert!(works("redis-cli works inside the container only").tool.is_none());
        assert!(works("redis-cli does not work").tool.is_none());
        assert!(works("10:05-15:40  application works").before.is_some());
    }
}
