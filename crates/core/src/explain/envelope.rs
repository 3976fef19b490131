//! What to look at, and in which order, when a client's message is an envelope without a reason.
//!
//! Such a message ("Failed to refresh slots cache", "Couldn't map cluster keyspace") comes from a
//! dozen different faults. What else is in the paste decides which of them are near; each is named
//! with the one check that settles it.

use super::cause::Hit;
use super::causes::endpoints;
use super::known;
use super::prose;
use super::refuted;
use super::seen::Seen;
use super::works::{self, Works};

/// Causes whose own text is an envelope.
const ENVELOPES: [&str; 5] = [
    "CLIENT_SEEDS_UNREACHABLE",
    "IOREDIS_ALL_STARTUP_NODES_FAILED",
    "CLIENT_REDIRECT_LOOP",
    "MANAGED_SERVICE_CLUSTER_MODE",
    "CLIENT_FORGOT_START_NODES",
];

/// From this score on the paste names the reason itself.
const PROVEN: u8 = 82;

/// Reasons named.
const REASONS_MAX: usize = 3;

/// A reason that an envelope may hide.
struct Reason {
    /// How near it is without any sign.
    base: u8,
    /// Signs in the paste, in small letters, each with what it adds.
    signs: &'static [(u8, &'static [&'static str])],
    /// What the paste's facts and statements add or take away.
    more: fn(&Seen) -> i32,
    /// Whether what the paste tells to work answers its check already.
    answered: fn(&Seen, Works) -> bool,
    /// The reason and its check.
    says: &'static str,
}

const SERVICE: &[&str] = &[
    "amazonaws.com",
    "elasticache",
    "memorydb",
    "cache.windows.net",
    "memorystore",
    "googleapis",
    "upstash",
];

const TUNNEL: &[&str] = &[
    "port-forward",
    "ssh forward",
    "forwarded port",
    "ssh -l",
    "ssh -n",
    "tunnel",
    "bastion",
    "telepresence",
    "socat",
];

const HERE: &[&str] = &[
    "macbook",
    "laptop",
    "my local",
    "locally",
    "local machine",
    "my machine",
    "from my pc",
    "from outside",
    "outside the vpc",
    "from home",
    "lambda",
    "cloud run",
    "/var/task/",
];

/// What says that no password is asked for.
const NO_LOGIN: &[&str] = &[
    "allow_empty_password=yes",
    "allow_empty_password: yes",
    "allow_empty_password: \"yes\"",
    "no password is set",
    "no password set",
    "without password",
    "without a password",
    "no requirepass",
    "requirepass is not set",
    "auth is disabled",
    "auth disabled",
    "without auth",
    "no auth ",
    "usepassword: false",
    "auth.enabled=false",
];

/// What speaks of an answer that came, so of no closed network.
const NO_TIMEOUT: &[&str] =
    &["redis-cli works", "can ping", "telnet works", "nc works", "works fine"];

/// What is told of inside and outside, and ports that a container publishes under other numbers.
fn inside_only(seen: &Seen) -> i32 {
    let told = prose::says(seen, "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT")
        || prose::says(seen, "LOOPBACK_ADDRESS");
    let published = seen.has(&[" -p 7", " -p 6", "ports:", "--publish"]);
    i32::from(told) * 30 + i32::from(published) * 10
}

/// An endpoint that speaks TLS, and a client that does not.
fn tls_missing(seen: &Seen) -> i32 {
    let told = prose::says(seen, "PLAIN_AGAINST_TLS");
    let plain = !seen.has(&endpoints::SPEAKS_TLS);
    let spoke = refuted::spoke_plainly(seen);
    i32::from(told) * 40 + i32::from(plain && !spoke && endpoints::needs_tls(seen)) * 26
        - i32::from(spoke) * 40
}

/// Whether the place is that of sentinels or of a cache without cluster mode.
fn no_cluster(seen: &Seen) -> i32 {
    i32::from(seen.has(&["26379", "mymaster"])) * 30
        + i32::from(endpoints::is_without_cluster(seen)) * 40
}

const REASONS: &[Reason] = &[
    Reason {
        base: 6,
        signs: &[(30, SERVICE), (14, HERE), (6, &["timeout", "timed out", "etimedout"])],
        more: |seen| if seen.has(NO_TIMEOUT) { -8 } else { 0 },
        answered: |seen, works| was_told(seen) || works.tool.is_some() || works.before.is_some(),
        says: "the endpoint is not reachable from where the client runs: a managed service answers \
            inside its own network (VPC, VNet) only, to those whom its security group or firewall \
            lets in. nc -vz <endpoint> <port> from this very machine: no answer = run it inside \
            (or by VPN, peering), and open the port for its security group",
    },
    Reason {
        base: 8,
        signs: &[
            (26, TUNNEL),
            (16, &["docker", "compose", "container", "172.17.", "172.18.", "172.19."]),
            (12, &["localhost", "127.0.0.1", "host.docker.internal"]),
            (10, &["nodeport", "loadbalancer", "load balancer", " nat ", "minikube", "kind-"]),
        ],
        more: inside_only,
        answered: |seen, works| works.before.is_some() && !moved_away(seen),
        says: "the nodes announce addresses of their own network, which are not reachable from \
            here, while the start node is (a published or forwarded port). redis-cli -h <start \
            node> cluster slots from the client's machine, then nc -vz to an address in it: no \
            answer = announce reachable addresses (cluster-announce-ip and ports), map them in \
            the client (natMap, address_remap, a mapper), or run the client inside",
    },
    Reason {
        base: 10,
        signs: &[
            (14, &["rediss://", "tls: {", "tls:{", "ssl=true", "usessl", "--tls", "tls-port"]),
            (12, SERVICE),
            (12, &["connection is closed", "econnreset", "reset by peer", "unexpectedly"]),
        ],
        more: tls_missing,
        answered: tls_is_right,
        says: "one end speaks TLS and the other does not, or the certificate has no name for the \
            address that is dialled. openssl s_client -connect <host>:<port>: a certificate comes \
            = the client must use TLS on every node (and keep the host name for the check); none \
            comes = the client must not",
    },
    Reason {
        base: 10,
        signs: &[
            (16, &["password", "requirepass", "noauth", "wrongpass", "auth(", "username"]),
            (8, &["acl setuser", "noperm"]),
        ],
        more: |seen| if seen.has(NO_LOGIN) || refuted::logged_in(seen) { -40 } else { 0 },
        answered: login_is_right,
        says: "the login is missing on the nodes behind the start node, or differs between them. \
            PING with the client's own user and password on EVERY node of the map: NOAUTH or \
            WRONGPASS on one of them = give the credentials for all nodes, or make them equal",
    },
    Reason {
        base: 9,
        signs: &[
            (14, &["kubectl", ".svc", "statefulset", "namespace", "helm ", "pod"]),
            (8, &["enotfound", "getaddrinfo", "name or service"]),
        ],
        more: |_| 0,
        answered: |_, works| works.tool.is_some() || works.before.is_some(),
        says: "the name or address of the start node leads nowhere from the client's pod: another \
            namespace, pods that are not ready, a NetworkPolicy. nslookup of the name and nc -vz \
            to it from that pod",
    },
    Reason {
        base: 9,
        signs: &[(12, &["cluster-enabled", "redis_mode", "standalone", "sentinel", "replication"])],
        more: no_cluster,
        answered: |seen, works| works.before.is_some() || seen.has(&CLUSTERED),
        says: "the server is no cluster, or none was made of the nodes. CLUSTER INFO on the start \
            node: 'cluster support disabled' = use the plain client; cluster_slots_assigned:0 = \
            the cluster was not created; cluster_state:fail = repair that first",
    },
];

/// What only a cluster says.
const CLUSTERED: [&str; 4] = ["moved ", "cluster_state:ok", "cluster_enabled:1", "clustercfg"];

/// Whether a redirect is all that the client complains of: then it has come through to a node, with
/// the right transport and login.
fn was_told(seen: &Seen) -> bool {
    const OTHER: [&str; 11] = [
        "noauth",
        "wrongpass",
        "ssl",
        "tls",
        "certificate",
        "handshake",
        "closed",
        "reset by peer",
        "econn",
        "timed out",
        "timeout",
    ];
    !seen.redirects.is_empty() && !seen.has(&OTHER)
}

/// Words of a client that was taken elsewhere.
fn moved_away(seen: &Seen) -> bool {
    seen.has(&["moved to", "deployed to", "another network", "new vpc", "from outside"])
}

/// The same program or the plain class came through, and nobody changed TLS in between.
fn tls_is_right(seen: &Seen, works: Works) -> bool {
    let changed = seen.has(&["tls was", "enabled tls", "encryption", "certificate", "rotat"]);
    was_told(seen) || (works.before.is_some() || works.plain.is_some()) && !changed
}

/// The same program was logged in for a while, and nobody changed the login in between.
fn login_is_right(seen: &Seen, works: Works) -> bool {
    let changed = ["password was", "new password", "changed the password", "rotat", "acl setuser"];
    let refused = ["noauth", "wrongpass", "noperm"];
    was_told(seen) || works.before.is_some() && !seen.has(&changed) && !seen.has(&refused)
}

/// The near reasons behind an envelope, as one sentence; none where a reason is settled.
pub(super) fn ranked(code: &str, hit: &Hit, seen: &Seen) -> Option<String> {
    let settled = hit.score >= PROVEN || hit.whole || hit.check.is_some();
    if !ENVELOPES.contains(&code) || settled || !known::notes(code, seen).is_empty() {
        return None;
    }
    let works = works::told(seen);
    let weigh = |reason: &Reason| {
        let signs = reason.signs.iter().filter(|(_, words)| seen.has(words));
        let signs: i32 = signs.map(|(adds, _)| i32::from(*adds)).sum();
        i32::from(reason.base) + signs + (reason.more)(seen)
    };
    let open = REASONS.iter().filter(|reason| !(reason.answered)(seen, works));
    let mut weighed: Vec<(i32, &Reason)> = open.map(|reason| (weigh(reason), reason)).collect();
    if weighed.is_empty() {
        return None;
    }
    weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let named = weighed.iter().take(REASONS_MAX).enumerate();
    let named: Vec<String> =
        named.map(|(at, (_, reason))| format!("({}) {}", at + 1, reason.says)).collect();
    Some(format!(
        "By what else stands in the paste, look in this order: {}. The first check that fails is \
         the reason.",
        named.join("; ")
    ))
}
