//! Libraries that write keys of their own beside those of their user: caches that keep a list of
//! their keys, sessions that are read all at once, queues with scripts.
//!
//! Whoever calls `set` with one key cannot see the second one, nor put a hash tag into it.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// One library.
struct Adapter {
    /// Words that name it, in small letters.
    marks: &'static [&'static str],
    /// Its name.
    name: &'static str,
    /// What it sends in one command, script or transaction.
    sends: &'static str,
    /// The switch of the library, with its price.
    switch: &'static str,
}

static ADAPTERS: &[Adapter] = &[
    Adapter {
        marks: &["@keyv/redis", "keyvredis", "keyv-redis", "@keyv/valkey", "keyvvalkey"],
        name: "Keyv's adapter for Redis (@keyv/redis, @keyv/valkey)",
        sends: "with each value it also notes the key in one set of the namespace (SADD \
            namespace:...), in the same MULTI as the SET: two names in two slots",
        switch: "new KeyvRedis(client, { useRedisSets: false }): then only the one key is written. \
            The price: clear() has no list of the keys any more, so give them a time to live. \
            (@keyv/redis 4 and later knows no such sets, and has a client of its own.)",
    },
    Adapter {
        marks: &["response-cache-redis", "createrediscache"],
        name: "Envelop's response cache (@envelop/response-cache-redis)",
        sends: "with each response it notes its id in a set of every entity in it, in one pipeline",
        switch: "Give both kinds of keys one tag: buildRedisEntityId and \
            buildRedisOperationResultCacheKey with a common prefix in braces. The price: all of \
            that cache is in one slot.",
    },
    Adapter {
        marks: &["hangfire"],
        name: "Hangfire's storage for Redis",
        sends: "a job, its state and the queues' lists are written in one transaction",
        switch: "Hangfire: RedisStorageOptions.Prefix = \"{hangfire}:\", with the braces, on servers \
            and clients alike. The price: all of it is in one slot.",
    },
    Adapter {
        marks: &["bee-queue", "beequeue"],
        name: "Bee-Queue",
        sends: "its scripts use several keys of one queue",
        switch: "Bee-Queue: a queue name or prefix in braces (prefix: '{bq}'), for producers and \
            workers alike; the keys of a queue are then in one slot.",
    },
    Adapter {
        marks: &["require('kue')", "require(\"kue\")", "kue.createqueue", "from 'kue'"],
        name: "Kue",
        sends: "a job is written into several lists and sets in one transaction",
        switch: "Kue: createQueue({ prefix: '{q}' }), with the braces; all of it is then in one \
            slot.",
    },
    Adapter {
        marks: &["connect-redis"],
        name: "connect-redis",
        sends: "a single session is one key, but reading all of them (all()) is one MGET over \
            their names",
        switch: "connect-redis: leave all() out with a cluster; or a prefix in braces ('{sess}:'), \
            with the price that all sessions are in one slot.",
    },
    Adapter {
        marks: &["rediscachestore", "redis_cache_store"],
        name: "Rails' RedisCacheStore",
        sends: "read_multi, fetch_multi, and with them the caching of collections in views, are one \
            MGET over all names",
        switch: "Rails: fetch one by one where it is few, or a namespace in braces ('{views}') for \
            what is read together, with the price that it is all in one slot.",
    },
    Adapter {
        marks: &["django_redis", "django-redis"],
        name: "django-redis",
        sends: "get_many and set_many are one command over all names, and a versioned key is renamed",
        switch: "django-redis: a client class for clusters (or single calls in place of the *_many \
            ones); a KEY_PREFIX in braces puts all into one slot.",
    },
];

/// How people say that they use one key at a time.
const ONE_KEY: [&str; 9] = [
    "is one key",
    "one key at a time",
    "a single key",
    "single-key",
    "only one key",
    "just one key",
    "only a single",
    "no multi-key",
    "not use multi",
];

/// The library that wrote the second key, or how to find it.
pub(super) fn second_key(seen: &Seen, hit: Hit) -> Hit {
    let said = seen.lines_with(&ONE_KEY).first().copied();
    if let Some(adapter) = ADAPTERS.iter().find(|adapter| seen.has(adapter.marks)) {
        let lines = seen.lines_with(adapter.marks);
        let own = said.map_or("", |_| {
            " That each write of the application is one key is right; the second key is not the \
             application's."
        });
        return hit
            .more_if(2, true)
            .quotes(lines.iter().rev().take(1).copied())
            .quotes(said)
            .note(format!(
                "The names are not the application's own: {} makes them, and {}.{own} Servers and \
                 slots are in order.",
                adapter.name, adapter.sends
            ))
            .check(
                "The library against a test server without cluster mode, with MONITOR there: the \
                 second name stands in the same MULTI, script or command.",
            )
            .step(adapter.switch)
            .step("Or take another adapter (or store) that writes single keys only.")
            .only_these_steps();
    }
    let Some(said) = said else { return hit };
    hit.quote(said)
        .note(
            "Whoever writes one key and gets this is not the only one who writes: a library \
             between (cache with tags or a list of its keys, queue, session store, limiter) adds a \
             key of its own in the same transaction or script.",
        )
        .step(
            "Find the second name: run the library against a test server without cluster mode and \
             look with MONITOR there what goes out between MULTI and EXEC, or in one EVAL (the \
             cluster refuses it before MONITOR shows it). Then look for the library's switch for \
             that list or tag, or for a prefix in braces.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_small_letters() {
        for mark in ADAPTERS.iter().flat_map(|adapter| adapter.marks).chain(&ONE_KEY) {
            assert_eq!(&mark.to_lowercase(), mark);
        }
    }
}
