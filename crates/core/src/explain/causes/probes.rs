//! Probes of a platform that speak plain text to a TLS port.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

const PROBES: [&str; 4] = ["readinessprobe", "livenessprobe", "startupprobe", "healthcheck"];

/// The lines by which probes call redis-cli without `--tls`, when every such call lacks it.
fn plain(seen: &Seen) -> Option<Vec<usize>> {
    let first = *seen.lines_with(&PROBES).first()?;
    let calls = |lower: &str| {
        let tool = lower.contains("redis-cli") || lower.contains("valkey-cli");
        tool && lower.contains("ping")
    };
    let paste = seen.lines.get(first)?.paste;
    let of_it = seen.lines.iter().enumerate().skip(first).filter(|(_, line)| line.paste == paste);
    let found: Vec<(usize, bool)> = of_it
        .filter(|(_, line)| calls(&line.lower))
        .map(|(at, line)| (at, line.lower.contains("--tls")))
        .collect();
    let all_plain = !found.is_empty() && found.iter().all(|(_, tls)| !tls);
    all_plain.then(|| found.into_iter().map(|(at, _)| at).collect())
}

/// What is at fault when the probes are: they, and neither clients nor certificates.
pub(super) fn fitted(seen: &Seen, hit: Hit) -> Hit {
    let at_server = seen.has(&["error accepting a client connection"]);
    let Some(lines) = plain(seen).filter(|_| at_server) else { return hit };
    let ca = seen.setting("tls-ca-cert-file").map_or("<ca>", |set| set.value.as_str());
    let free = seen.set_to("tls-auth-clients", "no");
    let own = if free { "" } else { " --cert <cert> --key <key>" };
    let ports = ["port", "tls-port"].iter().filter_map(|name| seen.setting(name));
    let only_tls = seen.set_to("port", "0");
    hit.more_if(8, only_tls)
        .quotes(lines.into_iter().take(2))
        .quotes(ports.map(|set| set.line))
        .check(
            "The times of these lines against periodSeconds of the probes (10 seconds each unless \
             set, from every pod's kubelet): they keep the same rhythm, and stop when the probe \
             speaks TLS.",
        )
        .step(format!(
            "In the readiness and liveness probes: redis-cli --tls --cacert {ca}{own} -h \
             $(hostname) ping, and compare its output with PONG."
        ))
        .step(
            "The same options with every other tool that calls redis-cli there (scripts, \
             exporters, the command that joins the nodes). Certificates, protocols and tls-cluster \
             stay as they are.",
        )
        .only_these_steps()
}
