//! Frameworks whose configuration defines a cluster, and a plain connection that comes first.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// What such a client shows.
const SHOWN: [&str; 4] = ["moved ", "redirect: slot ", "clusterredirectexception", "ask "];

pub(super) fn plain_wins(seen: &Seen) -> Option<Hit> {
    laravel(seen).or_else(|| spring(seen))
}

/// `'name' => [` of PHP: the name.
fn opens(line: &str) -> Option<&str> {
    let (name, rest) = line.trim_start().split_once("=>")?;
    let rest = rest.trim_start();
    let list = rest.starts_with('[') || rest.starts_with("array(");
    let name = name.trim().trim_matches(['\'', '"']);
    (list && !name.is_empty() && !name.contains(' ')).then_some(name)
}

/// How far a line goes down or up in brackets.
fn depth(line: &str) -> i32 {
    let down = line.matches(['[', '(']).count();
    let up = line.matches([']', ')']).count();
    i32::try_from(down).unwrap_or(0) - i32::try_from(up).unwrap_or(0)
}

/// Connections of `config/database.php`: name, line, whether within `clusters`, and whether what
/// stands below is a list of nodes.
struct Connection {
    name: String,
    line: usize,
    clustered: bool,
    listed: bool,
}

fn connections(seen: &Seen, clusters: usize) -> Vec<Connection> {
    let Some(paste) = seen.lines.get(clusters).map(|line| line.paste) else { return Vec::new() };
    let lines = || seen.lines.iter().enumerate().filter(|(_, line)| line.paste == paste);
    let above = lines().take_while(|(at, _)| *at < clusters);
    let top: i32 = above.map(|(_, line)| depth(&line.text)).sum();
    let mut found: Vec<Connection> = Vec::new();
    let (mut level, mut inside) = (0, false);
    for (at, line) in lines() {
        let name = opens(&line.text).filter(|name| !["options", "clusters"].contains(name));
        let clustered = inside && level == top + 1;
        if let Some(name) = name.filter(|_| clustered || (!inside && level == top)) {
            let below = seen.lines.get(at + 1).map_or("", |next| next.text.trim_start());
            let rest = line.text.split_once("=>").map_or("", |(_, rest)| rest.trim_start());
            let listed = below.starts_with('[') || rest.starts_with("[[");
            found.push(Connection { name: name.to_owned(), line: at, clustered, listed });
        }
        level += depth(&line.text);
        inside = (inside || at == clusters) && level > top;
    }
    found
}

/// Laravel takes a plain connection before one of `clusters` with the same name.
fn laravel(seen: &Seen) -> Option<Hit> {
    let clusters = seen.lines.iter().position(|l| opens(&l.lower) == Some("clusters"))?;
    let named = ["laravel", "illuminate", "env('redis_", "'client' =>", "env(\"redis_"];
    let shown = seen.lines_with(&SHOWN).into_iter().next()?;
    if !seen.has(&named) {
        return None;
    }
    let all = connections(seen, clusters);
    let cluster: Vec<&Connection> = all.iter().filter(|one| one.clustered).collect();
    let plain: Vec<&Connection> = all.iter().filter(|one| !one.clustered).collect();
    let twin = cluster.iter().find_map(|of| {
        let twin = plain.iter().find(|one| one.name == of.name)?;
        Some((*of, *twin))
    });
    let (of, twin) = twin?;
    let others = plain.iter().filter(|one| one.name != twin.name);
    let others: Vec<String> = others.map(|one| format!("'{}'", one.name)).collect();
    let hit = Hit::of(93).quote(shown).quote(clusters).quote(of.line);
    Some(apart(hit.quotes([twin.line, twin.line + 1]), of, &others))
}

/// What is defined twice, in which form, and how it is written.
fn apart(hit: Hit, of: &Connection, others: &[String]) -> Hit {
    let also = if others.is_empty() {
        String::new()
    } else {
        format!(" {} beside it, without a cluster of that name, is plain as well.", list(others, 3))
    };
    let form = if of.listed {
        String::new()
    } else {
        format!(
            " Besides, 'clusters.{0}' must be a list of nodes ('{0}' => [['host' => ..., 'port' => \
             ...]]), and here it is one node without the outer brackets.",
            of.name
        )
    };
    let too = if others.is_empty() { String::new() } else { format!(" and {}", list(others, 3)) };
    hit.fact(
        "told",
        format!(
            "Laravel looks for a plain connection first: 'redis.{0}' has the same name as \
             'redis.clusters.{0}' and hides it, so a client for one server is used and MOVED is \
             shown; the cluster class would follow it.{also}{form} What stands second in env(...) \
             is a default and not what is dialled.",
            of.name
        ),
    )
    .check(
        "get_class(Redis::connection()->client()) in php artisan tinker: Redis is the \
         plain class, RedisCluster (or Predis with a cluster connection) the other.",
    )
    .step(format!(
        "In config/database.php take the plain '{0}'{too} out of 'redis' (or give the \
         cluster a name of its own and name that in cache, queue and session), and write \
         the cluster as 'clusters' => ['{0}' => [['host' => env('REDIS_HOST'), 'password' \
         => env('REDIS_PASSWORD'), 'port' => env('REDIS_PORT')]]], with one such list for \
         each other connection that is used ('cache').",
        of.name
    ))
    .step(
        "'options' => ['cluster' => 'redis'] beside 'clusters' (with Predis it is this \
         that makes it follow redirects); database 0 only. Then php artisan \
         config:clear, and restart workers and php-fpm.",
    )
    .only_these_steps()
}

/// Spring Boot makes no connection of its own from the properties when the application has a bean.
fn spring(seen: &Seen) -> Option<Hit> {
    let nodes = seen.lines.iter().position(|line| line.lower.contains("cluster.nodes"));
    let nodes = nodes.or_else(|| {
        seen.lines.windows(2).position(|pair| match pair {
            [one, two] => {
                one.lower.trim() == "cluster:" && two.lower.trim_start().starts_with("nodes:")
            }
            _ => false,
        })
    })?;
    let beans = ["redisstandaloneconfiguration(", "new lettuceconnectionfactory()"];
    let bean = *seen.lines_with(&beans).first()?;
    let shown = seen.lines_with(&SHOWN).into_iter().next()?;
    (!seen.has(&["redisclusterconfiguration("])).then(|| {
        Hit::of(90)
            .quote(shown)
            .quote(nodes)
            .quote(bean)
            .fact(
                "told",
                "Two connections are defined: cluster.nodes in the properties, and a bean in the \
                 code that makes a standalone one. Spring Boot makes a connection from the \
                 properties only when the application has no RedisConnectionFactory of its own, so \
                 the bean wins, and MOVED is shown.",
            )
            .step(
                "Take the bean away, so that the properties hold; or make it of new \
                 RedisClusterConfiguration(<the nodes of the properties>) with the same client \
                 settings.",
            )
            .only_these_steps()
    })
}
