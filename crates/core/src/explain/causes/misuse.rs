//! Clients that are healthy and were told something that they take otherwise: arguments in the
//! wrong place, options that hold for the first node only, names that only the servers know.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "CLIENT_OPTIONS_MISPLACED",
        title: "The client was given its start nodes or options in a form that it takes otherwise",
        side: Side::Client,
        when: misplaced,
        cause: "[[<<told>> ]]The cluster is not at fault[[ (its own state is <<state>>)]].",
        check: "The same program with the call corrected; and redis-cli -c against the same \
            address answers.",
        fix: &["Correct the call as said above; nothing on the servers has to change."],
        never: &[
            "Do not repair, reshard or recreate the cluster for it.",
            "Do not switch the verification of certificates off.",
        ],
        like: &["CLIENT_SEEDS_UNREACHABLE", "NON_CLUSTER_CLIENT"],
    },
    Cause {
        code: "ANNOUNCED_NAME_UNRESOLVED",
        title: "The nodes announce a host name that does not resolve where the client runs",
        side: Side::Network,
        when: |seen| super::bare_names::redirected(seen).or_else(|| announced_name(seen)),
        cause: "The client found its start node and then asked for <<name>>, which is the host \
            name that a node ANNOUNCES (it stands behind the comma in CLUSTER NODES). [[<<short>> \
            ]]So the map cannot be used from there, although the cluster is healthy.",
        check: "getent hosts <<name>> from the client's pod or host, and CONFIG GET \
            cluster-announce-hostname on each node.",
        fix: &[
            "Announce names that every client resolves: on each node CONFIG SET \
             cluster-announce-hostname <pod>.<headless service>.<namespace>.svc.cluster.local (a \
             full name), and in its file or its operator's settings.",
            "Or hand out addresses: cluster-preferred-endpoint-type ip, where clients reach them \
             (with TLS the certificate must then name the IPs).",
            "Or run the client where the short name resolves (the same namespace).",
        ],
        never: &[
            "Do not recreate the cluster and do not run --cluster fix.",
            "Do not switch the verification of certificates off.",
        ],
        like: &["CLIENT_SEED_DNS_FAILED", "K8S_DNS_NOT_READY_HIDDEN"],
    },
    Cause {
        code: "CLIENT_MAP_DURING_MOVE",
        title: "While slots move, the client has a map with holes in it",
        side: Side::Client,
        when: holes_during_a_move,
        cause: "The error comes while slots are being moved (a reshard, a service that adds or \
            removes shards): the slot[[ <<slot>>]] has an owner all the time, but the client \
            threw its map away at a MOVED or ASK and read, or kept, one that does not name it. \
            That is a weakness of the client[[ (<<client>>)]], pipelines before all, and no slot \
            is lost. It may last: who has no owner for a slot in its map sends nothing, and so \
            never hears the MOVED that would mend it.",
        check: "redis-cli -h <start node> cluster slots at that moment: it names an owner for the \
            slot; CLUSTER INFO says 16384 slots assigned and ok.",
        fix: &[
            "Upgrade the client library (redis-py reads the map anew at this error in releases \
             since May 2025: redis-py#3621); until then let the application build the client \
             anew, and repeat the command or pipeline, after such an error.",
            "Scale when little is going on; name several start nodes.",
        ],
        never: &[
            "Do not repair slots or run --cluster fix while the move is under way.",
            "Do not switch coverage checks off as the cure.",
        ],
        like: &["CLIENT_SEES_UNCOVERED_SLOTS", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "CALL_REACHES_REPLICAS",
        title: "The tool sends the command to every node, and replicas refuse writes",
        side: Side::Nobody,
        when: called_everywhere,
        cause: "redis-cli --cluster call sends one command to ALL nodes of the cluster. The \
            primaries did it[[ (<<done>>)]]; the replicas[[ (<<refused>>)]] answer READONLY, as \
            they must, and receive the change from their primary by replication. Nothing is \
            wrong.",
        check: "DBSIZE or the value on a replica a moment later: it follows its primary.",
        fix: &[
            "Nothing to repair. Next time add --cluster-only-masters (redis-cli 6.2 and later), \
             and keep call without it for what every node may do (CONFIG, PING, CLUSTER FORGET).",
        ],
        never: &["Do not make replicas writable, and do not fail over for it."],
        like: &["READONLY_WRITE_TO_REPLICA"],
    },
];

