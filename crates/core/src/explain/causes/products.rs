//! Programs that own their commands and keys: what to set there when a cluster refuses them.
//!
//! Whoever runs a queue, a session store, an exporter or a web application by others cannot change
//! its scripts. The cure is a setting of that program, another connection for it, or a release.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// How a program stands to clusters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// It cannot work with one.
    Without,
    /// It can, with the setting.
    With,
    /// It only looks on: what it cannot read harms nobody.
    Watches,
}

/// One program.
pub(super) struct Product {
    /// Words that name it, in small letters.
    marks: &'static [&'static str],
    /// Its name.
    pub name: &'static str,
    /// How it stands to clusters.
    pub stands: Stands,
    /// Why a cluster refuses what it sends.
    pub why: &'static str,
    /// What to set.
    pub setting: &'static str,
}

const fn without(name: &'static str, marks: &'static [&'static str]) -> Product {
    Product {
        marks,
        name,
        stands: Stands::Without,
        why: "It uses many keys without hash tags, and speaks to one server.",
        setting: "Give it a Redis or Valkey of its own without cluster mode (one primary with \
            replicas, Sentinel for failover), and keep the cluster for what speaks cluster.",
    }
}

const fn with(
    name: &'static str,
    marks: &'static [&'static str],
    why: &'static str,
    setting: &'static str,
) -> Product {
    Product { marks, name, stands: Stands::With, why, setting }
}

/// All of them; the more particular ones first.
static PRODUCTS: &[Product] = &[
    with(
        "n8n",
        &["n8n ", "n8n:", "n8n-", "queue_bull_"],
        "n8n's queue mode runs Bull, whose scripts use several keys of a queue.",
        "n8n: QUEUE_BULL_REDIS_CLUSTER_NODES with the nodes, and QUEUE_BULL_PREFIX='{n8n}' on main \
         and workers alike.",
    ),
    with(
        "Bull or BullMQ",
        &["bullmq", "bull:", "/bull", "bull/", "'bull'", "\"bull\"", "bull queue", " bull "],
        "BullMQ's and Bull's scripts use several keys of a queue.",
        "BullMQ: set prefix: '{bull}' (or one tag per queue, '{mail}') on Queue, Worker and \
         QueueEvents alike; Bull: the same prefix in the options of the queue.",
    ),
    with(
        "Laravel Horizon",
        &[
            "laravel/horizon",
            "laravel horizon",
            "horizon.php",
            "\\horizon\\",
            "horizon:",
            "horizon prefix",
        ],
        "Laravel Horizon runs scripts and pipelines of its own over several keys.",
        "Laravel Horizon: give it a connection to a Redis without cluster mode ('use' in \
         config/horizon.php names the connection); or, with a release of Horizon and Laravel \
         that knows clusters, put its prefix ('prefix' => '{horizon}:') and the queue names \
         ('{default}') in braces, and take phpredis as the client.",
    ),
    with(
        "Laravel",
        &["laravel", "illuminate"],
        "Laravel's queue scripts use several keys of a queue.",
        "Laravel: put the queue name in braces, 'queue' => '{default}', in config/queue.php and for \
         the workers; cache and sessions may stay on the cluster.",
    ),
    without("Sidekiq", &["sidekiq", "stat:processed", "error: heartbeat:"]),
    without("Celery (kombu)", &["celery", "kombu"]),
    without("Django channels_redis without sharding", &["channels_redis"]),
    without("RQ", &["rq.worker", "from rq import", "rq:queue", "rq/queue.py"]),
    without(
        "Credis (Magento's Cm_RedisSession, Cm_Cache_Backend_Redis)",
        &["cm_redissession", "cm_cache_backend_redis", "credis_", "/credis/"],
    ),
    without("Resque", &["resque"]),
    without("Argo CD", &["argocd", "argo-cd"]),
    with(
        "GitLab",
        &["gitlab-rails", "gitlab_rails", "gitlab-webservice", "gitlab-sidekiq"],
        "GitLab's queues, shared state and trace chunks want one server.",
        "GitLab: a Redis with Sentinel for queues, shared state and ActionCable; a cluster only for \
         what its documentation names (rate limiting, cache, sessions: redis_*_cluster_nodes).",
    ),
    with(
        "Socket.IO's adapter",
        &["socket.io"],
        "The classic adapter subscribes by patterns and asks over common channels.",
        "Socket.IO: createShardedAdapter of @socket.io/redis-adapter with a cluster client (sharded \
         pub/sub, servers of 7.0 and later), or @socket.io/redis-streams-adapter.",
    ),
    with(
        "Kong's plugin",
        &["kong:", "[kong", "kong]", "kong rate", "kong plugin", "kong/", "kong-", "kong gateway"],
        "The plugin's policy redis speaks to one server.",
        "Kong: the plugin's fields for a cluster (redis.cluster_nodes, formerly cluster_addresses, of \
         the 'advanced' plugins); the plain rate-limiting plugin wants a Redis without cluster \
         mode, or policy local.",
    ),
    with(
        "Nextcloud",
        &["nextcloud"],
        "The entry 'redis' of its configuration is a client for one server.",
        "Nextcloud: 'redis.cluster' => ['seeds' => ['host:port', ...]] in config.php, in place of \
         'redis'.",
    ),
    with(
        "WordPress' object cache",
        &["wp_redis", "object-cache.php"],
        "WP_REDIS_HOST makes a client for one server.",
        "WordPress (Redis Object Cache): define WP_REDIS_CLUSTER as the list of nodes, in place of \
         WP_REDIS_HOST.",
    ),
    with(
        "Gitea or Forgejo",
        &["gitea", "forgejo"],
        "redis:// in its connection strings is a client for one server.",
        "Gitea, Forgejo: redis+cluster://... in the connection strings of cache, queue and session.",
    ),
    with(
        "a lock library (Redlock)",
        &["redlock"],
        "Scripts of locks must use one key or one tag.",
        "Put all keys of one lock into one hash tag.",
    ),
    Product {
        marks: &["redis_exporter", "redis-exporter", "redis metrics exporter", "oliver006"],
        name: "redis_exporter",
        stands: Stands::Watches,
        why: "The exporter asks a node by a plain connection for single keys or streams that it was \
            told to watch; a node that does not own the slot answers MOVED, which it logs. Only \
            that figure is missing; the nodes are not concerned.",
        setting: "redis_exporter: upgrade it (newer releases follow redirects for more of the key \
            checks with --is-cluster), or check those keys only where they live \
            (--check-single-keys and --check-single-streams at the scrape of the owner), or leave \
            the check out; the log line may be ignored until then.",
    },
    Product {
        marks: &["telegraf", "inputs.redis"],
        name: "Telegraf",
        stands: Stands::Watches,
        why: "The input redis of Telegraf asks each server by a plain connection; a command for a \
            key of another node is answered MOVED. Only that figure is missing.",
        setting: "Telegraf: list every node under servers, and leave commands with keys out of \
            inputs.redis.commands (or give each to the owner of the key).",
    },
    Product {
        marks: &["datadog-agent", "redisdb.d", "datadog_checks"],
        name: "the Datadog agent",
        stands: Stands::Watches,
        why: "The check asks each server by a plain connection; a key of its list that lives \
            elsewhere is answered MOVED. Only that figure is missing.",
        setting: "Datadog: one instance of the check for each node, and 'keys' only where they live.",
    },
];

