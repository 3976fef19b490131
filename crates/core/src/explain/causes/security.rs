//! Passwords, rights, TLS.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

/// What redis-py-cluster does at its start.
const CONFIG_GET: &str = "redis-py-cluster (before redis-py 4.1 took it over) sends CONFIG GET to \
    every node of its map at the start: a node that it cannot reach at its announced address, or a \
    managed service without CONFIG, ends it with this error; skip_full_coverage_check=True leaves \
    the question out.";

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "TLS_BUS_CERT_VERIFY_FAILED",
        title: "The certificate that a node presents on the cluster bus does not verify",
        side: Side::Cluster,
        when: |seen| {
            let bus = seen
                .line_says(94, &["cluster node connection", "certificate"])
                .or_else(|| seen.line_says(88, &["cluster node connection", "unknown ca"]))?;
            let bus = bus.less_if(12, seen.has(&["has expired", "certificate expired"]));
            let auth = seen.setting("tls-auth-clients").map(|s| s.line);
            let files = seen.setting("tls-cert-file").map(|s| s.line);
            let exempt = if seen.set_to("tls-auth-clients", "no") {
                "The setting tls-auth-clients no in this configuration changes nothing here."
            } else {
                ""
            };
            let hit = bus
                .quotes(auth)
                .quotes(files)
                .quotes(seen.lines_with(&["waiting for the cluster to join"]).into_iter().take(1));
            Some(if exempt.is_empty() { hit } else { hit.note(exempt) })
        },
        cause: "With tls-cluster yes the bus uses mutual TLS always: each node verifies the \
            certificate of its peer in both directions. tls-auth-clients covers clients only and \
            does not apply to the bus. The certificate that the nodes present (as a client, too) \
            fails: an intermediate certificate is missing in what is presented, the CA is not the \
            one in tls-ca-cert-file, it has expired, or it has no clientAuth usage. It is the \
            certificates, not the ports.",
        check: "openssl verify -purpose sslclient -CAfile <tls-ca-cert-file> <tls-cert-file>, and \
            openssl x509 -text: extended key usage must name both serverAuth and clientAuth, and \
            the dates must fit.",
        fix: &[
            "Put leaf and intermediate certificates into tls-cert-file (or give \
             tls-client-cert-file and \
             tls-client-key-file), and the whole CA chain into tls-ca-cert-file.",
            "Issue node certificates with serverAuth AND clientAuth.",
            "Load them with CONFIG SET tls-cert-file, tls-key-file and tls-ca-cert-file on \
             each node (no restart needed); a create that was waiting is then run again.",
        ],
        never: &[
            "Do not set tls-cluster no behind everybody's back, and do not disable verification.",
            "Opening firewall ports does not help: the connection is there.",
        ],
        like: &["BUS_PORT_BLOCKED", "TLS_BUS_MISMATCH"],
    },
    Cause {
        code: "TLS_BUS_MISMATCH",
        title: "One side speaks TLS on the bus, the other does not",
        side: Side::Cluster,
        when: |seen| {
            seen.line_says(90, &["cluster node connection", "wrong version number"])
                .or_else(|| seen.line_says(84, &["cluster node connection", "http request"]))
                .or_else(|| seen.line_says(64, &["cluster node connection", "ssl"]))
        },
        cause: "tls-cluster is not the same on all nodes (or a port that is not TLS is dialled as \
            if it were). Bus links between the two kinds fail, and the nodes flag each other.",
        check: "CONFIG GET tls-cluster tls-port tls-replication on every node.",
        fix: &["Set tls-cluster (and tls-replication) equally on all nodes; a rolling change \
             breaks the bus between old and new, so plan a short stop of all, each after a \
             save."],
        never: &["Do not disable TLS on a network that needs it."],
        like: &["TLS_BUS_CERT_VERIFY_FAILED"],
    },
    Cause {
        code: "TLS_CERT_EXPIRED",
        title: "A certificate has expired",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                92,
                &[
                    "certificate has expired",
                    "cert_has_expired",
                    "certificate expired",
                    "x509: certificate has expired",
                ],
            )
            .or_else(|| ended_before(seen))
        },
        cause: "The certificate's time is over. Links that were open stay; each one that \
            reconnects (a restart, a \
            blip) fails, so it shows itself hours later, node by node.",
        check: "openssl s_client to the client port and the bus port of each node: notAfter.",
        fix: &[
            "Renew the certificates on all nodes and load them with CONFIG SET tls-cert-file / \
             tls-key-file (no restart needed); with a new CA, first trust both.",
        ],
        never: &["Do not disable the verification."],
        like: &["TLS_CERT_INVALID"],
    },
    Cause {
        code: "TLS_NAME_MISMATCH",
        title: "The certificate has no name for the address that the client dials",
        side: Side::Client,
        when: |seen| {
            seen.says(
                92,
                &[
                    "err_tls_cert_altname_invalid",
                    "altnames",
                    "no subject alternative",
                    "doesn't contain any ip sans",
                    "hostname mismatch",
                    "certificate is not valid for",
                    "certificate is valid for",
                    "remotecertificatenamemismatch",
                    "did not match expected cn",
                    "no name matching",
                    "notvalidforname",
                    "ip address mismatch",
                    "hostname_check_failed",
                    "hostname verification failed",
                ],
            )
            .map(|hit| super::tls_names::fitted(seen, hit))
            .or_else(|| super::tls_names::unsaid(seen))
        },
        cause: "[[<<usual>> ]]The cluster is healthy.",
        check: "The names (subjectAltName) of the certificate against the addresses in CLUSTER \
            SLOTS.",
        fix: &[
            "Announce names: cluster-announce-hostname on all nodes, then \
             cluster-preferred-endpoint-type hostname \
             (7.0 and later).",
            "Or issue certificates that contain the IPs; or have the client check the seed's name \
             (ioredis: tls.servername; with ElastiCache dnsLookup).",
        ],
        never: &["Do not disable the verification of certificates."],
        like: &["TLS_CERT_INVALID"],
    },
    Cause {
        code: "TLS_CERT_INVALID",
        title: "A certificate is not accepted",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                80,
                &[
                    "certificate verify failed",
                    "alert unknown ca",
                    "unknown ca ",
                    "unknown ca)",
                    "unknownissuer",
                    "self signed certificate",
                    "self-signed certificate",
                    "unable to get local issuer",
                    "peer did not return a certificate",
                    "certificate required",
                    "unable to verify the first certificate",
                    "signed by unknown authority",
                    "depth_zero_self_signed",
                    "fatal alert: bad_certificate",
                    "alert bad certificate",
                    "fatal alert: certificate_required",
                    "fatal alert: certificate_unknown",
                    "failed to create ssl_ctx",
                ],
            )
            .map(|hit| super::trust::placed(seen, hit))
        },
        cause: "The two ends do not trust each other's certificate: another CA, a missing \
            intermediate, no client certificate where tls-auth-clients is on (its default is yes), \
            or no clientAuth usage.",
        check: "openssl s_client -connect <host>:<port> -CAfile <ca> (-cert, -key): what does it \
            complain of?",
        fix: &[
            "Give the client (or the node) the CA of the other side and, unless tls-auth-clients \
             is no or optional, a client certificate; present the whole chain.",
        ],
        never: &["Do not disable the verification."],
        like: &["TLS_BUS_CERT_VERIFY_FAILED", "TLS_CERT_EXPIRED"],
    },
    Cause {
        code: "PLAIN_AGAINST_TLS",
        title: "One end speaks TLS and the other does not",
        side: Side::Client,
        when: |seen| {
            seen.says(
                82,
                &[
                    "wrong version number",
                    "http request",
                    "first record does not look like a tls",
                    "not an ssl/tls record",
                    "error accepting a client connection: error:",
                    "packet length too long",
                ],
            )
            .map(|hit| {
                let about_certificates = ["did not return a certificate", "certificate"];
                let hit =
                    hit.less_if(20, seen.has(&about_certificates) && !seen.has(&["wrong version"]));
                super::probes::fitted(seen, hit)
            })
            .or_else(|| tls_of_another_place(seen))
            .or_else(|| super::endpoints::plain_beside_tls(seen))
            .or_else(|| super::endpoints::plain_client(seen))
        },
        cause: "A TLS client talks to a plain port, or a plain client to a TLS port; a plain \
            client then sees only a closed connection. With TLS for clients, the map may also name \
            the plain port.",
        check: "CONFIG GET port tls-port: which of them does the client dial?",
        fix: &[
            "Use rediss:// (or the client's tls option) with tls-port, for the start nodes and for \
             all nodes; with tls-cluster yes the map names TLS ports.",
        ],
        never: &["Do not open the plain port to untrusted networks."],
        like: &["TLS_PORT_CONFUSION", "CLI_WITHOUT_TLS"],
    },
    Cause {
        code: "TLS_PORT_CONFUSION",
        title: "The map shows the wrong port for TLS clients",
        side: Side::Cluster,
        when: |seen| {
            let tls = seen.setting("tls-port").filter(|s| s.value != "0")?;
            let plain_bus =
                seen.set_to("tls-cluster", "no") || seen.setting("tls-cluster").is_none();
            let told = seen.has(&["moved ", "cluster slots", ":0", "wrong port"]);
            (plain_bus && told).then(|| Hit::of(66).quote(tls.line))
        },
        cause: "TLS is used for clients while tls-cluster is not on: before 7.2 the other nodes' \
            TLS ports are then not known, and CLUSTER SLOTS and MOVED name the plain port or 0. \
            Only links that are made with TLS see TLS ports.",
        check: "CLUSTER SLOTS over a TLS connection against a plain one.",
        fix: &["tls-cluster yes on all nodes, or cluster-announce-tls-port, or upgrade to 7.2."],
        never: &["Do not let clients fall back to plain."],
        like: &["PLAIN_AGAINST_TLS"],
    },
    Cause {
        code: "CLI_WITHOUT_TLS",
        title: "redis-cli was run without --tls against a TLS port",
        side: Side::Command,
        when: |seen| {
            let reset = seen.says(
                62,
                &["server closed the connection", "connection reset by peer", "i/o error"],
            )?;
            let tls = seen.has(&["tls-port", "tls-cluster", "--tls", "port 0"]);
            let cli = seen.has(&["redis-cli", "valkey-cli"]);
            let without = seen.lines.iter().any(|l| {
                (l.lower.contains("redis-cli") || l.lower.contains("valkey-cli"))
                    && !l.lower.contains("--tls")
            });
            (tls && cli && without).then(|| reset.more_if(14, true))
        },
        cause: "The port speaks TLS; redis-cli without --tls gets its connection closed without a \
            reason (in cluster commands even 'not configured as a cluster node').",
        check: "The same command with --tls --cacert <ca> (and --cert, --key when clients must \
            show one).",
        fix: &["Add --tls --cacert, and --cert/--key unless tls-auth-clients is no, to every \
             redis-cli call, also with \
            --cluster."],
        never: &["Do not open the plain port for it."],
        like: &["PLAIN_AGAINST_TLS", "CLI_WITHOUT_PASSWORD"],
    },
    Cause {
        code: "AUTH_MISMATCH",
        title: "The password is missing or wrong on some connection",
        side: Side::Client,
        when: |seen| {
            let hit = seen.says(
                80,
                &[
                    "noauth",
                    "wrongpass",
                    "invalid password",
                    "authentication required",
                    "without any password configured",
                    "invalid username-password",
                    "client sent auth, but no password is set",
                    "auth failed:",
                ],
            )?;
            Some(
                hit.less_if(
                    24,
                    seen.has(&[
                        "master aborted replication",
                        "unable to auth to master",
                        "target instance replied",
                    ]),
                )
                .fact_if("error", seen.word_after("error: ")),
            )
            .map(|hit| super::credentials::fitted(seen, hit))
        },
        cause: "A node refused a command for want of a (right) password. Cluster clients open a \
            connection to EVERY announced node with the same credentials, so the password must be \
            in the options for all nodes (not only in the URL of the start node), and equal on all \
            nodes. NOAUTH: none was sent. WRONGPASS: a wrong one or a disabled user. 'without any \
            password configured': the node has none. Nothing is wrong with slots or data.",
        check: "With the client's own credentials: PING on every node. All refuse: the client; \
            some refuse: the nodes differ.",
        fix: &[
            "Give the credentials for all nodes: ioredis redisOptions.password, redis-py \
             password=, Lettuce on each \
             RedisURI, Jedis constructor with password, Spring spring.data.redis.password, \
             go-redis Password.",
            "If the nodes differ: set requirepass and masterauth (or the ACL user) to the same \
             value everywhere; rotate with two passwords valid at a time.",
        ],
        never: &["Do not remove the password on a reachable network."],
        like: &["ACL_DIVERGED", "CLI_WITHOUT_PASSWORD"],
    },
    Cause {
        code: "ACL_DENIES_CLUSTER_COMMANDS",
        title: "The ACL user may not run a command that is needed",
        side: Side::Cluster,
        when: |seen| {
            let by_rules = super::rights::without_the_map(seen);
            if by_rules.as_ref().is_some_and(|hit| hit.score >= 85) {
                return by_rules;
            }
            let rights = ["acl", "-@all", "+@read", "user "];
            let unseen = seen.says_all(82, &[&["no topology views found"], &rights]);
            if unseen.is_some() {
                return unseen;
            }
            let said = ["noperm", "has no permissions to run", "no permissions to access"];
            let hit = seen.says(92, &said).or_else(|| {
                seen.says(
                    88,
                    &["executing the script can't run this", "executing the function can't"],
                )
            });
            let hit = hit.map(|hit| super::noperm::fitted(seen, hit));
            hit.or(by_rules)
        },
        cause: "The ACL of this user does not allow a command that is sent. Cluster clients \
            need more than the data commands: cluster|slots, cluster|shards, cluster|nodes, \
            cluster|info, readonly, asking, ping, info (in 6.x the whole CLUSTER command belongs \
            to @admin); replication needs psync, replconf, ping. ACLs are per node and are not \
            replicated.",
        check: "ACL GETUSER <user> and ACL LOG on every node.",
        fix: &["ACL SETUSER <user> +cluster|slots +cluster|shards +cluster|nodes +cluster|info \
             +readonly +asking +ping +info on ALL nodes, and ACL SAVE (or the aclfile)."],
        never: &["Do not give every right to the application's user."],
        like: &["ACL_DIVERGED"],
    },
    Cause {
        code: "ACL_DIVERGED",
        title: "Users or passwords differ between the nodes",
        side: Side::Cluster,
        when: |seen| {
            let local = super::local_users::missing(seen);
            if local.is_some() {
                return local;
            }
            // The first node let it in, and the one it was sent to does not.
            let elsewhere =
                seen.says_all(93, &[&["acl setuser"], &["redirected to slot"], &["wrongpass"]]);
            let sent = || {
                let refused = ["wrongpass", "(error) noauth", "(error) noperm"];
                let at = seen.lines_with(&["redirected to slot"]).into_iter().next()?;
                let next = seen.lines.get(at + 1)?;
                let said = refused.iter().any(|word| next.lower.contains(word));
                said.then(|| Hit::of(86).quote(at).quote(at + 1))
            };
            if let Some(hit) = elsewhere.or_else(sent) {
                return Some(hit);
            }
            let auth =
                seen.says(58, &["noauth", "wrongpass", "noperm", "invalid username-password"])?;
            // The same question to several nodes: some refuse, some do not.
            let agreed = seen.lines.iter().position(|line| line.text.trim() == "PONG");
            if let Some(at) = agreed {
                return Some(auth.more_if(22, true).quote(at));
            }
            let asked = |end: &str| {
                let mut lines = seen.lines.iter().enumerate();
                lines.find(|(_, l)| l.lower.contains(" ping") && l.lower.contains(end))
            };
            if let (Some((well, _)), Some((refused, _))) = (asked("pong"), asked("(error)")) {
                return Some(auth.more_if(28, true).quote(well).quote(refused));
            }
            seen.has(&[
                "some nodes",
                "one node",
                "only on",
                "sometimes",
                "intermittent",
                "after failover",
                "acl setuser",
                "new node",
            ])
            .then(|| auth.more_if(16, true))
        },
        cause: "ACL users and passwords are set per node; they are neither replicated nor moved. A \
            node (a new one, or a promoted replica) has other users than the rest, so the same \
            client is refused for some slots only.",
        check: "ACL LIST on every node, compared.",
        fix: &[
            "Apply the same users and passwords on all nodes, also replicas, and save them \
             (aclfile, ACL SAVE; CONFIG REWRITE for requirepass and masterauth).",
            "A change of the password under way (half of the nodes restarted): give every node the \
             new one now, requirepass and masterauth alike; or, with ACL users, let both be valid \
             until all have changed.",
        ],
        never: &["Do not switch the default user on without a password."],
        like: &["AUTH_MISMATCH"],
    },
    Cause {
        code: "HELLO_OR_RESP3_REFUSED",
        title: "The client opens with HELLO (RESP3), which this server or proxy does not accept",
        side: Side::Client,
        when: |seen| {
            seen.says(
                84,
                &[
                    "unknown command `hello`",
                    "unknown command 'hello'",
                    "noproto",
                    "unknown command hello",
                ],
            )
        },
        cause: "Newer clients begin with HELLO to negotiate RESP3. Servers before 6.0, some \
            proxies and renamed commands \
            do not know it; and with a password HELLO must carry AUTH. The cluster is healthy.",
        check: "The server's version, and redis-cli HELLO 3 with the same credentials.",
        fix: &[
            "Tell the client to use RESP2 (Lettuce ProtocolVersion.RESP2, go-redis Protocol: 2, \
             redis-py protocol=2), or give it the credentials; or upgrade the server.",
        ],
        never: &["Do not change the cluster's data for it."],
        like: &["AUTH_MISMATCH"],
    },
    Cause {
        code: "COMMAND_RENAMED_OR_DISABLED",
        title: "A command is renamed, disabled or unknown on this server",
        side: Side::Cluster,
        when: |seen| {
            let hit = seen.says(70, &["unknown command"]).or_else(|| {
                // Old redis-py-cluster asks every node of its map for this setting.
                seen.line_says(64, &["error sending 'config get", "full-coverage"])
            })?;
            Some(
                hit.fact_if("command", seen.word_after("unknown command "))
                    .fact_if(
                        "asked",
                        seen.has(&["error sending 'config get"]).then_some(CONFIG_GET),
                    )
                    .less_if(30, seen.has(&["hello"]))
                    .less_if(12, seen.has(&["memorystore", "elasticache", "azure"])),
            )
            .map(|hit| super::no_cluster_here::asked(seen, hit))
        },
        cause: "The server does not know the command[[ <<command>>]]: rename-command took it \
            away (CONFIG, CLUSTER, KEYS, \
            MIGRATE are often disabled, also by managed services), or this version does not have \
            it yet. [[<<asked>>]]",
        check: "COMMAND INFO <command> on that node, and rename-command in its configuration.",
        fix: &[
            "Restore the command for the administrator (ACLs are better than rename-command), or \
             use a version that has it.",
        ],
        never: &["Do not conclude that the cluster is broken."],
        like: &["ACL_DENIES_CLUSTER_COMMANDS"],
    },
];