/// The answers of `--cluster call`, some of them from replicas.
fn called_everywhere(seen: &Seen) -> Option<Hit> {
    let call = seen.lines_with(&[">>> calling "]);
    let first = *call.first()?;
    let answers = |word: &str| -> Vec<(usize, String)> {
        let lines = seen.lines.iter().enumerate().skip(first);
        lines
            .filter_map(|(at, line)| {
                let (place, answer) = line.text.split_once(": ")?;
                answer.starts_with(word).then(|| (at, place.trim().to_owned()))
            })
            .collect()
    };
    let (done, refused) = (answers("OK"), answers("READONLY"));
    let names = |list: &[(usize, String)]| -> String {
        list.iter().map(|(_, place)| place.as_str()).collect::<Vec<_>>().join(", ")
    };
    (!done.is_empty() && !refused.is_empty()).then(|| {
        Hit::of(93)
            .quote(first)
            .quotes(refused.iter().map(|(at, _)| *at).take(3))
            .fact("done", names(&done))
            .fact("refused", names(&refused))
    })
}

fn misplaced(seen: &Seen) -> Option<Hit> {
    numbers_among_seeds(seen)
        .or_else(|| text_for_a_list(seen))
        .or_else(|| seeds_in_one_text(seen))
        .or_else(|| super::two_connections::plain_wins(seen))
        .or_else(|| first_node_only(seen))
        .or_else(|| plain_scheme(seen))
        .or_else(|| bound_to_one_node(seen))
}

/// redis-plus-plus: a pipeline or transaction is bound to the node of the tag that it was given.
fn bound_to_one_node(seen: &Seen) -> Option<Hit> {
    let made = [".pipeline(\"", ".transaction(\"", ".redis(\""];
    let shown = seen.lines_with(&made);
    let fails = ["sw::redis::movederror", "moved "];
    let tag = made.iter().find_map(|call| seen.word_after(call))?;
    let tag = tag.split('"').next().unwrap_or_default().to_owned();
    (seen.has(&["sw::redis", "rediscluster"]) && seen.has(&fails)).then(|| {
        Hit::of(90).quotes(shown).quotes(seen.lines_with(&fails)).fact(
            "told",
            format!(
                "pipeline(hash_tag) and transaction(hash_tag) of redis-plus-plus pick ONE node, \
                 the owner of the slot of '{tag}', and do not follow MOVED. The keys in it have no \
                 tag in braces, so each has a slot of its own, on another node. Name the keys \
                 with the tag ({{{tag}}}:...), so that they share that slot, or make one pipeline \
                 for each slot's keys; single commands through RedisCluster need neither."
            ),
        )
    })
}

/// `["a:7000", "b:7001", 1.5, 1.5]`: timeouts within the list of start nodes.
fn numbers_among_seeds(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| {
        let opens = ["array(", "["].iter().filter_map(|open| line.lower.split_once(open));
        opens.map(|(_, rest)| rest.split([')', ']']).next().unwrap_or(rest)).any(|inner| {
            let items: Vec<&str> = inner.split(',').map(str::trim).collect();
            let quoted = |item: &&str| item.starts_with(['"', '\'']) && item.contains(':');
            let number = |item: &&str| item.parse::<f64>().is_ok();
            items.iter().any(quoted) && items.iter().any(number)
        })
    })?;
    let php = seen.has(&["rediscluster("]) && seen.has(&["php", "couldn't map cluster keyspace"]);
    php.then(|| {
        Hit::of(92).quote(at).fact(
            "told",
            "The list of start nodes holds bare numbers beside the addresses: the timeouts stand \
         inside the array. In phpredis they are arguments of their own: new RedisCluster(NULL, \
         ['host:7000', 'host:7001'], 1.5, 1.5, false, 'password'). A seed that is no address makes \
         the whole map fail ('Couldn't map cluster keyspace').",
        )
    })
}