/// The program that the text names.
pub(super) fn named(seen: &Seen) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| seen.has(product.marks))
}

/// The lines that name a program.
pub(super) fn lines(product: &Product, seen: &Seen) -> Vec<usize> {
    seen.lines_with(product.marks)
}

/// Puts the program's setting in place of advice about commands and keys that its user does not
/// write.
pub(super) fn owned(seen: &Seen, hit: Hit) -> Hit {
    match named(seen) {
        Some(product) if product.stands == Stands::With => hit
            .note(format!(
                "The command is not the application's own: {} sent it. {}",
                product.name, product.why
            ))
            .step(product.setting)
            .step(
                "Or give that program a Redis without cluster mode of its own (one primary with \
                 replicas). What stands under the old names does not move by itself: let queues \
                 run empty first.",
            )
            .only_these_steps(),
        _ => hit,
    }
}

/// The same for a client that shows MOVED.
pub(super) fn shows_moved(seen: &Seen, hit: Hit) -> Hit {
    match named(seen) {
        Some(product) if product.stands == Stands::Watches => hit
            .more_if(16, true)
            .note(product.why)
            .check(
                "redis-cli -c with the same command answers; and the cluster is well: CLUSTER INFO \
                 says ok on each node.",
            )
            .step(product.setting)
            .only_these_steps(),
        Some(product) if product.stands == Stands::With => {
            hit.note(product.why).step(product.setting)
        }
        _ => hit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_small_letters() {
        for mark in PRODUCTS.iter().flat_map(|product| product.marks) {
            assert_eq!(&mark.to_lowercase(), mark);
        }
    }
}
