//! A certificate that those who should trust it refuse: expired, of another authority, for another
//! use.

use super::client_port::{Door, doors, peers_on, place, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Certificate, Picture, Silence};
use crate::scenario::{Act, At, Scenario, Server, Until};

const DAY_S: i64 = 86_400;

/// Of its whole life a certificate should not be older than this: whoever renews it does so
/// earlier. In tenths.
const OLD_TENTHS: i64 = 9;

/// What is wrong with a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It was good until then: days ago.
    Expired(i64),
    /// It will be good in so many days.
    NotYet(i64),
    /// It may not be used by a server.
    NotForServers,
    /// It may not be used by who dials, and the bus dials with it.
    NotForTheBus,
    /// We refuse it and take those of other nodes: what our TLS says.
    Refused(String),
    /// Another authority has signed it than those of most nodes, and the others do not reach it.
    Stranger,
    /// It will expire in so many days, and nobody has renewed it.
    Old(i64),
}

finding! {
    /// ## What it means
    /// A node shows a certificate that is refused: it has expired, another authority has signed it
    /// than the others trust, or it is not for this use. Who connects anew is turned away:
    /// `certificate verify failed`, `certificate has expired`, `unknown ca`. Connections that stand
    /// go on, so that the trouble comes hours later, with a restart or a short loss of network.
    ///
    /// ## How it comes about
    /// A certificate was not renewed, or renewed on disk and not loaded by the running server; two
    /// authorities are in use at once; a certificate without `clientAuth`: on the bus every node is
    /// a client too, `tls-auth-clients no` or not.
    ///
    /// ## What we look at
    /// The certificate that each client port shows when we look over TLS: its dates, its uses, and
    /// whether we take it while we take those of others; where we take all, who has signed it, and
    /// what the others hold the node for. Without TLS none is seen.
    ///
    /// ## The repair
    /// Issue a certificate of the authority that the others trust, for servers and clients, put it
    /// on the node's host, and let the server load it. To change the authority, let all nodes trust
    /// both first.
    ///
    /// ## Repair safety
    /// Loading a certificate touches no key and breaks no connection that stands. A restart of a
    /// node whose certificate is bad cuts it off.
    ///
    /// ## By hand
    /// `CONFIG SET tls-cert-file <file> tls-key-file <file>` loads the files anew, also under the
    /// same names. `openssl s_client -connect <address>` shows what is in use. Never restart more
    /// nodes before that is right: each loses its links.
    pub struct TlsCertInvalid {
        at: Endpoint, id: Option<NodeId>, fault: Fault, subject: String, issuer: String,
    }
    group: Security, severity: Error, after: [TlsBusMismatch],
    obstacle: "a certificate is a file on the host of its node, signed by somebody whom the others \
               trust: no command of ours makes one",
    since: "0.1",
}

