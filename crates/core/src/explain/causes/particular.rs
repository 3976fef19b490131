//! Particular reasons behind general symptoms, each with its own check and fix: a module that does
//! not load, a bus port that MEET was not told, memory that a save doubles, a chart without pods.

use super::{create, told_ports};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::short;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::Flag;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "SAVE_DOUBLES_MEMORY",
        title: "A save (or full sync) under writes makes the process use up to twice its memory",
        side: Side::Platform,
        when: |_| None,
        cause: "BGSAVE, an AOF rewrite and a full sync for a replica fork the process. Parent and \
            child share their pages until one is written: each page that is written while the \
            child works exists twice (copy on write), so with many writes (a bulk load) the \
            memory of the process grows to about twice the data, while used_memory stays. \
            maxmemory does not count it, nor the buffers of replicas. With maxmemory near the \
            machine's or container's memory the kernel then kills the server, or the machine \
            swaps; a stop, a restart and a failover in the logs follow from that.",
        check: "The log at the end of a save: 'RDB: N MB of memory used by copy-on-write'; INFO \
            persistence (rdb_last_cow_size, aof_last_cow_size, current_cow_peak), and \
            used_memory_rss against used_memory at that time. THP: cat \
            /sys/kernel/mm/transparent_hugepage/enabled.",
        fix: &[
            "Leave room for it: maxmemory at about half of the memory where data is loaded during \
             saves (60 to 70 % with few writes), or a larger machine or limit; never below what is \
             in use now.",
            "Do not save while bulk data is loaded: CONFIG SET save \"\" for that time (with \
             auto-aof-rewrite-percentage 0) if the load can be repeated, then BGSAVE once and the \
             old settings again; save on replicas only; one server at a time on one machine.",
            "Switch transparent huge pages off (they copy 2 MB for each written key), keep \
             vm.overcommit_memory 1, let only one replica sync at a time, and spread the data \
             over more, smaller shards.",
        ],
        never: &[
            "Do not switch saves off for ever without a replica or AOF that keeps the data.",
            "Do not lower maxmemory below what is in use: it deletes keys or refuses writes.",
        ],
        like: &["OOM_KILLED", "FORK_FAILED", "SAVE_CHILD_KILLED"],
    },
    Cause {
        code: "MODULE_NOT_LOADED",
        title: "A module does not load[[ (<<why>>)]], and the server ends",
        side: Side::Platform,
        when: module,
        cause: "The server ends at its start because a module of loadmodule does not load[[: \
            <<module>>]]. Pods that crash, a replica that never comes up and missing slots \
            follow from it. All nodes need the same modules, or a replica cannot read its \
            primary's data.",
        check: "The lines just above the message (the module's own, or the text of dlopen), all \
            loadmodule lines (redis.conf, its includes, the command line, the image's start \
            script), and on a node that runs: MODULE LIST.",
        fix: &[
            "'failed to load' (dlopen): the file is for another processor or C library, a library \
             is missing (ldd <file>), or it has no right to be executed (chmod +x).",
            "'initialization failed': the module itself refused: built for a newer server, its \
             arguments are wrong, or its name or commands are taken already because it is loaded \
             a second time.",
        ],
        never: &[
            "Do not delete nodes.conf, the data files or the volume: they are not at fault.",
            "Do not start it without the module on data that was written with it: the RDB does not \
             load then.",
        ],
        like: &["SERVER_REFUSES_TO_START", "UNKNOWN_DIRECTIVE"],
    },
    Cause {
        code: "MODULE_MISSING_ON_NODES",
        title: "A command of a module is unknown: the module is not loaded on the nodes",
        side: Side::Platform,
        when: module_missing,
        cause: "<<command>> belongs to a module (<<module>>), and a server without it calls the \
            command unknown. Nothing was renamed, and the cluster is not at fault. Each node loads \
            its modules for itself: what one of them has, the others do not get.",
        check: "MODULE LIST on EVERY node: <<module>> must stand in each list, with one version.",
        fix: &[
            "Put the .so file on every node at the same absolute path (chmod +x; built for this \
             server version), and loadmodule <absolute path> into every redis.conf, replicas \
             included; restart one after the other, replicas first. MODULE LOAD with the absolute \
             path works without a restart where enable-module-command allows it.",
            "Redis 8 and the image redis-stack bring these modules along; a plain image or package \
             before that, and Valkey, do not.",
        ],
        never: &["Do not reset or recreate the cluster: it has no part in it."],
        like: &["MODULE_NOT_LOADED", "COMMAND_RENAMED_OR_DISABLED"],
    },
    Cause {
        code: "MEET_WITHOUT_BUS_PORT",
        title: "MEET (or create) dials client port + 10000, and the node's bus is on another port",
        side: Side::Command,
        when: |seen| met_without_bus(seen).or_else(|| created_without_bus(seen)),
        cause: "[[<<entry>> ]]CLUSTER MEET <ip> <port> without a third number takes client port + \
            10000 for the bus, and so does redis-cli --cluster create, which sends just that: \
            cluster-announce-bus-port and cluster-port are learnt only after the first contact, \
            which never comes. So the handshake goes to a port that nobody is meant to listen on, \
            and ends by itself. No firewall has a part in it.",
        check: "CLUSTER NODES on the node that sent MEET: the number behind the @ of the row in \
            handshake, against cluster-announce-bus-port (or cluster-port) of that node.",
        fix: &[
            "From ONE node give MEET the bus port: CLUSTER MEET <ip> <port> <bus port>, for each \
             other node[[ (here: CLUSTER MEET <<right>>)]]; gossip tells the rest the right one. \
             Then, in a new cluster of empty nodes, the slots are shared out among \
             the primaries by hand, and the replicas get CLUSTER REPLICATE.",
            "Or let the bus be on client port + 10000, published and announced so: then create \
             and add-node work as they are. redis-cli 7.0 and later may take \
             ip:port@busport in create.",
        ],
        never: &[
            "Do not reset members that have data, and do not open the port + 10000 in firewalls: \
             nobody listens there.",
        ],
        like: &["BUS_PORT_MISMATCH", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "K8S_NO_PODS_MADE",
        title: "There are no pods: nothing was started yet, so no Redis has failed",
        side: Side::Platform,
        when: no_pods,
        cause: "kubectl finds no resources where the pods should be: the chart or operator made no \
            StatefulSet, made it in another namespace, or the StatefulSet was not allowed to make \
            pods (quota, admission, a missing service account). [[<<external>> ]]No cluster exists \
            yet, so slots, addresses and announcing are no question here.",
        check: "helm status <release> and its NOTES; kubectl get statefulset,jobs,svc in that \
            namespace, with events (kubectl describe statefulset); helm get manifest <release>: \
            does it hold a StatefulSet at all?",
        fix: &[
            "StatefulSet missing in the manifest: give the values that the NOTES ask for, and helm \
             upgrade. Other namespace: -n on both commands. StatefulSet with 0 pods: its events \
             name the reason.",
        ],
        never: &["Do not delete the release, its claims or the namespace for it."],
        like: &["K8S_NO_EXTERNAL_IP", "K8S_UNSCHEDULABLE"],
    },
];