/// Predis with one text in place of a list: a client for one server.
fn text_for_a_list(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| line.lower.contains("predis\\client("))?;
    let next = seen.lines.iter().skip(at).take(2).map(|line| line.text.as_str());
    let code: String = next.collect::<Vec<_>>().join(" ");
    let (_, rest) = code.split_once("lient(")?;
    let text = rest.trim_start().starts_with(['\'', '"']);
    let option = seen.has(&["'cluster' => 'redis'", "\"cluster\" => \"redis\""]);
    (text && option).then(|| {
        Hit::of(92).quote(at).quotes(seen.lines_with(&["moved "])).fact(
        "told",
        "Predis is given its address as one text, and then it makes a connection to one server and \
         ignores ['cluster' => 'redis']; so MOVED is shown and not followed. A LIST is wanted, \
         also for a single start node: new Predis\\Client(['tls://host:6379'], ['cluster' => \
         'redis']).",
    )
    })
}

/// All start nodes stand between one pair of quotes, where the client wants one text for each.
fn seeds_in_one_text(seen: &Seen) -> Option<Hit> {
    let calls = ["rediscluster(", "redis.cluster(", "addrs: []string{", "addrs:    []string{"];
    let at =
        seen.lines.iter().position(|line| calls.iter().any(|call| line.lower.contains(call)))?;
    let code: Vec<&str> = seen.lines.iter().skip(at).take(10).map(|l| l.text.as_str()).collect();
    let place = |part: &str| {
        let port = part.trim().rsplit_once(':').map(|(_, port)| port);
        port.is_some_and(|port| port.len() > 3 && port.bytes().all(|b| b.is_ascii_digit()))
    };
    let many = code.join(" ").split(['\'', '"']).skip(1).step_by(2).find_map(|text| {
        (text.split(',').filter(|part| place(part)).count() > 1).then(|| text.trim().to_owned())
    })?;
    let first = many.split(',').next().unwrap_or_default().trim().to_owned();
    Some(Hit::of(90).quote(at).fact(
        "told",
        format!(
            "All start nodes stand in ONE text ('{first},...'), so the client takes it for one \
             node with an impossible name. Give a list with one text for each node: \
             ['{first}', '<host>:<port>', ...]; phpredis wants it as the second argument, with \
             NULL (or a name from php.ini) as the first."
        ),
    ))
}

/// node-redis: what is given for a root node holds for that connection alone.
fn first_node_only(seen: &Seen) -> Option<Hit> {
    let root = seen.lines.iter().position(|line| line.lower.contains("rootnodes"))?;
    let near = |phrases: &[&str]| {
        seen.lines.iter().skip(root).take(12).any(|l| phrases.iter().any(|p| l.lower.contains(p)))
    };
    let url = seen.lines.iter().enumerate().skip(root).take(12).find(|(_, line)| {
        ["password", "redis://", "rediss://", "tls: true"].iter().any(|p| line.lower.contains(p))
    });
    let tls = near(&["tls: true", "rediss://"]);
    let login = near(&["password", "username", "redis://:", "rediss://:"]);
    let only = (tls || login) && !seen.has(&["defaults"]);
    let fails = ["socket closed unexpectedly", "never returns", "hangs", "noauth", "stuck"];
    let shown = seen.lines_with(&fails);
    let (given, then, write) = match (tls, login) {
        (true, true) => (
            "TLS and password are",
            "plain or without login and is closed",
            "{ socket: { tls: true }, password }",
        ),
        (true, false) => ("TLS is", "plain and is closed", "{ socket: { tls: true } }"),
        _ => ("The login is", "without a login and is refused", "{ username, password }"),
    };
    (only && !shown.is_empty()).then(|| {
        let line = url.map_or(root, |(at, _)| at);
        Hit::of(88).quote(line).quotes(shown).fact(
            "told",
            format!(
                "node-redis uses what stands in rootNodes for the first question only; the nodes \
                 of the map are dialled with what stands in defaults. {given} given for the root \
                 node alone, so every other connection is {then}. Write createCluster({{ \
                 rootNodes: [...], defaults: {write} }})."
            ),
        )
    })
}