impl Finding for TlsCertInvalid {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let taken = seen.sightings().any(|(_, sighting)| {
            sighting.certificate.get().is_some() && sighting.ping.get().is_some()
        });
        for door in doors(seen) {
            if door.ids.is_empty() && !door.is_named(seen) {
                continue;
            }
            let Some(shown) = door.sighting.certificate.get() else { continue };
            let fault = fault(&door, shown, taken, seen)
                .or_else(|| is_stranger(&door, shown, seen).then_some(Fault::Stranger));
            let Some(fault) = fault.or_else(|| old(now_s(&door, seen), shown)) else { continue };
            let at = door.sighting.from.clone();
            let (subject, issuer) = (quote(&shown.subject), quote(&shown.issuer));
            let text = format!("{at} shows a certificate of {subject}, signed by {issuer}");
            let mut evidence = vec![Evidence::ours(text)];
            if let Some(Silence::Tls(why)) = door.trouble() {
                evidence.push(Evidence::ours(format!("refused at {at}: {}", quote(why))));
            }
            evidence.extend(door.id().into_iter().flat_map(|id| peers_on(seen, id).evidence));
            let old = matches!(fault, Fault::Old(_));
            let finding = Self { at, id: door.id(), fault, subject, issuer };
            let pushed = out.push(finding, door.subject(), evidence);
            if old {
                pushed.severity(Severity::Warning);
            }
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let what = match &self.fault {
            Fault::Expired(days) => format!("has expired {days} days ago"),
            Fault::NotYet(days) => format!("is good only in {days} days"),
            Fault::NotForServers => "is not for servers".to_owned(),
            Fault::NotForTheBus => "is not for clients, and the bus dials with it".to_owned(),
            Fault::Refused(why) => format!("is refused where those of others are taken ({why})"),
            Fault::Stranger => "is of another authority than those of the others".to_owned(),
            Fault::Old(days) => format!("expires in {days} days and was not renewed"),
        };
        format!("the certificate of a node {what}: {}", place(&self.at, self.id))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = self.id.and_then(|id| seen.endpoint(id)).unwrap_or_else(|| self.at.clone());
        ByHand::of(Risk::Reversible)
            .then(format!(
                "on the host of {}: put a certificate in place of that of {} (signed by {}), of the \
                 authority that the others trust, for servers and clients",
                self.at, self.subject, self.issuer
            ))
            .command(Some(at), "CONFIG SET tls-cert-file <file> tls-key-file <file>")
            .check(format!("openssl s_client -connect {} shows the new one", self.at))
            .check("the others show the node connected and without fail")
            .then("where the authority changes: tls-ca-cert-file with both, on all nodes, first")
            .never("restart nodes before their certificate is right: each loses its links for good")
            .never("switch tls-cluster to no on one node: the others do not understand it then")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .over_tls()
            .not_on(Server::Redis82, "this build speaks no TLS")
            .not_on(Server::Valkey91, "this build speaks no TLS")
            .kill(5)
            .act(Act::Certificate(5))
            .start(5, At::Same)
            .wait(Until::Flag { on: 0, about: 5, flag: "fail" })
    }
}

/// What is wrong with the certificate that somebody shows, if anything. `taken`: we take the
/// certificate of somebody, so that what we trust is of some use.
fn fault(door: &Door<'_>, shown: &Certificate, taken: bool, seen: &Picture<'_>) -> Option<Fault> {
    let now = now_s(door, seen);
    let Certificate { not_before_s: from, not_after_s: until, .. } = *shown;
    if now > until {
        return Some(Fault::Expired((now - until) / DAY_S));
    }
    if now < from {
        return Some(Fault::NotYet((from - now).saturating_add(DAY_S - 1) / DAY_S));
    }
    if !shown.server_auth {
        return Some(Fault::NotForServers);
    }
    let config = door.sighting.config.get();
    let bus = config.is_some_and(|config| {
        config.is("tls-cluster", "yes") && config.is("tls-client-cert-file", "")
    });
    if bus && !shown.client_auth {
        return Some(Fault::NotForTheBus);
    }
    if let Some(Silence::Tls(why)) = door.trouble().filter(|_| taken) {
        return Some(Fault::Refused(quote(why)));
    }
    None
}

/// Seconds since 1970 when somebody was looked at.
fn now_s(door: &Door<'_>, seen: &Picture<'_>) -> i64 {
    let at_ms = door.sighting.at_ms.max(seen.observation().at_ms);
    i64::try_from(at_ms / 1_000).unwrap_or(i64::MAX)
}

fn old(now: i64, shown: &Certificate) -> Option<Fault> {
    let (from, until) = (shown.not_before_s, shown.not_after_s);
    let life = until.saturating_sub(from);
    let old = now.saturating_sub(from) / OLD_TENTHS >= life / 10;
    old.then_some(Fault::Old((until - now) / DAY_S))
}

