//! Connections that end without a reason: who closed them, and what beside the word tells why.
//!
//! EOF, "Connection is closed." and their like name no fault. What else the text tells does: a
//! token as a password and a fixed time, a pool larger than the server takes, a pause, a failover.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::lines::Line;
use crate::explain::seen::Seen;
use crate::wire::logs;

pub(super) static CAUSES: &[Cause] = &[CLOSED_BY_ITSELF, WORDLESS, TOKEN, POOL];

const CLOSED_BY_ITSELF: Cause = Cause {
    code: "CLIENT_CLOSED_ITSELF",
    title: "The client library itself says that this client is closed; no server said so",
    side: Side::Client,
    when: closed_by_itself,
    cause: "The words are the library's own: the command was given to a client object (or the part \
        of it for one node) that is closed already, and nothing was sent. Two things lead there. \
        The program closes it (a Close, quit, disconnect or dispose that runs before the last \
        user is done), or the library closed its part for a node that left the map or whose \
        connection could not be made again, and goes on to hand it out.",
    check: "Does a new client object (a restarted process) work at once, and redis-cli -c from the \
        same machine? Then the servers are well: look through the code for every place that \
        closes the client, and whether the errors begin with a failover or a change of nodes.",
    fix: &[
        "Errors that begin with a failover or scaling: upgrade the library to its newest release, \
         let the program make a new client object on this error (or restart it), and repeat the \
         command, which was not sent.",
        "Errors at any time: one client object for the whole process, closed only at its end.",
    ],
    never: &["Do not repair, fail over or reshard the cluster for it: no server said anything."],
    like: &["CLIENT_STALE_TOPOLOGY", "CLIENT_POOL_EXHAUSTED"],
};

const WORDLESS: Cause = Cause {
    code: "CLOSED_WITHOUT_A_WORD",
    title: "The other end closed the connection without giving a reason",
    side: Side::Client,
    when: wordless,
    cause: "EOF, 'connection closed' and their like mean only that the other end (the server, or a \
        proxy, balancer or firewall between) ended the connection before it answered; the reason \
        is not in the message, but when it comes tells it. On the very first command: TLS against \
        a plain port or the reverse, maxclients, protected mode. After a pause: an idle limit. \
        After an hour or a day and then always: a token that ended. On many connections to one \
        node at once: that node restarted, was replaced or failed over. Under load: maxclients or \
        an output buffer limit.",
    check: "The server's log and INFO stats (rejected_connections, client_output_buffer_limit_\
        disconnections), uptime_in_seconds and CONFIG GET timeout maxclients at the time of an \
        error; of a managed service its events and metrics.",
    fix: &[
        "Let the client test or refresh idle connections below the limit of what is between \
         (go-redis ConnMaxIdleTime, rueidis and redis-py health checks, Lettuce and ioredis \
         keepAlive), and repeat commands that may be repeated on a new connection.",
        "If one node only is named: what that node's log says at that second.",
    ],
    never: &["Do not repair the cluster and do not only raise timeouts for it."],
    like: &["IDLE_CONNECTION_CUT", "PLAIN_AGAINST_TLS", "MAXCLIENTS_EXHAUSTED"],
};

const TOKEN: Cause = Cause {
    code: "LOGIN_TOKEN_ENDED",
    title: "The password is a token that ends, and the client goes on with the first one",
    side: Side::Client,
    when: token,
    cause: "The client was given a token as a fixed password. Tokens of clouds end: Entra ID \
        (Azure) after one to some 24 hours, IAM of ElastiCache and MemoryDB after 15 minutes for a \
        login, with connections cut after 12 hours, Google after one hour. When it ends the server \
        closes the connections, and each new login with the old token fails, which many libraries \
        show as EOF or a closed connection only. So it works after a start and fails for ever \
        later on.",
    check: "redis-cli --tls -h <endpoint> -p <port> with the user and a token fetched NOW answers \
        PONG, with the old one WRONGPASS; and the time from the start to the first error is the \
        life of the token.",
    fix: &[
        "Hand over a function that fetches a token in place of a text: go-redis \
         StreamingCredentialsProvider or CredentialsProviderContext, rueidis AuthCredentialsFn, \
         redis-py credential_provider, Lettuce RedisCredentialsProvider, Jedis and node-redis \
         with the Entra or IAM package, StackExchange.Redis ConfigureForAzure; for IAM a pool \
         that renews connections before 12 hours.",
        "Until then a restart (or a new client object) with a new token.",
    ],
    never: &[
        "Do not switch TLS or the login off for it.",
        "Do not repair the cluster: nothing is wrong with it.",
    ],
    like: &["IDLE_CONNECTION_CUT", "AUTH_MISMATCH"],
};

