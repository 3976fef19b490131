//! What every node is asked, and where each answer is kept.

use std::borrow::Cow;

use slotwright_core::limits::{
    FULL_REPLY_NODES_MAX, INFO_BYTES_MAX, LINK_WAITING_BYTES_MIN, SAMPLE_NODES,
};
use slotwright_core::model::{NodeId, Product, Version};
use slotwright_core::observation::{Fields, Said, Sighting, Silence};
use slotwright_core::wire::resp::Value;
use slotwright_core::wire::{cluster_links, cluster_nodes, cluster_shards, cluster_slots, info};

use super::context::Context;
use crate::command::{Command, is_wanted};

type Answer<'a> = Result<Value<'a>, Silence>;

/// A question and the field of the sighting that its answer goes to.
pub(super) struct Question {
    pub(super) command: Command,
    keep: fn(&mut Sighting, Answer<'_>, &Context),
    /// The least depth at which it is asked at once.
    from: Depth,
}

/// How much a node is asked, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Depth {
    /// One of the many in a large cluster: nothing whose answer grows with the cluster.
    Little,
    /// One of the others in a cluster that is not large: of what grows, what can tell something.
    /// Of `SHARDS` and `LINKS` the first answers say whether they can: see [`second_round`].
    OfUse,
    /// One of the sample.
    All,
}

impl Depth {
    /// Of the next node to dial, when so many addresses are known and so many nodes were asked
    /// everything.
    pub(super) fn of_next(places: usize, asked_all: usize) -> Self {
        if asked_all < SAMPLE_NODES {
            Self::All
        } else if places <= FULL_REPLY_NODES_MAX {
            Self::OfUse
        } else {
            Self::Little
        }
    }
}

/// In the order of asking: what finds more nodes comes first.
static QUESTIONS: &[Question] = &[
    each(Command::Ping, |sighting, answer, _| {
        sighting.ping = read(answer, |value| value.bytes().map(|_| ()));
    }),
    each(Command::ClusterMyId, |sighting, answer, _| {
        sighting.myid = read(answer, |value| NodeId::parse(value.bytes()?).ok());
    }),
    each(Command::ClusterNodes, |sighting, answer, context| {
        sighting.nodes =
            read(answer, |value| Some(cluster_nodes::parse(value.bytes()?, &mut context.rows())));
    }),
    each(Command::ClusterInfo, |sighting, answer, _| sighting.cluster_info = fields(answer)),
    each(Command::Info, |sighting, answer, _| sighting.info = fields(answer)),
    each(Command::ConfigGet, |sighting, answer, context| {
        sighting.config = read(answer, |value| Some(settings(value, context)));
    }),
    each(Command::AclWhoami, |sighting, answer, _| {
        sighting.whoami = read(answer, |value| value.text().map(|name| name.into_owned()));
    }),
    each(Command::AclList, |sighting, answer, context| {
        sighting.acl = read(answer, |value| users(value, context));
    }),
    each(Command::FunctionList, |sighting, answer, _| {
        sighting.functions = read(answer, libraries);
    }),
    each(Command::Time, |sighting, answer, _| sighting.clock_ms = read(answer, clock_ms)),
    sampled(Depth::OfUse, Command::ClusterSlots, |sighting, answer, _| {
        sighting.slots = read(answer, cluster_slots::parse);
    }),
    sampled(Depth::All, Command::ClusterShards, keep_shards),
    sampled(Depth::All, Command::ClusterLinks, keep_links),
];

const fn each(command: Command, keep: fn(&mut Sighting, Answer<'_>, &Context)) -> Question {
    Question { command, keep, from: Depth::Little }
}

const fn sampled(
    from: Depth,
    command: Command,
    keep: fn(&mut Sighting, Answer<'_>, &Context),
) -> Question {
    Question { command, keep, from }
}

fn keep_shards(sighting: &mut Sighting, answer: Answer<'_>, _: &Context) {
    sighting.shards = read(answer, cluster_shards::parse);
}

fn keep_links(sighting: &mut Sighting, answer: Answer<'_>, _: &Context) {
    sighting.links = read(answer, cluster_links::parse);
}

/// The questions to a node that it is asked at once.
pub(super) fn questions(depth: Depth) -> Vec<&'static Question> {
    QUESTIONS.iter().filter(|question| question.from <= depth).collect()
}

/// The questions of a brief look; with `settings` those about function libraries too.
pub(super) fn brief(settings: bool) -> Vec<&'static Question> {
    let wanted = |command: Command| match command {
        Command::ClusterMyId | Command::ClusterNodes | Command::ClusterInfo | Command::Info => true,
        Command::ConfigGet | Command::FunctionList => settings,
        _ => false,
    };
    QUESTIONS.iter().filter(|question| wanted(question.command)).collect()
}

