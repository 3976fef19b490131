//! Who does not trust whom: a certificate is judged by the end that receives it.
//!
//! An alert is sent by the judge, so the line of a server that received 'unknown ca' is a client's
//! verdict; a client's own error is its own.

use crate::explain::cause::{Hit, Side};
use crate::explain::lines::Line;
use crate::explain::seen::{Seen, addresses};
use crate::wire::logs;

/// Alerts by which a client refuses the server's certificate.
const ALERTS: [&str; 6] = [
    "alert unknown ca",
    "alert bad certificate",
    "alert certificate unknown",
    "unknown_ca",
    "bad_certificate",
    "certificate_unknown",
];

/// What a server says of a client that showed none.
const NONE_SHOWN: [&str; 2] = ["peer did not return a certificate", "certificate required"];

/// Verdicts of clients on the server's chain.
const OWN_VERDICTS: [&str; 9] = [
    "unknownissuer",
    "unable to get local issuer",
    "signed by unknown authority",
    "unable to verify the first certificate",
    "depth_zero_self_signed",
    "self signed certificate",
    "self-signed certificate",
    "pkix path building failed",
    "certificate_verify_failed",
];

fn of_server(line: &Line) -> bool {
    logs::parse(&line.text).is_some() || line.lower.contains("error accepting a client connection")
}

/// Says whose trust or certificate is to be mended.
pub(super) fn placed(seen: &Seen, hit: Hit) -> Hit {
    let lines = || hit.quotes.iter().filter_map(|at| seen.lines.get(*at));
    let bus = lines().any(|l| l.lower.contains("cluster") && l.lower.contains("node"));
    let has = |line: &Line, words: &[&str]| words.iter().any(|word| line.lower.contains(word));
    let accepted = lines().find(|line| of_server(line) && !bus);
    if let Some(line) = accepted.filter(|line| has(line, &ALERTS)) {
        return client_refuses(line, hit.clone());
    }
    if accepted.is_some_and(|line| has(line, &NONE_SHOWN)) {
        return Hit { side: Some(Side::Client), ..hit };
    }
    let own = lines().any(|line| !of_server(line) && has(line, &OWN_VERDICTS));
    if own && seen.log_lines == 0 {
        return Hit { side: Some(Side::Client), ..hit };
    }
    hit
}

/// The line is the server's and the verdict the client's.
fn client_refuses(line: &Line, hit: Hit) -> Hit {
    let from = line.text.split_once("(addr=").and_then(|(_, rest)| addresses(rest).next());
    let who = from.map_or_else(
        || "who connects at that second (CLIENT LIST does not show it: ss -tn, the probe's period, \
            the exporter's)".to_owned(),
        |(host, _)| format!("who runs at {host}"),
    );
    Hit { side: Some(Side::Client), ..hit }
        .note(
            "Here the server only reports what it was told: a CLIENT connected, looked at the \
             server's certificate, does not know its CA, and hung up. That the server's own files \
             verify (openssl verify) is no contradiction.",
        )
        .check(format!(
            "Which client it is: {who}; from there openssl s_client -connect <host>:<port> -CAfile \
             <the CA that it is given> ends with 'Verify return code: 0 (ok)' only when that CA is \
             the right one."
        ))
        .step(
            "Give that client the CA which issued the server's certificate (ca.crt of the same \
             secret): redis-cli --cacert, the exporter's or probe's CA option, the trust of the \
             library. Another node at the other end: its tls-ca-cert-file.",
        )
        .step(
            "After a new CA: a file with the old and the new one for everybody first, then the new \
             certificates. The whole chain with intermediates belongs into tls-cert-file.",
        )
        .only_these_steps()
}

/// Whether the handshake came as far as certificates: then both ends speak TLS.
pub(in crate::explain) fn both_speak_tls(seen: &Seen) -> bool {
    let certificates = seen.has(&ALERTS) || seen.has(&NONE_SHOWN) || seen.has(&OWN_VERDICTS);
    certificates && !seen.has(&["wrong version number", "http request", "first record does not"])
}
