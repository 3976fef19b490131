//! A redirect to a bare host name that DNS does not know where the client runs.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// What resolvers, and tools that ask them, say of a name that they do not know.
const UNKNOWN: [&str; 9] = [
    "name or service not known",
    "bad address",
    "no such host",
    "enotfound",
    "unknownhostexception",
    "unknown host",
    "can't resolve",
    "nxdomain",
    "nodename nor servname",
];

fn words(text: &str) -> impl Iterator<Item = &str> {
    let split = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
    split.map(|word| word.trim_matches('.')).filter(|word| !word.is_empty())
}

/// Redirected to a name without a domain that does not resolve; better still when the paste shows
/// the full name answering.
pub(super) fn redirected(seen: &Seen) -> Option<Hit> {
    let bare =
        |host: &str| host.chars().any(|c| c.is_ascii_alphabetic()) && !host.contains(['.', ':']);
    let redirect = seen.redirects.iter().find(|one| bare(&one.host))?;
    let name = redirect.host.as_str();
    let is_it = |word: &str| word.eq_ignore_ascii_case(name);
    let unknown: Vec<usize> = seen
        .lines
        .iter()
        .enumerate()
        .filter(|(_, line)| UNKNOWN.iter().any(|said| line.lower.contains(said)))
        .filter(|(_, line)| words(&line.text).any(is_it))
        .map(|(at, _)| at)
        .take(2)
        .collect();
    let first = *unknown.first()?;
    let full = full_name(seen, name);
    let hit = Hit::of(if full.is_some() { 97 } else { 90 })
        .quote(redirect.line)
        .quote(first)
        .quotes(unknown)
        .quotes(full.as_ref().map(|(at, _)| *at))
        .fact("name", name)
        .fact(
            "short",
            format!(
                "A redirect names a host in place of an IP where cluster-preferred-endpoint-type is \
                 hostname; {name} is a name without a domain, which DNS does not know."
            ),
        );
    Some(match full {
        Some((_, full)) => with_full_name(hit, name, &full),
        None => hit,
    })
}

/// The full name that answered: `PING <name>.<domain> (10.42.0.87)`, `Name: <name>.<domain>`.
fn full_name(seen: &Seen, name: &str) -> Option<(usize, String)> {
    let begin = format!("{}.", name.to_lowercase());
    seen.lines.windows(2).enumerate().find_map(|(at, pair)| {
        let [line, next] = pair else { return None };
        let full = words(&line.text).find(|word| word.to_lowercase().starts_with(&begin))?;
        let failed = UNKNOWN.iter().any(|said| line.lower.contains(said));
        let answers = line.lower.starts_with("ping ") || line.lower.contains(" bytes from ");
        let resolved = next.lower.starts_with("address") || line.lower.contains("has address");
        let found = !failed && (answers && line.text.contains('(') || resolved);
        found.then(|| (at, full.to_owned()))
    })
}

fn with_full_name(hit: Hit, name: &str, full: &str) -> Hit {
    let domain = full.get(name.len() + 1..).unwrap_or_default();
    hit.note(format!(
        "The full name {full} does resolve and answers, so DNS, the Service and the node are well: \
         what is announced is only too short. Slots and data are not concerned."
    ))
    .check(format!(
        "CONFIG GET cluster-announce-hostname and cluster-preferred-endpoint-type on each node: the \
         bare pod name and hostname. getent hosts {full} from the client's pod answers."
    ))
    .step(format!(
        "On each node let cluster-announce-hostname be its full name, here {full}: CONFIG SET at \
         once, and in its file or by the operator's option or a newer release (what it renders at \
         start wins over a CONFIG SET). The certificate must name it, too."
    ))
    .step(
        "Or hand out addresses: cluster-preferred-endpoint-type ip, where clients reach the pods' IPs \
         (with TLS the certificates must then name the IPs).",
    )
    .step(format!(
        "Until then a search domain in the client's pod makes the bare name resolve: dnsConfig: \
         searches: [{domain}]."
    ))
    .only_these_steps()
}
