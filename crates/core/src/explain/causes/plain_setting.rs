//! MOVED as an error, and in the paste the very setting that makes a client for one server.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// A line that makes the client a plain one.
struct Plain {
    /// The line.
    line: usize,
    /// How sure it is.
    score: u8,
    /// Why it is one.
    says: String,
    /// What to write in its place.
    step: String,
}

/// Marks the setting that keeps a client which shows MOVED from being one of clusters.
pub(super) fn named(seen: &Seen, hit: Hit) -> Hit {
    let Some(plain) = switched(seen).or_else(|| spring(seen)) else { return hit };
    let points = plain.score.saturating_sub(hit.score);
    hit.more_if(points, true)
        .quote(plain.line)
        .fact("setting", "named")
        .note(plain.says)
        .note(
            "Whoever is told MOVED has come through: network, TLS and login are in order, and \
             nothing on the servers has to be changed.",
        )
        .check(
            "After the change the same key works from the application, and the stack trace shows \
             a class of clusters.",
        )
        .step(plain.step)
        .only_these_steps()
}

/// `redis.cluster.enabled=enabled`: a switch of the program for clusters that is not on.
fn switched(seen: &Seen) -> Option<Plain> {
    let found = seen.lines.iter().enumerate().find_map(|(line, one)| {
        let (name, value) = switch(&one.text)?;
        let (score, why) = off(&name.to_lowercase(), &value.to_lowercase())?;
        Some((line, name, value, score, why))
    });
    let (line, name, value, score, why) = found?;
    Some(Plain {
        line,
        score,
        says: format!(
            "Here the program has a switch for it, and that is not on: {name} is '{value}', {why} So \
             it goes on with a plain connection to the first host."
        ),
        step: format!(
            "Set {name} to true (in this place: {name}=true, nothing else in the value), name all \
             nodes, or several of them, as its hosts, and restart the program."
        ),
    })
}

/// The name and the value of a switch for clusters in a program's own configuration. That of the
/// servers (`cluster-enabled`) is another one.
fn switch(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(['=', ':'])?;
    let name = name.trim().trim_matches(['"', '\'']).trim_start_matches("- ");
    let lower = name.to_lowercase();
    let ends = ["cluster.enabled", "cluster.enable", "clusterenabled", "cluster_enabled"];
    let mode = ["cluster.mode", "clustermode", "cluster_mode"];
    let of_program = lower != "cluster_enabled" && !name.contains(' ');
    let fits = ends.iter().chain(&mode).any(|end| lower.ends_with(end));
    let value = value.trim().trim_matches(['"', '\'', ',', ';']);
    (of_program && fits && !value.contains(' ')).then_some((name, value))
}

/// Why a value does not switch it on.
fn off(name: &str, value: &str) -> Option<(u8, &'static str)> {
    let boolean = name.ends_with("enabled") || name.ends_with("enable");
    match value {
        "false" | "no" | "off" | "0" | "disabled" => Some((90, "which switches it off.")),
        "standalone" | "single" if !boolean => Some((90, "the one for a single server.")),
        "enabled" | "enable" if boolean => Some((
            90,
            "which is no boolean: such settings know 'true', and take every other word for false.",
        )),
        "yes" | "on" | "1" | "y" if boolean => Some((
            76,
            "which many programs (all that read it with Java's Boolean.parseBoolean) take for \
             false: only the word 'true' is true for them.",
        )),
        _ => None,
    }
}

/// What makes a connection for one server in Spring Data Redis, in small letters.
const STANDALONE: [&str; 5] = [
    "sethostname(",
    "redisstandaloneconfiguration(",
    "spring.data.redis.host",
    "spring.redis.host",
    "spring.data.redis.url",
];

/// What makes one for clusters there.
const CLUSTERED: [&str; 4] = [
    "redisclusterconfiguration",
    "spring.data.redis.cluster.nodes",
    "spring.redis.cluster.nodes",
    "setclusternodes",
];

/// Spring Data Redis was given one host name.
fn spring(seen: &Seen) -> Option<Plain> {
    if !seen.has(&["spring"]) || seen.has(&CLUSTERED) {
        return None;
    }
    let line = *seen.lines_with(&STANDALONE).first()?;
    let lower = seen.lines.get(line).map(|line| line.lower.as_str()).unwrap_or_default();
    let mark = STANDALONE.iter().find(|mark| lower.contains(**mark)).copied().unwrap_or_default();
    let by_property = mark.starts_with("spring");
    let native = if seen.has(&["redisclusterclient.create", "redisclusterclient client"]) {
        " Lettuce's own RedisClusterClient in the same paste is a cluster client, which is why it \
         works with the same endpoint."
    } else {
        ""
    };
    let factory = if seen.client() == Some("Jedis") { "Jedis" } else { "Lettuce" };
    let step = if by_property {
        let of_old = mark.starts_with("spring.redis");
        let name = if of_old { "spring.redis" } else { "spring.data.redis" };
        format!(
            "{name}.cluster.nodes=<host:port>,... in place of {mark} (several nodes; of a managed \
             service the configuration endpoint alone will do), and start the application anew."
        )
    } else {
        let (host, port) = place(seen, line);
        format!(
            "Give the factory a RedisClusterConfiguration in place of one host name: new \
             {factory}ConnectionFactory(new RedisClusterConfiguration(Arrays.asList(\
             \"{host}:{port}\"))). Several nodes may stand in the list; of a managed service the \
             configuration endpoint alone will do. setHostName and setPort go."
        )
    };
    let what = if by_property { mark } else { mark.trim_end_matches('(') };
    Some(Plain {
        line,
        score: 90,
        says: format!(
            "In Spring Data Redis the connection is made by {}, and that is one for a single server: \
             it follows no redirect.{native}",
            match what {
                "sethostname" => "setHostName",
                "redisstandaloneconfiguration" => "RedisStandaloneConfiguration",
                what => what,
            }
        ),
        step,
    })
}

/// The host and port in the code: `setHostName("...")`, `RedisStandaloneConfiguration("...", 1)`.
fn place(seen: &Seen, line: usize) -> (String, String) {
    let text = seen.lines.get(line).map(|line| line.text.as_str()).unwrap_or_default();
    let host = text.split('"').nth(1).filter(|host| !host.is_empty() && !host.contains(' '));
    let within = text.rsplit_once(',').map(|(_, rest)| rest);
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let port = within.map(digits).filter(|port| !port.is_empty());
    let set = seen.word_after("setport(").filter(|port| port.parse::<u16>().is_ok());
    (host.unwrap_or("<host>").to_owned(), port.or(set).unwrap_or_else(|| "6379".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_told_from_the_servers_own() {
        assert_eq!(
            switch("redis.cluster.enabled=enabled"),
            Some(("redis.cluster.enabled", "enabled"))
        );
        assert_eq!(switch("\"clusterMode\": false,"), Some(("clusterMode", "false")));
        assert_eq!(switch("cluster_enabled:0"), None);
        assert_eq!(switch("cluster-enabled: no"), None);
        assert!(off("redis.cluster.enabled", "true").is_none());
    }
}
