//! What the form of a managed service's endpoint tells: whether cluster mode is on, and TLS.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

use super::clients::CLUSTER_CLASSES;

/// What an endpoint of AWS is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// The configuration endpoint of a cache with cluster mode on.
    Configuration,
    /// A node of a shard of such a cache.
    NodeOfShard,
    /// A cache with cluster mode off: one node, or a primary with replicas.
    WithoutCluster,
    /// A serverless cache: cluster mode and TLS always.
    Serverless,
}

/// An endpoint and whether its form says that encryption in transit is on.
fn form(host: &str) -> Option<(Form, bool)> {
    let host = host.trim_end_matches('.');
    if !host.ends_with(".amazonaws.com") && !host.ends_with(".amazonaws.com.cn") {
        return None;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let first = *labels.first()?;
    if labels.contains(&"serverless") {
        return Some((Form::Serverless, true));
    }
    if labels.contains(&"clustercfg") {
        return Some((Form::Configuration, first == "clustercfg"));
    }
    if !labels.contains(&"cache") {
        return None;
    }
    if ["master", "replica"].contains(&first) {
        return Some((Form::WithoutCluster, true));
    }
    let digits = |text: &str, many| text.len() == many && text.chars().all(|c| c.is_ascii_digit());
    let numbered = labels.iter().skip(1).any(|label| digits(label, 4));
    let mut parts = first.rsplit('-');
    let shard = parts.next().is_some_and(|part| digits(part, 3))
        && parts.next().is_some_and(|part| digits(part, 4));
    match (numbered || labels.contains(&"ng"), shard) {
        (_, true) => Some((Form::NodeOfShard, false)),
        (true, false) => Some((Form::WithoutCluster, false)),
        (false, false) => None,
    }
}

/// All endpoints of AWS in the text, with their first lines.
pub(crate) fn forms(seen: &Seen) -> Vec<(usize, String, Form, bool)> {
    let mut found: Vec<(usize, String, Form, bool)> = Vec::new();
    for (at, line) in seen.lines.iter().enumerate().filter(|(_, l)| l.lower.contains("amazonaws")) {
        let words = line.lower.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
        for word in words {
            let Some((form, tls)) = form(word) else { continue };
            if found.len() < 32 && !found.iter().any(|(_, host, ..)| host == word) {
                found.push((at, word.to_owned(), form, tls));
            }
        }
    }
    found
}

/// Services whose one endpoint is no cluster for its clients.
const SINGLE_PLACES: [&str; 2] = [".upstash.io", ".redis-cloud.com"];

/// Names of products whose shards stand behind one proxy.
const PROXIED: [&str; 5] =
    ["redis enterprise", "redis labs", "redislabs", "redis cloud", "redis pack:"];

/// Whether the servers are those of a product that hides its shards behind a proxy.
pub(crate) fn is_proxied(seen: &Seen) -> bool {
    (seen.has(&SINGLE_PLACES) || seen.has(&PROXIED)) && seen.has(&CLUSTER_CLASSES)
}

/// A cluster client is given the one endpoint of a service that hides its shards.
pub(super) fn hidden_shards(seen: &Seen) -> Option<Hit> {
    let refused = seen.lines_with(&["cluster support disabled"]);
    let named = seen.lines_with(&PROXIED).into_iter().filter(|_| !refused.is_empty());
    let at = seen.lines_with(&SINGLE_PLACES).into_iter().chain(named).next()?;
    let class = *seen.lines_with(&CLUSTER_CLASSES).first()?;
    let whole = seen.lines_with(&["without -c"]).into_iter().next();
    (!seen.has(&["moved ", "cluster_enabled:1"])).then(|| {
        Hit::of(78)
            .more_if(8, !refused.is_empty())
            .quote(at)
            .quote(class)
            .quotes(refused.into_iter().take(1))
            .quotes(whole)
            .note(
                "This service gives one endpoint, behind which its shards are hidden: CLUSTER SLOTS \
                 is not answered there (Redis Enterprise and Redis Cloud, formerly \
                 Redis Labs, answer it only where the OSS Cluster API of the database is \
                 switched on), so a cluster client finds no start node.",
            )
            .step(
                "Take the plain client at the endpoint (Jedis JedisPool, Lettuce RedisClient, \
                 redis-py Redis; with TLS rediss:// or the tls option): sharding and failover are \
                 the proxy's work.",
            )
            .step(
                "Or switch the database's OSS Cluster API on where the service has it, and keep \
                 the cluster client. Commands with several keys need one hash tag either way.",
            )
            .check(
                "redis-cli -h <endpoint> -p <port> without -c: keys of all kinds answer and none \
                 with MOVED, while CLUSTER SLOTS is refused.",
            )
            .only_these_steps()
    })
}

/// A cluster client is given the endpoint of a cache without cluster mode.
pub(super) fn wrong_mode(seen: &Seen) -> Option<Hit> {
    let forms = forms(seen);
    let (at, host, ..) = forms.iter().find(|(_, _, form, _)| *form == Form::WithoutCluster)?;
    let clustered = forms.iter().any(|(_, _, form, _)| *form != Form::WithoutCluster);
    let class = *seen.lines_with(&CLUSTER_CLASSES).first()?;
    let proven = seen.has(&["moved ", "cluster_state:ok", "cluster_enabled:1"]);
    (!clustered && !proven).then(|| {
        Hit::of(80)
            .quote(*at)
            .quote(class)
            .note(format!(
                "The form of the endpoint {host} is that of a cache with cluster mode disabled \
                 (name.id.0001.<zone>, name.id.ng.0001.<zone>, master.name...); with cluster mode \
                 enabled it is clustercfg.name... or name.id.clustercfg.... A cluster client asks \
                 CLUSTER SLOTS there, gets 'cluster support disabled' and says only that no node \
                 was reachable."
            ))
            .check(format!(
                "From the client's machine: redis-cli -h {host} info cluster (with --tls where \
                 encryption is on). cluster_enabled:0 = the wrong class of client; no answer at \
                 all = it runs outside the VPC or the security group."
            ))
            .step(
                "Take the plain client with the primary endpoint (Jedis JedisPool/JedisPooled, \
                 ioredis new Redis, redis-py Redis, Lettuce RedisClient), and the reader endpoint \
                 for reads; or make a cache with cluster mode enabled and give the cluster client \
                 its configuration endpoint.",
            )
    })
}

/// Whether all endpoints are of caches with cluster mode off.
pub(crate) fn is_without_cluster(seen: &Seen) -> bool {
    let forms = forms(seen);
    !forms.is_empty() && forms.iter().all(|(_, _, form, _)| *form == Form::WithoutCluster)
}

/// Places of other services that speak TLS only.
const TLS_PLACES: [(&str, &str); 4] = [
    ("windows.net:6380", "port 6380 of Azure Cache for Redis is its TLS port"),
    (".redis.azure.net", "Azure Managed Redis speaks TLS (port 10000)"),
    (".upstash.io", "Upstash speaks TLS only"),
    (".memorydb.", "MemoryDB speaks TLS by default"),
];

/// An endpoint whose form says that TLS is spoken there: its line and why.
fn tls_place(seen: &Seen) -> Option<(usize, String)> {
    let form = forms(seen).into_iter().find(|(_, _, _, tls)| *tls).map(|(at, host, form, _)| {
        let why = match form {
            Form::Serverless => format!("{host} is a serverless cache, which speaks TLS only"),
            _ => format!(
                "{host} begins with clustercfg., master. or replica., which only caches with \
                 encryption in transit have"
            ),
        };
        (at, why)
    });
    form.or_else(|| {
        TLS_PLACES
            .iter()
            .find_map(|(place, why)| Some((*seen.lines_with(&[place]).first()?, (*why).to_owned())))
    })
}

/// Whether an endpoint's form says that TLS is spoken there.
pub(crate) fn needs_tls(seen: &Seen) -> bool {
    tls_place(seen).is_some()
}

/// Signs of a client that speaks TLS.
pub(crate) const SPEAKS_TLS: [&str; 14] = [
    "rediss://",
    "ssl=true",
    "ssl(true",
    "ssl: true",
    "usessl",
    "withssl",
    "tls: {",
    "tls:{",
    "tls: true",
    "tls=true",
    "tlsconfig",
    "usetls",
    "use_tls",
    "--tls",
];

/// What a client sees when it speaks plainly to a TLS port.
const CUT: [&str; 12] = [
    "eof",
    "connection closed by server",
    "connection is closed",
    "closed unexpectedly",
    "econnreset",
    "reset by peer",
    "socket closed",
    "unabletoconnect",
    "could not initialize cluster slots cache",
    "failed to refresh slots cache",
    "cannot be connected",
    "cannot retrieve initial cluster",
];

/// A client without TLS is cut off at an endpoint whose form says TLS.
pub(super) fn plain_client(seen: &Seen) -> Option<Hit> {
    let (at, why) = tls_place(seen).filter(|_| !seen.has(&SPEAKS_TLS))?;
    let cut = *seen.lines_with(&CUT).first()?;
    // StackExchange.Redis lists the version of whom it has spoken to.
    let spoke =
        seen.lines.iter().any(|l| l.lower.contains("cluster v") && l.lower.contains("socks="));
    let slow = spoke
        || seen.has(&["timed out", "timeout", "certificate", "altname", "wrongpass", "noauth"]);
    (seen.client().is_some() && !slow).then(|| {
        Hit::of(76)
            .quote(at)
            .quote(cut)
            .note(format!(
                "{why}, and nothing in the client's settings switches TLS on; the connection is \
                 made and cut off again, which is how a plain client sees a TLS port (a closed \
                 network would time out)."
            ))
            .check(
                "From the client's machine: redis-cli --tls -h <the endpoint> -p <port> ping answers \
                 (PONG or NOAUTH), without --tls nothing comes.",
            )
    })
}

/// The same host is reached with redis-cli --tls and given to the client as redis://.
pub(super) fn plain_beside_tls(seen: &Seen) -> Option<Hit> {
    let tool = |line: &str| line.contains("redis-cli ") || line.contains("valkey-cli ");
    let at = seen.lines.iter().position(|l| tool(&l.lower) && l.lower.contains("--tls"))?;
    let asked = &seen.lines.get(at)?.lower;
    let host = |line: &str| {
        let rest = line.split_once("redis://")?.1;
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
        Some(rest.get(..end.unwrap_or(rest.len()))?.to_owned()).filter(|host| host.len() > 3)
    };
    let (line, host) = seen.lines.iter().enumerate().find_map(|(line, one)| {
        let host = host(&one.lower).filter(|host| asked.contains(host.as_str()))?;
        (!tool(&one.lower)).then_some((line, host))
    })?;
    Some(
        Hit::of(90)
            .quote(line)
            .quote(at)
            .note(format!(
                "{host} is reached with redis-cli --tls, and the client is given redis://, which is \
                 plain, whatever other TLS options stand beside it: most libraries (Redisson, \
                 Lettuce, redis-py, go-redis ParseURL) switch TLS on by the scheme alone. \
                 Address, network and login work, as the tool shows."
            ))
            .check(format!(
                "redis-cli -h {host} ping without --tls from the same machine gets nothing, with \
                 --tls it answers."
            ))
            .step("The scheme in the client: rediss:// in place of redis://, for every address.")
            .step(
                "If the check of the certificate fails then, give the client the CA (a trust store; \
                 public services: the system's own); --insecure of the tool hides such a fault. \
                 User names count in upper and lower case.",
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_all_forms() {
        let off = Some((Form::WithoutCluster, false));
        assert_eq!(form("a.abc123.0001.usw2.cache.amazonaws.com"), off);
        assert_eq!(form("a-001.abc123.0001.euc1.cache.amazonaws.com"), off);
        assert_eq!(form("a.abc123.ng.0001.use1.cache.amazonaws.com"), off);
        let off = Some((Form::WithoutCluster, true));
        assert_eq!(form("master.a.abc123.use1.cache.amazonaws.com"), off);
        let on = Some((Form::Configuration, true));
        assert_eq!(form("clustercfg.a.abc123.use1.cache.amazonaws.com"), on);
        assert_eq!(form("clustercfg.a.abc123.memorydb.us-east-1.amazonaws.com"), on);
        let on = Some((Form::Configuration, false));
        assert_eq!(form("a.abc123.clustercfg.use1.cache.amazonaws.com"), on);
        let node = Some((Form::NodeOfShard, false));
        assert_eq!(form("a-0001-002.abc123.0001.use1.cache.amazonaws.com"), node);
        let less = Some((Form::Serverless, true));
        assert_eq!(form("a-abc123.serverless.use1.cache.amazonaws.com"), less);
        assert_eq!(form("s3.amazonaws.com"), None);
        assert_eq!(form("example.com"), None);
    }
}
