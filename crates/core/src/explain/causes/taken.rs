//! A server that a stranger made a replica of his own: not a link to mend, but one to cut.

use super::announced::{ipv4s, is_inner};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "SERVER_TAKEN_OVER",
    title: "The server replicates from a foreign public address[[ (<<foreign>>)]]: it was taken \
            over",
    side: Side::Platform,
    when: foreign_primary,
    cause: "The server follows <<foreign>>, a public address that nothing in the paste shows to be \
        one of yours. A server does not become a replica by itself: somebody sent it REPLICAOF (or \
        SLAVEOF). Open to the internet without a password, it is found within hours; the stranger \
        then replaces its data by a full copy of his own, often loads a module to run commands \
        with it, and writes keys that cron reads. So this link must not come up; that it fails is \
        luck.",
    check: "Do you know <<foreign>>? If not: INFO replication, MODULE LIST, CONFIG GET dir and \
        dbfilename, ACL LIST, and the port from outside (nc -vz <public address> 6379).",
    fix: &[
        "Close the port to the internet first (firewall, security group; docker run -p \
         127.0.0.1:6379:6379 publishes it on this machine only). Then REPLICAOF NO ONE, and keep \
         the host apart from others.",
        "Look for what was left: MODULE LIST (modules such as system, exp.so), dir and dbfilename \
         that point to cron or .ssh, keys with lines of crontab, users of ACL LIST that you do \
         not know; on the host crontab, authorized_keys and unknown processes.",
        "Regard the server, and its host unless it ran in a container without rights, as \
         compromised: make it anew from a clean image and a backup from before, with protected \
         mode on, bind to inner addresses, a password (or ACL users), and not as root. Change \
         every secret that stood in it.",
        "Only if the address IS yours: it is an ordinary replication link; look at port, login and \
         network then.",
    ],
    never: &[
        "Do not help the link to come up (no opened firewall, no masterauth, no longer timeout): a \
         full copy puts the stranger's data in the place of yours.",
        "Do not MEET or otherwise join that address to anything.",
    ],
    like: &["REPLICA_LINK_DOWN"],
}];

/// Where a line names the primary that is followed.
const FOLLOWS: [&str; 7] = [
    "connecting to master ",
    "connecting to primary ",
    "before turning into a replica, using my own master",
    "slaveof ",
    "replicaof ",
    "replica of ",
    "master_host:",
];

/// What a person says of an address or a replica that he does not know.
const STRANGE: [&str; 22] = [
    "never set up",
    "never configured",
    "never set any",
    "did not set up",
    "didn't set up",
    "did not configure",
    "didn't configure",
    "have no replica",
    "have no slave",
    "no replica configured",
    "only one redis",
    "only run one",
    "single redis",
    "don't know this ip",
    "do not know this ip",
    "don't know that ip",
    "unknown ip",
    "strange ip",
    "not my ip",
    "not mine",
    "no idea what this ip",
    "don't recognize",
];

/// What is left by those who take servers over.
const TRACES: [&str; 9] = [
    "module load",
    "system.exec",
    "system.rev",
    "exp.so",
    "/var/spool/cron",
    "/etc/cron",
    ".ssh/authorized_keys",
    "backup1",
    "kinsing",
];

/// What shows that the server runs in cluster mode, where REPLICAOF is refused.
const CLUSTERED: [&str; 7] = [
    "cluster state changed",
    "cluster-enabled yes",
    "cluster_enabled:1",
    "cluster_state:",
    "cluster configuration",
    "cluster nodes",
    "nodes.conf",
];

/// Whether an address is one of the internet.
fn is_public(ip: &str) -> bool {
    let first = ip.split('.').next().and_then(|part| part.parse::<u8>().ok());
    // Many take all of 172 for inner addresses.
    let special = first.is_none_or(|part| part == 0 || part == 172 || part >= 224);
    let special = special || ip.starts_with("169.254.");
    !special && !is_inner(ip)
}

/// Ports at which people run Redis.
fn is_usual(port: u16) -> bool {
    matches!(port, 6379..=6400 | 7000..=7100 | 16379 | 26379 | 30001..=30010)
}

/// The public address that a line says is followed, with its port.
fn followed(lower: &str) -> Option<(String, u16)> {
    let rest = FOLLOWS.iter().find_map(|mark| lower.split_once(mark)).map(|(_, rest)| rest)?;
    let ip = ipv4s(rest).next().filter(|ip| is_public(ip))?;
    let after = rest.split_once(ip)?.1;
    let port = after.trim_start_matches([':', ' ']).split(|c: char| !c.is_ascii_digit()).next();
    Some((ip.to_owned(), port.and_then(|port| port.parse().ok()).unwrap_or(0)))
}

fn foreign_primary(seen: &Seen) -> Option<Hit> {
    let named: Vec<(usize, String, u16)> = seen
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| followed(&line.lower).map(|(ip, port)| (at, ip, port)))
        .collect();
    let (at, ip, port) = named.first()?;
    let told = seen.lines_with(&STRANGE);
    // What the text names elsewhere, as a member, a seed or a host, is theirs.
    let theirs = seen.lines.iter().enumerate().any(|(at, line)| {
        let about = named.iter().any(|(follows, ..)| *follows == at) || told.contains(&at);
        !about && ipv4s(&line.text).any(|other| other == ip) && !line.lower.contains("sync")
    });
    let clustered = seen.has(&CLUSTERED) || seen.server_rows().next().is_some();
    let traces = seen.lines_with(&TRACES);
    let odd = *port != 0 && !is_usual(*port);
    if theirs || (clustered && traces.is_empty()) {
        return None;
    }
    let open = seen.has(&["-p 6379:6379", "\"6379:6379\"", "- 6379:6379", "0.0.0.0:6379"]);
    let signs = [!told.is_empty(), odd, !traces.is_empty()];
    let signs = signs.into_iter().filter(|sign| *sign).count();
    // A primary at a usual port, and nothing that is odd about it, may be theirs. That the port is
    // published says how it can have come about, and not that it has.
    if signs == 0 {
        return None;
    }
    let place = if *port == 0 { ip.clone() } else { format!("{ip}:{port}") };
    let hit = Hit::of(78)
        .more_if(6, signs >= 2 || open)
        .more_if(8, !traces.is_empty() && odd)
        .quote(*at)
        .quotes(told.into_iter().take(1))
        .quotes(traces.into_iter().take(2))
        .fact("foreign", place);
    let hit =
        if odd { hit.note(format!("Port {port} is none at which Redis is run.")) } else { hit };
    Some(if open { hit.note(PUBLISHED) } else { hit })
}

const PUBLISHED: &str = "The port is published on all addresses of the machine: Docker opens it past \
    the host's own firewall rules, and in the image protected mode is off, so it is open to \
    whoever reaches the machine.";
