//! Whose credentials a client uses at the nodes that it learns of.

use super::clients::CLUSTER_CLASSES;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Schemes of URLs of servers.
const SCHEMES: [&str; 5] = ["redis://", "rediss://", "valkey://", "valkeys://", "tls://"];

/// How redis-rb is given a cluster.
const REDIS_RB: [&str; 4] =
    ["redis.new(cluster", "redis::cluster.new(", "redis.new(:cluster", "redis-rb"];

/// The line of a start node whose URL carries credentials, and whether a user is among them.
fn in_url(seen: &Seen) -> Option<(usize, bool)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        SCHEMES.iter().find_map(|scheme| {
            let (_, rest) = line.lower.split_once(scheme)?;
            let place = rest.split(['"', '\'', ' ', ',', ')', ']', '/', '?', '`']).next()?;
            let (login, _) = place.rsplit_once('@')?;
            let user = login.split(':').next().unwrap_or_default();
            Some((at, !user.is_empty() && login.contains(':')))
        })
    })
}

/// Fits the cure to where the credentials stand.
pub(super) fn fitted(seen: &Seen, hit: Hit) -> Hit {
    if seen.has(&["credential_provider", "iamcredentials", "service_account", "iam auth"]) {
        return by_token(seen, hit);
    }
    let Some((at, user)) = in_url(seen) else { return hit };
    if seen.has(&REDIS_RB) {
        return redis_rb(seen, hit.quote(at));
    }
    let cluster = seen.has(&CLUSTER_CLASSES) || seen.has(&["useclusterservers", "rootnodes"]);
    let for_all = seen.has(&["defaults:", "redisoptions", "setpassword(", "credentialsresolver"]);
    if !cluster || for_all {
        return hit;
    }
    let wrong = seen.has(&["wrongpass", "invalid username-password", "wrongpassword"]);
    let hit = hit.quote(at);
    if wrong && user {
        return hit
            .more_if(6, true)
            .note(
                "The user and the password stand in the URL of a start node. That node took them (the \
                 map was read), and the nodes of the map refuse: some releases carry the password \
                 over to them and not the user's name, and log in as 'default' there \
                 (redisson/redisson#7217, #7157). Then the password itself is right.",
            )
            .check(
                "redis-cli -h <the node that refused> --user <user> -a <password> ping: PONG means \
                 that the credentials are right on that node and the client did not send the user \
                 (ACL LOG there names 'default'); WRONGPASS means that the nodes differ.",
            )
            .step(
                "Give user and password as options that hold for all nodes, not in the URL: Redisson \
                 setUsername and setPassword (or a credentialsResolver), node-redis defaults, \
                 ioredis redisOptions; and take a release in which it is mended.",
            );
    }
    hit.note(
        "The credentials stand in the URL of a start node only: node-redis (rootNodes), ioredis and \
         some releases of others use them there and nowhere else.",
    )
    .step(
        "Give them as options that hold for all nodes: node-redis defaults: { username, password }, \
         ioredis redisOptions, Redisson setUsername and setPassword.",
    )
}

/// A login by a token of a cloud.
fn by_token(seen: &Seen, hit: Hit) -> Hit {
    let none = seen.has(&["noauth", "authentication required"]);
    let why = if none {
        "'Authentication required' says that no login was sent at all: the token is fetched by code \
         (IAM, Entra ID) that this client, or the connection with which it reads the map, does \
         not call. A cluster client opens that first connection by itself; a hook made for a plain \
         client (redis-py redis_connect_func) is passed over there, and a credential_provider is not."
    } else {
        "The login is a token of a cloud: it is wrong (another user name than the service wants, \
         another scope) or has run out; a client that keeps it past its end (about an hour) is \
         refused on every new connection."
    };
    hit.note(why)
        .check(
            "redis-cli (with --tls) -a <a token printed now> -h <start node> cluster slots from the \
             client's machine: it works, so address, TLS and rights are right, and it is how the \
             client hands the token over.",
        )
        .step(
            "Hand the token over in the form that holds for every connection, the first one as well, and \
             that is asked again for each: redis-py RedisCluster(credential_provider=...), \
             go-redis CredentialsProviderContext, Lettuce RedisCredentialsProvider, Jedis \
             setCredentialsProvider; and take a release of the framework that does so.",
        )
}

/// redis-rb: what its own line of the client and an AUTH by hand tell.
fn redis_rb(seen: &Seen, hit: Hit) -> Hit {
    let none_sent = seen.has(&["noauth"]);
    let client = seen.lines.iter().position(|line| {
        let nodes =
            line.lower.matches("redis://").count() + line.lower.matches("rediss://").count();
        line.lower.contains("#<redis client v") && nodes > 1
    });
    let hit = match client.filter(|_| none_sent) {
        Some(at) => hit.more_if(6, true).quote(at).note(
            "The client lists the nodes of the map, so the start node took the password of its URL \
             and answered; NOAUTH then says that at a node of the map none was sent at all, not a \
             wrong one. redis-rb 4.1 uses the password of the URL for the start node only \
             (redis/redis-rb#888).",
        ),
        None => hit.note(
            "redis-rb 4.1 uses the password of a start node's URL for that node only \
             (redis/redis-rb#888).",
        ),
    };
    let taken = auth_by_hand(seen);
    let hit = match taken {
        Some(at) => hit.more_if(6, true).quote(at).note(
            "AUTH by hand with it gives OK and PING then PONG: the nodes want this very password, \
             so nothing differs between them and nothing is to be changed on the servers.",
        ),
        None => hit,
    };
    hit.check(
        "redis-cli -h <each node of the map> -a <password> ping: PONG everywhere means that the \
         client did not send it; NOAUTH or WRONGPASS on some means that the nodes differ.",
    )
    .step(
        "redis-rb: give the password as an option of the client, which holds for all nodes: \
         Redis.new(cluster: [...], password: '<password>') (and username: with an ACL user).",
    )
    .step(
        "Upgrade the gem to the newest release of its line (mended after 4.1.3). AUTH on a \
         connection by hand is no cure: each new connection begins without it.",
    )
    .only_these_steps()
}

/// `redis.auth '...'` with OK below it, and a PONG afterwards.
fn auth_by_hand(seen: &Seen) -> Option<usize> {
    let at = seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let asks = ask.lower.contains(".auth ") || ask.lower.contains(".auth(");
            asks && answer.text.contains("OK")
        }
        _ => false,
    })?;
    let after = seen.lines.get(at..).unwrap_or_default();
    after.iter().any(|line| line.text.contains("PONG")).then_some(at)
}