impl Question {
    pub(super) fn keep(&self, sighting: &mut Sighting, answer: Answer<'_>, context: &Context) {
        (self.keep)(sighting, answer, context);
    }
}

/// What to ask in a second round, once the first told what the server knows.
pub(super) fn second_round(sighting: &Sighting, depth: Depth) -> Vec<Question> {
    let mut more = Vec::new();
    if depth == Depth::OfUse && knows_shard_ids(sighting) {
        more.push(each(Command::ClusterShards, keep_shards));
    }
    if depth == Depth::OfUse && has_much_waiting(sighting) {
        more.push(each(Command::ClusterLinks, keep_links));
    }
    // Before 7.0 the command takes one pattern only.
    if matches!(&sighting.config, Said::Nothing(Silence::Error(_))) {
        more.push(each(Command::ConfigGetAll, |sighting, answer, context| {
            sighting.config = read(answer, |value| Some(settings(value, context)));
        }));
    }
    let migrations = |sighting: &mut Sighting, answer: Answer<'_>, _: &Context| {
        sighting.migrations = read(answer, migrations);
    };
    match version(sighting) {
        Some(Version { product: Product::Valkey, release }) if release >= (9, 0, 0) => {
            more.push(each(Command::SlotMigrations, migrations));
        }
        Some(Version { product: Product::Redis, release }) if release >= (8, 4, 0) => {
            more.push(each(Command::MigrationStatus, migrations));
        }
        _ => {}
    }
    more
}

/// Nodes keep an id of their shard since 7.2 (`clusterNode.shard_id`), and Valkey from its first
/// release on. Before, `CLUSTER SHARDS` says what the table says.
fn knows_shard_ids(sighting: &Sighting) -> bool {
    version(sighting)
        .is_none_or(|version| version.product != Product::Redis || version.release >= (7, 2, 0))
}

/// `mem_cluster_links` is the sum of the buffers that `CLUSTER LINKS` tells one by one.
fn has_much_waiting(sighting: &Sighting) -> bool {
    let all = sighting.info.get().and_then(|info| info.number("mem_cluster_links"));
    all.is_none_or(|bytes| bytes >= LINK_WAITING_BYTES_MIN)
}

fn version(sighting: &Sighting) -> Option<Version> {
    let info = sighting.info.get()?;
    match info.get("valkey_version") {
        Some(text) => Version::parse(Product::Valkey, text),
        None => Version::parse(Product::Redis, info.get("redis_version")?),
    }
}

fn read<T>(answer: Answer<'_>, parse: impl FnOnce(&Value<'_>) -> Option<T>) -> Said<T> {
    let shapeless = || Silence::Garbage("an answer of another shape than the question has".into());
    Said::from(answer.and_then(|value| parse(&value).ok_or_else(shapeless)))
}

fn fields(answer: Answer<'_>) -> Said<Fields> {
    read(answer, |value| {
        let text = value.bytes()?;
        (text.len() <= INFO_BYTES_MAX).then(|| info::parse(text))
    })
}

/// Settings kept of one reply, and bytes of one value: a hostile peer may make any up.
const SETTINGS_MAX: usize = 500;
const SETTING_BYTES_MAX: usize = 1_024;

fn settings(reply: &Value<'_>, context: &Context) -> Fields {
    let mut kept = Vec::new();
    for (name, value) in reply.pairs() {
        let (Some(name), Some(value)) = (name.text(), value.bytes()) else { continue };
        if !is_wanted(&name) || value.len() > SETTING_BYTES_MAX || kept.len() >= SETTINGS_MAX {
            continue;
        }
        let value = if is_secret(&name) {
            context.tokens().secret(value).into()
        } else {
            String::from_utf8_lossy(value)
        };
        kept.push((name, value));
    }
    kept.into_iter().collect()
}

/// Settings whose value must not be kept, by the ends of their names: `requirepass`, `masterauth`,
/// `masteruser`, `tls-key-file-pass`, and what later servers may add. `lazyfree-lazy-user-del` is
/// none.
fn is_secret(setting: &str) -> bool {
    ["pass", "auth", "user", "password", "secret"].iter().any(|end| setting.ends_with(end))
}