const POOL: Cause = Cause {
    code: "POOL_ABOVE_MAXCLIENTS",
    title: "The client's pool is larger than what a server lets in[[: <<pool>> against <<most>>]]",
    side: Side::Client,
    when: pool,
    cause: "A pool is kept for each node and in each process, and here it may open \
        <<pool>> connections to one node, while a server takes maxclients[[ (<<most>>)]] of all \
        clients together, less if its limit of open files is lower. Above that it closes new \
        connections at once ('max number of clients reached', often seen as EOF or a reset), and \
        the cost of so many connections (TLS, memory, the map asked by each) makes the servers \
        slow before. The default of the servers is 10000.",
    check: "INFO clients and stats on each node under load: connected_clients against maxclients, \
        rejected_connections growing; and pool size times the number of processes.",
    fix: &[
        "Set the pool to what runs at the same time in one process (tens to a few hundred), so that \
         pool size times processes stays well below maxclients.",
        "Only if that many are needed: maxclients and the limit of open files (ulimit -n) together, \
         on all nodes.",
    ],
    never: &["Do not raise maxclients alone, and do not repair the cluster for it."],
    like: &["MAXCLIENTS_EXHAUSTED", "CLIENT_POOL_EXHAUSTED"],
};

/// What libraries say of a client object that is closed.
const OWN_WORDS: [&str; 7] = [
    "redis: client is closed",
    "clientclosederror",
    "redis client is closed",
    "redisson is shutdown",
    "pool not open",
    "connection pool is closed",
    "client is closed and cannot be used",
];

/// Words of a change of the cluster's shape, or of a node that went away.
const CHANGED: [&str; 12] = [
    "failover",
    "fail over",
    "takes over",
    "took over",
    "goes down",
    "went down",
    "is down",
    "shut down",
    "shutdown",
    "scale",
    "reshard",
    "new shard",
];

fn closed_by_itself(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(76, &OWN_WORDS)?;
    let change = seen.lines_with(&CHANGED).into_iter().next();
    let well = seen.says_ok() && !seen.says_fail();
    let hit = hit.more_if(6, change.is_some()).quotes(change);
    let hit = hit.quotes(seen.field_line("cluster_state").filter(|_| well));
    Some(match (change, well) {
        (None, _) => hit,
        (Some(_), false) => hit.note(AFTER_A_CHANGE),
        (Some(_), true) => hit.note(AFTER_A_CHANGE).note(
            "The servers say cluster_state:ok with all slots served: the failover is done, and the \
             client alone has not followed it.",
        ),
    })
}

const AFTER_A_CHANGE: &str = "Here the nodes changed before: the client still holds its part for a \
    node that is gone (or left the map) and does not look for the new owner.";

/// Ends of lines and phrases of a connection that was closed without a reason.
const CLOSED: [&str; 11] = [
    "server closed connection",
    "server closed the connection",
    "server has closed the connection",
    "connection closed by server",
    "connection closed by remote",
    "socketclosed",
    "socket closed unexpectedly",
    "error disconnecting: success",
    "lastnodeerror: error: connection is closed",
    "error: connection is closed",
    "message 'connection closed'",
];

/// Whether a line says that the connection ended, and nothing more.
fn ends_without_a_word(line: &Line) -> bool {
    let text = line.lower.trim().trim_end_matches(['.', '"', '\'', ')', '}']);
    let eof = ["error: eof", ": eof", " eof with no", "getting eof", "returns eof", "return eof"];
    let eof = text == "eof"
        || eof.iter().any(|mark| text.ends_with(mark) || text.contains(&format!("{mark} ")))
        || text.contains(" eofs");
    // Of TLS it is an error of its own, with its own rows.
    let other = ["ssl", "aof", "rdb", "unexpected eof reading", "psync"];
    let said = eof || CLOSED.iter().any(|mark| text.contains(mark));
    said && !other.iter().any(|mark| text.contains(mark)) && logs::parse(&line.text).is_none()
}

/// What the text tells of the time at which it happens.
struct Time {
    /// Words of it, in small letters.
    words: &'static [&'static str],
    /// What it speaks for.
    says: &'static str,
}

static TIMES: &[Time] = &[
    Time {
        words: &["under load", "heavy load", "high load", "peak", "load test", "many requests"],
        says: "It comes under load: compare pool size times processes with maxclients first, and \
            look at rejected_connections.",
    },
    Time {
        words: &CHANGED,
        says: "A node went away or changed its role at that time, and its connections ended with \
            it. Many libraries repeat only redirects (MOVED, ASK) by themselves and no broken \
            connections, because the command may have been carried out: the program repeats it \
            on a new connection, with care where it must not happen twice. If the servers promoted \
            a replica, nothing is to be repaired.",
    },
    Time {
        words: &[
            "idle",
            "after a while",
            "after some time",
            "intermittent",
            "sometimes",
            "occasional",
            "now and then",
            "from time to time",
        ],
        says: "It comes now and then: most often the connection was idle longer than something on \
            the way allows (Azure Cache for Redis 10 minutes, Azure load balancers 4, AWS NLB 350 \
            seconds, the server's own timeout), and the next command on it meets the end.",
    },
];