/// Beginnings of commands of modules, and the module.
const OF_MODULES: [(&str, &str); 8] = [
    ("ft.", "search"),
    ("json.", "ReJSON"),
    ("ts.", "timeseries"),
    ("bf.", "bf"),
    ("cf.", "bf"),
    ("cms.", "bf"),
    ("topk.", "bf"),
    ("graph.", "graph"),
];

/// A command of a module is unknown.
fn module_missing(seen: &Seen) -> Option<Hit> {
    let (at, command, module) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let rest = line.lower.split_once("unknown command")?.1;
        let word = rest.trim_start_matches([' ', ':', '\'', '"', '`']);
        let word = word.split([' ', ',', '\'', '"', '`']).next()?;
        let (_, module) = OF_MODULES.iter().find(|(begin, _)| word.starts_with(begin))?;
        Some((at, word.to_uppercase(), *module))
    })?;
    let asked = seen.lines_with(&["module list"]);
    let empty = seen.lines.windows(2).any(|pair| match pair {
        [ask, answer] => {
            ask.lower.contains("module list") && {
                let text = answer.lower.trim();
                text.contains("(empty") || text.contains(">>> calling module list")
            }
        }
        _ => false,
    });
    let hit = Hit::of(80).more_if(10, empty).quote(at).quotes(asked.into_iter().take(1));
    let relative = seen.lines.iter().position(|line| {
        let path = line.lower.split_once("module load ").map(|(_, path)| path.trim_start());
        path.is_some_and(|path| !path.starts_with('/') && path.contains(".so"))
    });
    let hit = hit.quotes(relative).fact("command", command).fact("module", module);
    Some(if relative.is_some() { hit.note(RELATIVE) } else { hit })
}

const RELATIVE: &str = "MODULE LOAD was given a path without a leading '/': each server looks for \
    it from its own working directory (its dir), so it was not found; give the absolute path.";