/// A client that asks for TLS, and a container of its own machine or compose file that nothing
/// tells to speak it.
fn tls_of_another_place(seen: &Seen) -> Option<Hit> {
    let wanted = seen.lines_with(&["tls: {}", "tls: true", "ssl=true", "rediss://"]);
    let closed = seen.lines_with(&["connection is closed", "socket closed", "econnreset"]);
    let container = [
        "image:",
        "docker ps",
        "docker run",
        "0.0.0.0:",
        "docker-compose",
        "dockerized",
        "running locally",
        "run locally",
        "local redis cluster",
        "testcontainers",
    ];
    let shown = seen.lines_with(&container);
    let serves = [
        "tls-port",
        "tls_enabled",
        "redis_tls",
        "tls-cert",
        "tls.enabled",
        "--tls",
        "cache.amazonaws.com",
        "altname",
        "certificate",
    ];
    let client = seen.client().is_some() && !wanted.is_empty() && !closed.is_empty();
    (client && !shown.is_empty() && !seen.has(&serves)).then(|| {
        Hit::of(88)
            .quotes(wanted.into_iter().take(1))
            .quotes(closed.into_iter().take(1))
            .quotes(shown.into_iter().take(1))
            .note(
                "Here the client asks for TLS, as a managed service with encryption in transit \
                 needs it, and nothing shows that the container serves TLS: its image is plain \
                 unless it is given certificates. The server takes the TLS greeting for rubbish \
                 and closes the connection. The cluster is not at fault.",
            )
            .step(
                "Make the client's tls option depend on the place: none for the container, tls \
                 for the managed service (or give the container certificates and tls-port). If \
                 it then fails at an address of the container network, the next step is \
                 cluster-announce-ip or natMap.",
            )
    })
}

/// A verification fails, and the certificate's end is in a year that is not after any other year of
/// the text.
fn ended_before(seen: &Seen) -> Option<Hit> {
    let failed = seen.says(84, &["certificate verify failed", "bad certificate"])?;
    let years = |text: &str| -> Vec<u16> {
        let words = text.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 4);
        words.filter_map(|word| word.parse().ok()).filter(|y| (2015..2100).contains(y)).collect()
    };
    let at = seen.lines.iter().position(|line| line.lower.contains("notafter"))?;
    let end = years(&seen.lines.get(at)?.text).into_iter().max()?;
    let others = seen.lines.iter().enumerate().filter(|(line, _)| *line != at);
    let now = others.flat_map(|(_, line)| years(&line.text)).max()?;
    (end <= now).then(|| failed.quote(at))
}