fn wordless(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(ends_without_a_word)?;
    // Where servers speak too, what they say goes before it.
    if seen.log_lines > 0 {
        return None;
    }
    let time = TIMES.iter().find(|time| seen.has(time.words));
    let azure = seen.lines_with(&["azure", "windows.net"]).into_iter().next();
    let hit = Hit::of(if time.is_some() { 67 } else { 52 }).quote(at);
    let hit = hit.more_if(6, azure.is_some()).quotes(azure);
    let hit = match time {
        Some(time) => hit.quotes(seen.lines_with(time.words).into_iter().take(1)).note(time.says),
        None => hit,
    };
    let hit = match azure {
        Some(_) => hit.note(
            "Azure patches its caches by a failover and closes what is connected at that time: \
             reconnect and repeat is the normal case there (its activity log and 'Errors' metric \
             show the times).",
        ),
        None => hit,
    };
    Some(old_library(seen, hit))
}

/// A release of a library that does not come back well from a closed connection.
fn old_library(seen: &Seen, hit: Hit) -> Hit {
    let names = ["stackexchange.redis.strongname", "stackexchange.redis"];
    match seen.stated(&names).filter(|version| version.0 < 2) {
        Some(version) => hit.more_if(8, true).step(format!(
            "StackExchange.Redis {}: upgrade to the newest 2.x. The 1.x line does not come back \
             well after the server closed its connections (a failover, patching) and gets no more \
             fixes; one ConnectionMultiplexer for the process, abortConnect=false.",
            crate::explain::stated::dotted(version)
        )),
        None => hit,
    }
}

/// How a token is fetched or named.
const TOKENS: [&str; 14] = [
    "token.token",
    "accesstoken",
    "access_token",
    "gettoken(",
    "get_token(",
    "managed identity",
    "managedidentity",
    "entra",
    "azidentity",
    "msiobjectid",
    "iam auth",
    "iam token",
    "generateauthtoken",
    "generate_auth_token",
];

/// How people say that it lasts for a fixed time.
const FIXED_TIME: [&str; 14] = [
    "about a day",
    "after a day",
    "after one day",
    "after 24",
    "after an hour",
    "after one hour",
    "after 1 hour",
    "after about an hour",
    "after 12 hours",
    "every 12 hours",
    "after a few hours",
    "after some hours",
    "until restart",
    "next day",
];

fn token(seen: &Seen) -> Option<Hit> {
    let by = *seen.lines_with(&TOKENS).first()?;
    let lasts = *seen.lines_with(&FIXED_TIME).first()?;
    let password = seen.has(&["password", "auth"]);
    let renewed = ["credentialsprovider", "credential_provider", "authcredentialsfn"];
    (password && !seen.has(&renewed)).then(|| {
        let ends = seen.lines.iter().position(ends_without_a_word);
        let refused = seen.lines_with(&["wrongpass", "noauth", "invalid username-password"]);
        let shown = ends.or(refused.first().copied());
        Hit::of(74).more_if(12, shown.is_some()).quote(lasts).quote(by).quotes(shown)
    })
}

/// The most connections that a pool in the text may open to one node: `PoolSize: 60000`.
fn pool_size(seen: &Seen) -> Option<(usize, u64)> {
    const NAMES: [&str; 8] = [
        "poolsize",
        "pool_size",
        "max_connections",
        "maxtotal",
        "max-active",
        "maxactiveconns",
        "connectionpoolsize",
        "pool-size",
    ];
    let sizes = seen.lines.iter().enumerate().filter_map(|(at, line)| {
        let rest = NAMES.iter().find_map(|name| line.lower.split_once(name))?.1;
        let digits = rest.trim_start_matches(|c: char| " \t:=(\"'".contains(c));
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        Some((at, digits.parse().ok()?))
    });
    sizes.max_by_key(|(_, size)| *size)
}

/// What servers let in unless they are told otherwise.
const MAXCLIENTS: u64 = 10_000;

fn pool(seen: &Seen) -> Option<Hit> {
    let (at, size) = pool_size(seen)?;
    let set = seen.setting("maxclients");
    let stated = set.and_then(|set| Some((set.line, set.value.parse::<u64>().ok()?)));
    let told = stated.map_or(MAXCLIENTS, |(_, most)| most);
    let trouble = seen.lines.iter().position(ends_without_a_word);
    let trouble = trouble.or_else(|| {
        let marks = ["max number of clients", "reset by peer", "i/o timeout", "broken pipe"];
        seen.lines_with(&marks).first().copied()
    });
    (size >= told).then(|| {
        Hit::of(if stated.is_some() { 84 } else { 76 })
            .less_if(30, trouble.is_none())
            .quote(at)
            .quotes(stated.map(|(line, _)| line))
            .quotes(trouble)
            .fact("pool", size.to_string())
            .fact_if("most", stated.map(|(_, most)| format!("maxclients {most}")))
    })
}
