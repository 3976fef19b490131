//! What a client's own TLS or configuration layer refuses before anything is sent.
//!
//! Such a text stands at the end of an envelope ("no reachable node: ..."), and no server has said
//! it. The options in the code beside it tell which of them are at odds.

use super::clients::CLUSTER_CLASSES;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::works;
use crate::wire::logs;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLIENT_REFUSED_BEFORE_SENDING",
    title: "The client's own layer refuses its options; nothing was sent to a server",
    side: Side::Client,
    when: refused,
    cause: "The innermost text is that of [[<<speaker>>]]: it is said within the program, before \
        a byte of TLS or of a command is sent, so no server, password, firewall or announced \
        address has a part in it. What stands before it ('no reachable node', 'cannot be \
        connected') is only the envelope of the library, which takes every failure for a node that \
        is down.[[ <<means>>]]",
    check: "The same call with that one option corrected; the servers' logs have nothing of these \
        attempts.",
    fix: &[
        "Correct the option that the text names, at the place where the client is made; the manual \
         of the installed release says which ones that class takes.",
        "Upgrade the library, where the option is right and the class does not hand it on.",
    ],
    never: &[
        "Do not change, restart or repair the servers for it, and do not switch TLS off on them.",
        "Do not raise timeouts: nothing waits here.",
    ],
    like: &["CLIENT_OPTIONS_MISPLACED"],
}];

/// A text that a layer of the client's own machine says.
struct Refusal {
    /// Its words, in small letters; one of them stands in the line.
    texts: &'static [&'static str],
    /// Words of which the paste must have one; none when the text alone is plain.
    with: &'static [&'static str],
    /// Who says so.
    speaker: &'static str,
    /// What it means.
    means: &'static str,
    /// Options in the code that it is about, in small letters.
    options: &'static [&'static str],
    /// What is to be done.
    steps: &'static [&'static str],
}

const PYTHON_CHECKS: &[&str] = &["check_hostname", "cert_reqs"];

const JAVA_STORES: &[&str] = &["truststore", "keystore", "trust-store", "key-store"];

static REFUSALS: &[Refusal] = &[
    Refusal {
        texts: &[
            "cannot set verify_mode to cert_none when check_hostname is enabled",
            "check_hostname needs a ssl context with either cert_optional or cert_required",
        ],
        with: &[],
        speaker: "Python's ssl module",
        means: "It does not check the name in a certificate that is not verified at all: \
            'certificate none' and 'check the host name' exclude each other. redis-py checks names \
            by default since 6.0.",
        options: PYTHON_CHECKS,
        steps: &[
            "Upgrade redis-py to a release after 6.0 (redis/redis-py#3635, mended by #3637: the \
             check of names goes off with ssl_cert_reqs='none', and RedisCluster hands \
             ssl_check_hostname on). pip show redis names the release that is installed.",
            "Better than without any check, and with the installed release too: keep \
             ssl_cert_reqs='required' and give the CA with ssl_ca_certs=<file>; then both options \
             agree, and redis-cli wants --cacert <file> in the same way.",
        ],
    },
    Refusal {
        texts: &["got an unexpected keyword argument '", "unknown keyword: :"],
        with: &["redis", "valkey"],
        speaker: "the language itself, which calls the library",
        means: "The function does not know an argument of that name: it is of another release, of \
            another class (what the plain class takes, the cluster class or its node connections \
            need not), or misspelt.",
        options: &[],
        steps: &[
            "Look up the argument in the manual of the INSTALLED release and of this very class; \
             rename it, leave it out, or upgrade the library to the release that has it.",
        ],
    },
    Refusal {
        texts: &[
            "redis url must specify one of the following schemes",
            "redis: invalid url scheme",
            "invalid ssl certificate requirements flag",
            "redis: invalid database number",
        ],
        with: &[],
        speaker: "the library's own reading of its settings",
        means: "A URL without redis:// or rediss:// in front, or an option with a word that it \
            does not know, is refused before a name is even looked up. An empty or unset variable \
            of the environment ends so as well.",
        options: &["url", "ssl_cert_reqs"],
        steps: &[
            "Print the value that the program really gets (without the password), and write it in \
             the form that the library wants: rediss://user:password@host:port for TLS, redis:// \
             for plain; ssl_cert_reqs is 'required', 'optional' or 'none'.",
        ],
    },
    Refusal {
        texts: &[
            "either servername or insecureskipverify must be specified in the tls.config",
            "failed to find any pem data in certificate input",
            "failed to find any pem data in key input",
        ],
        with: &[],
        speaker: "Go's crypto/tls",
        means: "The tls.Config lacks the name that is to be checked, or what it was given as a \
            certificate or key is no PEM text.",
        options: &["tlsconfig", "tls.config", "loadx509keypair", "x509keypair"],
        steps: &["Set ServerName in the TLSConfig to the name in the servers' certificate (for a \
             cluster it holds for all nodes), and RootCAs to their CA; give certificate and key as \
             the content of PEM files."],
    },
    Refusal {
        texts: &["err_ossl_pem_no_start_line", "pem routines::no start line", ":no start line"],
        with: &["node:internal", "node_modules", "at tlssocket", "tls.connect", "ioredis"],
        speaker: "Node.js' tls module (OpenSSL)",
        means: "What was given as ca, cert or key is no PEM text: a path in place of the content, \
            or a variable of the environment whose line ends were written as \\n.",
        options: &["ca:", "cert:", "key:"],
        steps: &["tls: { ca: fs.readFileSync('<path>') } in place of the path; from a variable \
             .replace(/\\\\n/g, '\\n') first."],
    },
    Refusal {
        texts: &[
            "the trustanchors parameter must be non-empty",
            "keystore was tampered with, or password was incorrect",
            "keystore password was incorrect",
        ],
        with: &[],
        speaker: "Java's own TLS layer",
        means: "The trust store or key store cannot be opened: the file is not where the process \
            looks, it holds no certificate, or the STORE's password (not that of the servers) is \
            another one.",
        options: JAVA_STORES,
        steps: &["keytool -list -keystore <the very file> with that password, as the user of the \
             process and inside its container; then javax.net.ssl.trustStore (or the library's \
             option) with this path, and its type where it is PKCS12."],
    },
    Refusal {
        texts: &[
            "can't connect with tls, the feature is not enabled",
            "could not automatically determine the process-level cryptoprovider",
        ],
        with: &[],
        speaker: "the library as it was built (Rust)",
        means: "The program was built without what TLS needs, or rustls was not told which \
            cryptography to use.",
        options: &["rediss://", "features"],
        steps: &["redis-rs: a feature of TLS in Cargo.toml (tls-rustls or tls-native-tls, with \
             -tokio-... for async); rustls: CryptoProvider::install_default at the start of main."],
    },
    Refusal {
        texts: &[
            "unable to find the socket transport \"tls\"",
            "unable to find the socket transport \"ssl\"",
            "unable to set local cert chain file",
            "failed loading cafile stream",
        ],
        with: &[],
        speaker: "PHP's own streams",
        means: "PHP has no openssl extension here, or cannot read the file of the certificate or \
            CA that it was given.",
        options: &["cafile", "local_cert", "tls://", "ssl://"],
        steps: &[
            "php -m | grep openssl and php -r 'readfile(...)' of the file, both as the user of \
             php-fpm and in its container; then cafile and local_cert in the stream context with \
             those paths.",
        ],
    },
];

