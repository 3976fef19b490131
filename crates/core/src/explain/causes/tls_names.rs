//! Which name a client checked, and which names the certificate has.

use super::announced::ipv4s;
use crate::explain::cause::Hit;
use crate::explain::libraries;
use crate::explain::seen::{Seen, is_ipv4};

/// What an error of this kind says.
struct Mismatch {
    /// The name or address that was checked.
    asked: String,
    /// Host names of the certificate.
    names: Vec<String>,
    /// Whether it has addresses.
    has_ips: bool,
}

fn is_name(word: &str) -> bool {
    word.contains('.') && !is_ipv4(word) && !word.ends_with(".js") && !word.contains("node:")
}

/// A word without the signs around it.
fn bare(word: &str) -> String {
    let word = word.trim_matches(|c: char| !(c.is_ascii_alphanumeric() || "*-_.".contains(c)));
    word.trim_end_matches('.').to_owned()
}

/// Phrases in front of what was checked, and in front of what the certificate has.
const ASKED: [&str; 7] = [
    "host: ",
    "ip: ",
    ", not ",
    "not valid for '",
    "alternative dns name matching ",
    "alternative names matching ip address ",
    "no name matching ",
];
const HAS: [&str; 4] = ["altnames: dns", "altnames:", "certificate is valid for ", "valid for "];

fn read(seen: &Seen) -> Option<Mismatch> {
    seen.lines.iter().find_map(|line| {
        let lower = line.lower.as_str();
        let marks = ["altname", "certificate is", "alternative", "no name matching", "mismatch"];
        if !marks.iter().any(|mark| lower.contains(mark)) {
            return None;
        }
        let asked = ASKED.iter().find_map(|phrase| {
            let word = lower.split_once(phrase)?.1.split([' ', '\'', '"', ',', ')']).next()?;
            Some(bare(word)).filter(|word| is_name(word) || is_ipv4(word))
        })?;
        let has = HAS.iter().find_map(|phrase| Some(lower.rsplit_once(phrase)?.1)).unwrap_or("");
        let words = has.split([' ', ',', ':', ';']).map(bare);
        let names: Vec<String> = words.filter(|word| is_name(word) && *word != asked).collect();
        let has_ips = ipv4s(has).any(|ip| ip != asked);
        Some(Mismatch { asked, names, has_ips })
    })
}

/// Options that fix the name for all connections.
const FIXED: [&str; 7] = [
    "servername:",
    "servername =",
    "servername=",
    "server_hostname",
    "ssl_host",
    "--sni",
    "sslhost",
];

/// The story of an address that is not in the certificate.
fn of_an_address(said: &Mismatch, seen: &Seen) -> String {
    if said.has_ips {
        format!(
            "The client dialled {} and checked the certificate against it; the certificate has \
             addresses, but not this one: it was made for another node, or the node's address \
             changed since.",
            said.asked
        )
    } else if !said.names.is_empty() || seen.has(&["any ip sans"]) {
        format!("{USUAL} Here the client checked {}.", said.asked)
    } else if let Some(name) = looked_up(seen, &said.asked) {
        format!(
            "The client was given the name {name}, looked it up by itself, and dialled and checked \
             the address {} in its place (ioredis does so with start nodes as well, unless \
             dnsLookup is set); the certificate has names only. The name itself would have been \
             right.",
            said.asked
        )
    } else {
        format!(
            "The client dialled {} (an address of the map, CLUSTER SLOTS) and checked the \
             certificate against it, which has not this address: it has host names only, or \
             the addresses of another node or of an earlier time.",
            said.asked
        )
    }
}

/// The name that the client replaced by this address before it read any map: `resolved hostname
/// NAME to IP ADDRESS`.
fn looked_up(seen: &Seen, address: &str) -> Option<String> {
    seen.lines.iter().find_map(|line| {
        let (_, rest) = line.lower.split_once("resolved hostname ")?;
        let mut words = rest.split_whitespace();
        let name = words.next()?;
        words.any(|word| word == address).then(|| name.to_owned())
    })
}

/// Fits the story and the cure to the names.
pub(super) fn fitted(seen: &Seen, hit: Hit) -> Hit {
    let Some(said) = read(seen) else { return hit.fact("usual", USUAL) };
    if is_ipv4(&said.asked) {
        let hit = hit.fact("usual", of_an_address(&said, seen));
        let managed = !said.has_ips && seen.has(&MANAGED);
        return if managed { by_the_client(seen, hit) } else { hit };
    }
    let fixed = seen.lines_with(&FIXED);
    let why = match said.names.first() {
        Some(name) => format!(
            "The client checked the name {}, and the certificate that came is for {name}{}: most \
             likely that of another node, for which it is right.",
            said.asked,
            if said.has_ips { " (and an address)" } else { "" }
        ),
        None => {
            format!("The client checked the name {}, and the certificate has it not.", said.asked)
        }
    };
    match fixed.first() {
        Some(line) => fixed_name(hit.quote(*line), &why),
        None => shared_name(hit, &why),
    }
}