/// What a server says when it gives a module up.
const NOT_LOADED: [&str; 4] = [
    "initialization failed. module not loaded",
    "can't load module from",
    "error loading the extension",
    ".so failed to load:",
];

/// The path of a `.so` in a line.
fn library(text: &str) -> Option<&str> {
    let words = text.split([' ', '\'', '"', '(', ':']);
    words.map(|word| word.trim_end_matches(['.', ','])).find(|word| word.ends_with(".so"))
}

/// The name of a file without its directories.
fn file(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn module(seen: &Seen) -> Option<Hit> {
    let lines = seen.lines_with(&NOT_LOADED);
    let first = *lines.first()?;
    let so = lines.iter().find_map(|at| library(&seen.lines.get(*at)?.text));
    let dlopen =
        seen.has(&[".so failed to load:", "cannot open shared object", "undefined symbol"]);
    let loaded: Vec<(usize, &str)> = seen
        .lines
        .iter()
        .enumerate()
        .take(first)
        .filter(|(_, line)| line.lower.contains("module '") && line.lower.contains(" loaded from"))
        .filter_map(|(at, line)| Some((at, library(&line.text)?)))
        .collect();
    let said = seen.lines.iter().take(first).rposition(|line| !line.lower.contains("module '"));
    let hit = Hit::of(94)
        .quotes(lines.iter().copied())
        .fact_if("module", so.map(str::to_owned))
        .quotes(said.filter(|at| first - at == 1 && loaded.is_empty()));
    if dlopen {
        return Some(hit.fact("why", "dlopen refused the file").note(DLOPEN));
    }
    let written = seen.lines_with(&["config rewrite"]);
    let image = so.is_some_and(|so| so.starts_with("/usr/local/lib/redis/modules/"));
    let twin = loaded.iter().find(|(_, path)| {
        let same = so.is_some_and(|so| file(so) == file(path));
        let search = |path: &str| ["redisearch.so", "module-oss.so"].contains(&file(path));
        same || (search(path) && so.is_some_and(search))
    });
    // The start script of the image lists its directory with a double stroke.
    let listed = |path: &str| image && path.contains("/modules//");
    if let Some((at, _)) = twin.filter(|(_, path)| so == Some(*path) && listed(path)) {
        return Some(rewritten(hit.quote(*at).quotes(written)));
    }
    if let Some((at, path)) = twin {
        return Some(twice(hit.quote(*at), so.unwrap_or("the same module"), path));
    }
    if !written.is_empty() || (image && seen.has(&["loadmodule"])) {
        return Some(rewritten(hit.quotes(written).quotes(loaded.last().map(|(at, _)| *at))));
    }
    Some(hit.fact("why", "its own start routine refused").note(REFUSED))
}

const DLOPEN: &str = "Here the system's loader refused the file: the text behind 'failed to load' \
    tells (no such file, a missing library, another C library or processor, no right to execute).";

const REFUSED: &str = "The file was opened (dlopen would have said otherwise), and the module's \
    own start routine refused: most often it is loaded already (two loadmodule lines, or one in \
    the file and one on the command line), its arguments are wrong, or it wants a newer server. \
    What it logged just above is the reason.";

/// A module is named by two lines of `loadmodule`.
fn twice(hit: Hit, so: &str, path: &str) -> Hit {
    let of_search = [so, path].iter().any(|path| path.contains("module-oss.so"));
    let search = if of_search {
        " (module-oss.so is RediSearch with its coordinator for clusters)"
    } else {
        ""
    };
    let keep = if of_search {
        format!(
            "Keep one of the two: remove the loadmodule line of {path} (in a cluster the build \
             with the coordinator, module-oss.so, is the one to keep; redis 8 has it in its own \
             redisearch.so)"
        )
    } else if so == path {
        format!(
            "Keep one of the two lines for {path}, and one only for each other module that is \
             named twice (else the next one ends the server): the command line and a file that \
             CONFIG REWRITE wrote name the same"
        )
    } else {
        format!("Keep one of the two: remove the loadmodule line of {path}")
    };
    Hit { score: 96, ..hit }
        .fact("why", "it is loaded already")
        .note(format!(
            "The same module was loaded just before, from {path}; {so} brings it a second \
             time{search}. Its name and its commands are taken, so it refuses and the server ends. \
             Version, libraries and rights are not at fault."
        ))
        .check(
            "All loadmodule lines of redis.conf, its includes and the command line: the module \
            stands there twice.",
        )
        .step(format!("{keep}, on all nodes alike. Then start; the data files are as they were."))
        .only_these_steps()
}

/// `CONFIG REWRITE` wrote the modules of the command line into the file.
fn rewritten(hit: Hit) -> Hit {
    hit.fact("why", "it is loaded already")
        .note(
            "The modules are loaded twice: the image's start script hands --loadmodule for all of \
             its modules to the server (redis 8 images do), and CONFIG REWRITE (of a person, \
             Sentinel or an operator) wrote the same modules into redis.conf as loadmodule lines. \
             At the next start both count, the second one refuses because its name is taken, the \
             server ends, and the restart policy makes a loop of it.",
        )
        .check("grep loadmodule redis.conf: the modules of the image stand in the file.")
        .step(
            "Take the loadmodule lines of the image's own modules out of redis.conf (a volume can \
             be mounted by another container for it); keep those of other modules. Then start: \
             data and nodes.conf are as they were.",
        )
        .step(
            "After each CONFIG REWRITE in such an image look at the file again, or keep settings \
             in the source of the configuration instead.",
        )
        .only_these_steps()
}

/// Where the settings give a bus port for an announced client port.
fn told_bus(seen: &Seen, port: u16) -> Option<(usize, u16)> {
    let mut told = told_ports::all(seen).into_iter();
    told.find(|told| told.port == port).map(|told| (told.line, told.bus))
}

/// What is to be done while create still waits: its slots are set, only the join is missing.
fn while_it_waits(seen: &Seen, hit: Hit) -> Hit {
    if !seen.has(&["waiting for the cluster to join"]) {
        return hit;
    }
    let told = told_ports::all(seen).into_iter().filter(|told| !told.is_usual());
    let mut meets: Vec<String> = told.map(|told| format!("CLUSTER MEET {}", told.meet())).collect();
    meets.dedup();
    // The first node is the one from which the others are met.
    let meets = meets.get(1..).filter(|meets| !meets.is_empty());
    let named = meets.map_or(String::new(), |meets| format!(": {}", list(meets, 6)));
    let row = |at: usize| seen.rows().any(|row| row.line == at);
    let typed = |at: &usize| {
        let line = seen.lines.get(*at);
        line.is_some_and(|line| line.text.split(' ').any(is_place_with_bus)) && !row(*at)
    };
    let hit = match (0..seen.lines.len()).find(typed) {
        Some(at) => hit.quote(at).note(
            "ip:port@busport on the command line was tried: this redis-cli passes over what \
             stands behind the @ and dials the same port.",
        ),
        None => hit,
    };
    hit.note(
        "Waiting longer, or the same create once more, changes nothing: the slots and epochs are \
         set on the nodes already, and only the join is missing.",
    )
    .step(format!(
        "Leave create waiting, and from the first node, in another terminal, MEET each other one \
         with its own bus port{named}. The waiting create then sees them join and finishes. If it \
         was broken off, the same MEETs do: the slots are set; only replicas are then named by \
         hand (CLUSTER REPLICATE <id of the primary> on each)."
    ))
    .step(
        "Or let the bus be on client port + 10000 on all nodes, published and announced so; or \
         create with redis-cli 7.0 or later, which names the bus port.",
    )
    .only_these_steps()
}

/// `10.0.0.1:7000@17000`, as it is tried on the tool's command line.
fn is_place_with_bus(word: &str) -> bool {
    let Some((place, bus)) = word.trim().split_once('@') else { return false };
    let port = place.rsplit_once(':').map(|(_, port)| port.parse::<u16>().is_ok());
    port == Some(true) && bus.parse::<u16>().is_ok()
}

/// A row that dials port + 10000 in vain, and another row or setting of it that names another port.
fn met_without_bus(seen: &Seen) -> Option<Hit> {
    let guessed = |row: &&Row| {
        let bus = row.address.bus_port;
        let open = row.flags.has(Flag::Handshake) || row.linked == Some(false);
        open && row.address.port > 0 && bus == row.address.port.checked_add(10_000)
    };
    let found = seen.server_rows().filter(guessed).find_map(|row| {
        let other = seen.server_rows().find(|other| {
            other.place() == row.place()
                && other.linked == Some(true)
                && other.address.bus_port != row.address.bus_port
        });
        let other = other.and_then(|other| Some((other.line, other.address.bus_port?)));
        let right = other.or_else(|| told_bus(seen, row.address.port))?;
        (Some(right.1) != row.address.bus_port).then_some((row, right))
    });
    let (row, (line, right)) = found?;
    let dialled = row.address.bus_port?;
    let entry = format!(
        "The row {} ({}, {}) is dialled at bus port {dialled} = {} + 10000, and that node's bus \
         port is {right}.",
        row.place(),
        short(&row.id),
        if row.flags.has(Flag::Handshake) { "handshake" } else { "disconnected" },
        row.address.port
    );
    Some(while_it_waits(
        seen,
        Hit::of(94)
            .quote(row.line)
            .quote(line)
            .quotes(seen.lines_with(&["cluster meet", "--cluster create"]).into_iter().take(2))
            .fact("entry", entry)
            .fact("right", format!("{} {} {right}", row.address.ip, row.address.port)),
    ))
}

/// Nodes are joined by their client ports, and told to announce a bus port that is not 10000 above.
fn created_without_bus(seen: &Seen) -> Option<Hit> {
    let joins = [
        "waiting for the cluster to join",
        "sending cluster meet",
        "redis-trib.rb create",
        "--cluster create",
        "cluster meet",
    ];
    let joins = seen.lines_with(&joins);
    let first = *joins.first()?;
    let ports =
        seen.settings.iter().filter(|s| s.name == "cluster-announce-port" || s.name == "port");
    let ports: Vec<u16> = ports.filter_map(|s| s.value.parse().ok()).collect();
    let (port, (line, right)) = ports
        .into_iter()
        .filter_map(|port| Some((port, told_bus(seen, port)?)))
        .find(|(port, (_, bus))| port.checked_add(10_000) != Some(*bus))?;
    let guessed = port.checked_add(10_000)?;
    // A port that the settings announce, not one that only a process inside listens on.
    let announced =
        seen.setting("cluster-announce-port").is_none_or(|s| s.value == port.to_string());
    let host = seen.setting("cluster-announce-ip").map_or("<ip>", |s| s.value.as_str());
    let named = seen.addresses.keys().any(|(_, other)| *other == port);
    let entry = format!(
        "The settings announce client port {port} with bus port {right}; the tool's MEET names \
         {port} alone, so the nodes dial {guessed} = {port} + 10000, where nobody listens, and the \
         join never ends."
    );
    let old = seen.version().is_none_or(|version| version < (7, 0));
    let hangs = old && create::still_waits(seen).is_some();
    (announced && (named || seen.setting("cluster-announce-port").is_some())).then(|| {
        let hit = while_it_waits(seen, Hit::of(82).more_if(8, hangs));
        hit.more_if(6, seen.has(&["redis-trib"]))
            .quote(line)
            .quote(first)
            .fact("entry", entry)
            .fact("right", format!("{host} {port} {right}"))
            .step(format!(
                "Simplest where ports are mapped: publish the bus at {guessed} and announce that \
                 (cluster-announce-bus-port {guessed}), the same on each node with its own port."
            ))
    })
}

fn no_pods(seen: &Seen) -> Option<Hit> {
    let none = *seen.lines_with(&["no resources found"]).first()?;
    let asked = seen.lines.iter().take(none + 1).rposition(|line| {
        let asks = line.lower.contains("kubectl get") || line.lower.contains("kubectl -n");
        let pods = [" po", " sts", " statefulset", " all"];
        asks && pods.iter().any(|what| line.lower.contains(what))
    });
    let asked = asked.filter(|at| none - at <= 3)?;
    let made = seen.lines_with(&["helm install", "helm upgrade", "statefulset", "chart"]);
    // Who has a table has nodes.
    let bare = seen.pods.is_empty() && seen.tables.iter().all(|t| t.source != Source::Nodes);
    let hit = Hit::of(80).quote(asked).quote(none).quotes(made.into_iter().take(1));
    let external = seen.lines.iter().enumerate().position(|(at, line)| {
        let next = seen.lines.iter().skip(at + 1).take(3);
        line.lower.contains("externalaccess")
            && next.clone().any(|l| l.lower.contains("enabled: true"))
    });
    let told = seen.has(&["loadbalancerip"]);
    let hit = match external.filter(|_| !told) {
        Some(at) => hit.more_if(8, true).quote(at).fact("external", WAITS_FOR_IPS).step(IPS_FIRST),
        None => hit,
    };
    bare.then_some(hit)
}

const WAITS_FOR_IPS: &str = "In these values cluster.externalAccess.enabled is true and no list of \
    addresses is given (cluster.externalAccess.service.loadBalancerIP): Bitnami's chart then makes \
    the Services only, and the StatefulSet in a second step, when it is told one IP for each node.";

const IPS_FIRST: &str = "Wait until kubectl get svc shows an EXTERNAL-IP for each of the Services \
    (one for each node, primaries and replicas), then helm upgrade the release with all former \
    values and cluster.externalAccess.service.loadBalancerIP={ip1,ip2,...}, as the NOTES of the \
    install say. Without clients outside: externalAccess.enabled false.";