/// The innermost text is the client's own.
fn refused(seen: &Seen) -> Option<Hit> {
    let (refusal, at) = REFUSALS.iter().find_map(|refusal| {
        let at = seen.lines.iter().position(|line| {
            refusal.texts.iter().any(|text| line.lower.contains(text))
                && logs::parse(&line.text).is_none()
        })?;
        (refusal.with.is_empty() || seen.has(refusal.with)).then_some((refusal, at))
    })?;
    seen.client().or_else(|| seen.has(&["redis", "valkey"]).then_some(""))?;
    let code = code_lines(seen, refusal.options, at);
    let works = works::told(seen);
    let hit = Hit::of(92)
        .quote(at)
        .quotes(code.iter().copied().take(2))
        .quotes(works.plain.into_iter().chain(works.tool).take(1))
        .fact("speaker", refusal.speaker)
        .fact("means", refusal.means);
    let hit = compared(seen, &code, hit);
    let hit = refusal.steps.iter().fold(hit, |hit, step| hit.step(*step)).only_these_steps();
    Some(unknown_argument(seen, at, hit))
}

/// Lines of the code that set one of the options.
fn code_lines(seen: &Seen, options: &[&str], but: usize) -> Vec<usize> {
    let sets = |line: &str| options.iter().any(|o| line.contains(o)) && line.contains(['=', ':']);
    let lines = seen.lines.iter().enumerate().filter(|(at, _)| *at != but);
    let mut found: Vec<usize> =
        lines.filter(|(_, line)| sets(&line.lower)).map(|(at, _)| at).take(4).collect();
    // What is switched off there is what the text denies.
    let off = |at: &usize| seen.lines.get(*at).is_some_and(|line| line.lower.contains("false"));
    found.sort_by_key(|at| !off(at));
    found
}

/// Sets what the code gives beside what the text says, and beside what works.
fn compared(seen: &Seen, code: &[usize], hit: Hit) -> Hit {
    let given = code.iter().find_map(|at| {
        let line = seen.lines.get(*at)?;
        let bare: String = line.lower.chars().filter(|c| !c.is_whitespace()).collect();
        let off = ["check_hostname=false", "check_hostname:false", "check_hostname\":false"];
        off.iter().any(|words| bare.contains(words)).then_some(line)
    });
    let works = works::told(seen);
    let clustered = seen.has(&CLUSTER_CLASSES);
    let hit = match given {
        Some(line) => hit.note(format!(
            "The code does give '{}', and the layer says that the check is on: so the option never \
             arrived there.{}",
            line.text.trim().trim_end_matches(','),
            if clustered {
                " The cluster class hands on to its connections only the options of a list of its \
                 own, and drops the others without a word: that is a fault of this release of the \
                 library, and not of what was written."
            } else {
                ""
            }
        )),
        None => hit,
    };
    match (works.plain, works.tool) {
        (Some(_), _) if clustered => hit.more_if(4, true).note(
            "That the plain class works with the same settings says that address, port, TLS of the \
             server and password are right, and that the two classes treat the options \
             differently.",
        ),
        (_, Some(_)) => hit.more_if(2, true).note(
            "That redis-cli works from there says the same: the servers answer and are reached.",
        ),
        _ => hit,
    }
}

/// The name that a function does not know, and where the code gives it.
fn unknown_argument(seen: &Seen, at: usize, hit: Hit) -> Hit {
    let name = ["unexpected keyword argument '", "unknown keyword: :"].iter().find_map(|mark| {
        let text = seen.lines.get(at)?.text.split_once(mark)?.1;
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        text.get(..end.unwrap_or(text.len())).filter(|name| name.len() > 1)
    });
    let Some(name) = name else { return hit };
    let given = seen.lines.iter().enumerate().position(|(line, text)| {
        line != at && text.text.contains(name) && text.text.contains(['=', ':'])
    });
    hit.quotes(given).note(format!("The argument that is not known here is '{name}'."))
}