/// A plain scheme in the client, and redis-cli that needs --tls for the same host.
fn plain_scheme(seen: &Seen) -> Option<Hit> {
    let cli = seen.line_says(0, &["redis-cli", "--tls"])?;
    let pong = seen.lines.iter().any(|line| line.text.trim() == "PONG");
    let plain = seen.lines_with(&["'scheme' => 'tcp'", "\"scheme\" => \"tcp\"", "'tcp://"]);
    let fails = seen.has(&["no connections", "connection", "error"]);
    (pong && fails && !plain.is_empty()).then(|| {
        Hit::of(88).quotes(plain).quotes(cli.quotes).fact(
            "told",
            "The server wants TLS (redis-cli answers with --tls), and the client dials with scheme \
         tcp, so no start node gives it a map. Use scheme 'tls' for every start node, and as a \
         default for the nodes of the map (Predis: 'options' => ['parameters' => ['scheme' => \
         'tls', 'password' => ...]]).",
        )
    })
}

/// A name that failed to resolve, and that a table shows as announced.
fn announced_name(seen: &Seen) -> Option<Hit> {
    let failed =
        ["enotfound ", "no such host", "unknownhostexception", "name or service not known"];
    seen.client()?;
    let named = seen.rows().filter_map(|row| Some((row.line, row.address.hostname.clone()?)));
    let (line, name) = named.filter(|(_, name)| !name.is_empty()).find(|(_, name)| {
        let whole = |text: &str| {
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
            words.map(|word| word.trim_end_matches('.')).any(|word| word.eq_ignore_ascii_case(name))
        };
        seen.lines.iter().any(|l| failed.iter().any(|f| l.lower.contains(f)) && whole(&l.text))
    })?;
    let short = (!name.contains('.')).then(|| {
        format!(
            "{name} is a short name without a domain: it resolves inside the pod itself (or its \
             own namespace) only."
        )
    });
    let shown = seen.lines_with(&failed);
    Some(Hit::of(93).quotes(shown).quote(line).fact("name", name).fact_if("short", short))
}

/// A slot that a client does not find while a service or a person moves slots.
fn holes_during_a_move(seen: &Seen) -> Option<Hit> {
    let hole = ["slotnotcoverederror", "not covered by the cluster", "no node found for slot"];
    let moves = [
        "reshard",
        "scales shards",
        "scaling",
        "scale in",
        "scale out",
        "scaled in",
        "scaled out",
        "slot migration",
    ];
    let passes = [
        "goes away",
        "afterwards",
        "only while",
        "happens only",
        "while the cluster is",
        "temporar",
        "transient",
        "during",
    ];
    let hit = seen.says_all(84, &[&hole, &moves, &passes]);
    let served = || seen.serves_all();
    let hit = hit.or_else(|| seen.says_all(84, &[&hole, &moves]).filter(|_| served()))?;
    seen.client()?;
    let slot = seen.word_after("slot \"").filter(|word| word.parse::<u16>().is_ok());
    let broken = seen.says_fail() || seen.has(&["not all 16384"]);
    Some(hit.less_if(40, broken).fact_if("slot", slot))
}
