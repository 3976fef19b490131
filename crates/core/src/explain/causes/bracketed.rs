//! An IPv6 address in brackets that an older redis-cli takes for the name of a host.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLI_TAKES_BRACKETS_FOR_A_NAME",
    title: "redis-cli takes an IPv6 address in brackets for the name of a host",
    side: Side::Command,
    when: looked_up,
    cause: "'<<answer>>' behind the address is the resolver's answer, not the node's: redis-cli \
        asked the DNS for a host that is called [<<ip>>], brackets and all, and nothing was \
        dialled. redis-cli before 7 does not know brackets: in ip:port it takes what stands before \
        the last colon for the host, as it is[[ (this one is of <<version>>)]]. Neither the nodes \
        nor network, bind or firewall have a part in it, and nothing was changed on the nodes.",
    check: "redis-cli -h <<ip>> -p <<port>> ping from the same place, without brackets: PONG shows \
        that the node is well and the address alone was written wrongly.",
    fix: &[
        "Write the addresses without brackets, as CLUSTER NODES does, the port behind the last \
         colon: [[<<plain>>]].",
        "Where an operator or script writes the command: a release of it that leaves the brackets \
         out for images before 7, or an image of version 7 or later, whose redis-cli takes both.",
    ],
    never: &["Do not open ports or loosen bind and protected mode for it: nobody was refused."],
    like: &[],
}];

/// What resolvers say of a name that they cannot find.
const RESOLVER: &[&str] = &[
    "try again",
    "name or service not known",
    "name does not resolve",
    "temporary failure in name resolution",
    "nodename nor servname",
    "no address associated",
    "no such host",
];

/// The tool could not resolve what is an address.
fn looked_up(seen: &Seen) -> Option<Hit> {
    const FAILED: &str = "could not connect to redis at [";
    let found = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let from = line.lower.find(FAILED)? + FAILED.len();
        let (ip, rest) = line.text.get(from..)?.split_once("]:")?;
        let (port, answer) = rest.split_once(':')?;
        let lower = answer.to_lowercase();
        let answer = RESOLVER.iter().find(|words| lower.trim_start().starts_with(**words))?;
        let is_ipv6 = ip.matches(':').count() >= 2 && port.parse::<u16>().is_ok();
        is_ipv6.then(|| (at, ip.to_owned(), port.to_owned(), *answer))
    });
    let (at, ip, port, answer) = found?;
    let places = seen.lines.get(at).map(|line| in_brackets(&line.text)).unwrap_or_default();
    let image = seen.lines_with(&["image:", "redis_version:", "redis-cli 6", "redis-cli 5"]);
    let old = seen.version().filter(|version| *version < (7, 0));
    let pods = seen.pods.iter().filter(|pod| pod.status == "Running");
    Some(
        Hit::of(if seen.version().is_some_and(|version| version >= (7, 0)) { 76 } else { 92 })
            .quote(at)
            .quotes(image.into_iter().take(usize::from(old.is_some())))
            .quotes(pods.map(|pod| pod.line).take(1))
            .fact("answer", capital(answer))
            .fact("plain", list(&places, 8))
            .fact("ip", ip)
            .fact("port", port)
            .fact_if("version", old.map(|(major, minor)| format!("{major}.{minor}"))),
    )
}

/// `[fd00::1]:6379` of a line, each once and without the brackets.
fn in_brackets(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split('[').skip(1) {
        let Some((ip, rest)) = part.split_once("]:") else { continue };
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let hex = ip.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
        let place = format!("{ip}:{port}");
        if hex && ip.contains(':') && !port.is_empty() && !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