/// What names a service whose servers and certificates are the provider's.
const MANAGED: [&str; 8] = [
    "redisenterprise",
    "redis enterprise",
    "azure",
    "windows.net",
    "amazonaws.com",
    "elasticache",
    "memorydb",
    "memorystore",
];

/// Neither what is announced nor the certificate is the user's to change.
fn by_the_client(seen: &Seen, hit: Hit) -> Hit {
    let hit = hit.note(
        "What a managed service announces, and its certificate, are the provider's: it is the \
         client that has to check the NAME of the service on the connections to the nodes of the \
         map, too.",
    );
    let own = libraries::steps("TLS_NAME_MISMATCH", seen).fold(hit, Hit::step);
    own.step(
        "In any client: keep the address and port of each node, and give the TLS options the name \
         of the service (its endpoint) as the server name to check; or have the client put that \
         name in place of the addresses of the map.",
    )
    .step(
        "Where the service has a mode with one endpoint for all (Azure Enterprise: clustering \
         policy Enterprise), a plain client with the name alone is another way.",
    )
    .only_these_steps()
}

/// One name is fixed for all connections.
fn fixed_name(hit: Hit, why: &str) -> Hit {
    hit.fact(
        "usual",
        format!(
            "{why} A fixed server name in the client's TLS options makes it so: one name is \
            checked for every node of the map, and each node but one has a certificate \
            of its own, so all others fail. Cluster, certificates and CA are fine."
        ),
    )
    .check(
        "openssl s_client -connect <each node> -servername <its own name>: each certificate \
            fits its own node; and the TLS options of the client: servername.",
    )
    .step(
        "Take the fixed servername out of the TLS options: each connection then checks the \
            host or address that it dials (which stands in the certificate of that node, \
            as long as CLUSTER SLOTS hands out what the certificates name).",
    )
    .step(
        "Or issue all nodes certificates that carry one common name beside their own, and \
            leave the option as it is.",
    )
    .only_these_steps()
}

/// Nothing shows where the name comes from.
fn shared_name(hit: Hit, why: &str) -> Hit {
    hit.fact(
        "usual",
        format!(
            "{why} Two things lead there: one fixed name for all connections in the \
            client's TLS options (servername, server_hostname, ssl_host), or a name that \
            leads to several nodes (a Service, a balancer, round robin) and stands in \
            none of their certificates."
        ),
    )
    .check(
        "The TLS options of the client: is a server name fixed there? And does the name resolve \
            to several nodes (getent hosts)?",
    )
    .step(
        "A fixed name: take it out. A shared name: put it into every node's certificate \
            beside the node's own.",
    )
    .step(
        "Names in CLUSTER SLOTS that are in no certificate: cluster-announce-hostname on all \
            nodes to the certified names (7.0 and later).",
    )
    .only_these_steps()
}

const USUAL: &str = "The map hands out IPs (CLUSTER SLOTS), and the client checks the certificate \
    against the IP that it dials; the certificate names only host names. The seed by name works, \
    the announced nodes fail.";

/// A client that dials the addresses behind the names, over TLS, and is cut off in the handshake.
///
/// ioredis resolves the start node's name by itself in cluster mode and connects to the address, so
/// the check fails for the start node already, and the error is only 'Connection is closed.'.
pub(super) fn unsaid(seen: &Seen) -> Option<Hit> {
    let service = ["amazonaws.com", "windows.net", "azure.net"];
    let place = *seen.lines_with(&service).first()?;
    let closed = *seen.lines_with(&["connection is closed"]).first()?;
    let tls = *seen.lines_with(&["tls: {", "tls:{", "tls: true", "rediss://"]).first()?;
    let cluster = seen.client() == Some("ioredis") && seen.has(&["cluster"]);
    let local = seen.has(&["running locally", "dockerized", "docker-compose", "0.0.0.0:"]);
    let set = seen.has(&["dnslookup", "checkserveridentity", "after failover", "etimedout"]);
    let greeted = seen.has(&["tlssocket", "clusterallfailederror"]);
    (cluster && greeted && !local && !set).then(|| {
        Hit::of(79)
            .quote(tls)
            .quote(closed)
            .quote(place)
            .fact(
                "usual",
                "In cluster mode ioredis resolves the name of the start node by itself and dials \
                 the address; the certificate of the service has names only, so Node.js ends the \
                 handshake, and what is left of it is 'Connection is closed.'. TLS is switched on \
                 here and dnsLookup is not set.",
            )
            .check(
                "redis-cli --tls -h <the endpoint> -a <password> cluster slots from the same machine \
                 answers, and DEBUG=ioredis:* shows an address in place of the name: it is this. \
                 No answer there: the security group or VPC.",
            )
            .step(
                "ioredis: new Redis.Cluster([{ host, port }], { dnsLookup: (address, callback) => \
                 callback(null, address), redisOptions: { tls: {}, username, password } }). The \
                 password belongs into redisOptions: one in the URL of a start node does not reach \
                 the nodes of the map.",
            )
            .only_these_steps()
    })
}