/// `user NAME RULES...`, a line each. The rules hold hashes of passwords.
fn users(reply: &Value<'_>, context: &Context) -> Option<Fields> {
    let lines = reply.array()?.iter().filter_map(Value::bytes).take(SETTINGS_MAX);
    let named = lines.filter_map(|line| {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (_, name) = (words.next()?, words.next()?);
        let rules = context.tokens().rules(words.next().unwrap_or_default());
        Some((String::from_utf8_lossy(name).into_owned(), rules))
    });
    Some(named.collect())
}

fn libraries(reply: &Value<'_>) -> Option<Vec<String>> {
    let mut names: Vec<String> = reply
        .array()?
        .iter()
        .filter_map(|library| {
            let (_, name) =
                library.pairs().find(|(key, _)| key.bytes() == Some(b"library_name"))?;
            Some(name.text()?.into_owned())
        })
        .take(SETTINGS_MAX)
        .collect();
    names.sort_unstable();
    Some(names)
}

fn clock_ms(reply: &Value<'_>) -> Option<u64> {
    let [seconds, micros] = reply.array()? else { return None };
    let (seconds, micros) =
        (u64::try_from(seconds.integer()?).ok()?, u64::try_from(micros.integer()?).ok()?);
    Some(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))
}

/// An array with the names and values of one migration each.
fn migrations(reply: &Value<'_>) -> Option<Vec<Fields>> {
    let all = reply.array()?.iter().take(SETTINGS_MAX);
    Some(all.map(|one| one.pairs().filter_map(named).collect()).collect())
}

fn named<'a>((name, value): (&Value<'a>, &Value<'a>)) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let value = match value {
        Value::Integer(number) => number.to_string().into(),
        other => other.text()?,
    };
    Some((name.text()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["requirepass", "masterauth", "masteruser", "primaryauth", "tls-key-file-pass"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["tls-auth-clients", "maxmemory", "lazyfree-lazy-user-del"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn the_first_nodes_are_asked_everything_whatever_the_size() {
        assert_eq!(Depth::of_next(1, 0), Depth::All);
        assert_eq!(Depth::of_next(1_000, SAMPLE_NODES - 1), Depth::All);
        assert_eq!(Depth::of_next(FULL_REPLY_NODES_MAX, SAMPLE_NODES), Depth::OfUse);
        assert_eq!(Depth::of_next(FULL_REPLY_NODES_MAX + 1, SAMPLE_NODES), Depth::Little);
    }

    fn asks(depth: Depth, version: &str, links: &str) -> Vec<Command> {
        let mut sighting = Sighting::new(slotwright_core::model::Endpoint::new("10.0.0.1", 6379));
        let info = [("redis_version", version), ("mem_cluster_links", links)];
        sighting.info = Said::This(info.into_iter().collect());
        let first = questions(depth).into_iter().map(|question| question.command);
        let more = second_round(&sighting, depth).into_iter().map(|question| question.command);
        first.chain(more).collect()
    }

    #[test]
    fn the_others_of_a_middling_cluster_are_asked_what_can_tell_something() {
        for command in [Command::ClusterSlots, Command::ClusterShards, Command::ClusterLinks] {
            assert!(asks(Depth::All, "7.0.15", "1024").contains(&command));
            assert!(!asks(Depth::Little, "7.2.4", "9000000").contains(&command));
        }
        let asked = asks(Depth::OfUse, "7.0.15", "1024");
        assert!(asked.contains(&Command::ClusterSlots));
        assert!(!asked.contains(&Command::ClusterShards));
        assert!(!asked.contains(&Command::ClusterLinks));
        assert!(asks(Depth::OfUse, "7.2.4", "1024").contains(&Command::ClusterShards));
        assert!(asks(Depth::OfUse, "7.0.15", "9000000").contains(&Command::ClusterLinks));
    }

    #[test]
    fn the_clock_is_read_in_milliseconds() {
        let text = |text: &'static str| Value::Bulk(text.as_bytes());
        let reply = Value::Array(vec![text("1700000000"), text("123456")]);
        assert_eq!(clock_ms(&reply), Some(1_700_000_000_123));
        assert_eq!(clock_ms(&Value::Array(vec![text("1")])), None);
    }
}