/// Whether most nodes show certificates of one other authority, and hold this one for failed.
fn is_stranger(door: &Door<'_>, shown: &Certificate, seen: &Picture<'_>) -> bool {
    let issuers = || seen.sightings().filter_map(|(_, one)| Some(&one.certificate.get()?.issuer));
    let Some(usual) = issuers().max_by_key(|one| issuers().filter(|other| other == one).count())
    else {
        return false;
    };
    let with_usual = issuers().filter(|one| *one == usual).count();
    let most = with_usual * 2 > issuers().count();
    let lost = door.id().is_some_and(|id| {
        let verdict = peers_on(seen, id);
        verdict.failed * 2 > verdict.observers
    });
    most && lost && shown.issuer != *usual
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    const NOW_S: i64 = 1_700_000_000;

    fn certificate() -> Certificate {
        Certificate {
            subject: "CN=node".to_owned(),
            issuer: "CN=ours".to_owned(),
            names: Vec::new(),
            not_before_s: NOW_S - 40 * 86_400,
            not_after_s: NOW_S + 50 * 86_400,
            server_auth: true,
            client_auth: true,
        }
    }

    fn with(change: impl Fn(&mut Certificate)) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.config(n, "tls-cluster", "yes").config(n, "tls-client-cert-file", "");
            let mut shown = certificate();
            if n == 2 {
                change(&mut shown);
            }
            sketch.nodes[n].sighting.certificate = Said::This(shown);
        }
        sketch
    }

    fn found(sketch: &Sketch) -> Vec<String> {
        let found = sketch.detect::<TlsCertInvalid>(&ENTRY);
        found.into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn dates_and_uses_are_judged() {
        let expired = found(&with(|shown| shown.not_after_s = NOW_S - 3 * 86_400));
        assert_eq!(expired.len(), 1);
        assert!(expired[0].contains("has expired 3 days ago: 10.0.0.3:6379"), "{expired:?}");
        assert!(
            found(&with(|shown| shown.not_before_s = NOW_S + 60))[0].contains("only in 1 days")
        );
        assert!(found(&with(|shown| shown.server_auth = false))[0].contains("not for servers"));
        assert!(found(&with(|shown| shown.client_auth = false))[0].contains("the bus dials"));
    }

    #[test]
    fn who_dials_with_another_certificate_needs_no_clients_use() {
        let mut sketch = with(|shown| shown.client_auth = false);
        sketch.config(2, "tls-client-cert-file", "client.crt");
        assert_eq!(found(&sketch), Vec::<String>::new());
    }

    #[test]
    fn an_old_one_is_a_warning() {
        let sketch = with(|shown| shown.not_after_s = NOW_S + 3 * 86_400);
        let found = sketch.detect::<TlsCertInvalid>(&ENTRY);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
        assert!(found[0].message.contains("expires in 3 days"), "{}", found[0].message);
        let fresh = with(|shown| {
            shown.not_before_s = NOW_S - 60;
            shown.not_after_s = NOW_S + 86_400;
        });
        assert_eq!(fresh.detect::<TlsCertInvalid>(&ENTRY), [], "a life of one day, and renewed");
    }

    #[test]
    fn one_that_only_we_refuse_everywhere_is_our_own_mistake() {
        let refuse = |sketch: &mut Sketch, n: usize| {
            let why = "invalid peer certificate: UnknownIssuer".to_owned();
            sketch.silence(n, Silence::Tls(why), None);
            sketch.nodes[n].sighting.certificate = Said::This(certificate());
        };
        let mut one = with(|_| ());
        refuse(&mut one, 2);
        assert!(found(&one)[0].contains("is refused where those of others are taken"));
        let mut all = with(|_| ());
        (0..3).for_each(|n| refuse(&mut all, n));
        assert_eq!(found(&all), Vec::<String>::new());
    }

    #[test]
    fn another_authority_counts_where_the_others_lost_the_node() {
        let mut sketch = with(|shown| shown.issuer = "CN=theirs".to_owned());
        assert_eq!(found(&sketch), Vec::<String>::new(), "two may be trusted");
        sketch.flagged(2, crate::model::Flag::Failed, crate::observation::LinkState::Disconnected);
        assert!(found(&sketch)[0].contains("of another authority"), "{:?}", found(&sketch));
    }

    #[test]
    fn good_ones_and_none_are_fine() {
        assert_eq!(found(&with(|_| ())), Vec::<String>::new());
        assert_eq!(found(&Sketch::healthy(3, 0)), Vec::<String>::new());
    }
}
