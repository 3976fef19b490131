//! One of the named seeds does not resolve: enough to keep ioredis out altogether.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::Endpoint;
use crate::observation::{Picture, Silence};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A name in the list of seeds does not resolve from here. Most clients take the next seed.
    /// ioredis resolves all names before it dials any, and one failure fails the whole attempt: it
    /// emits neither `error` nor `node error`, only `close` and `reconnecting`, and commands never
    /// settle. `DEBUG=ioredis:*` shows `failed to resolve hostname`.
    ///
    /// ## How it comes about
    /// Per-pod names of a StatefulSet whose pod is not ready or was scaled down (a headless
    /// service publishes names of ready pods only, unless `publishNotReadyAddresses: true`), a
    /// typo, a search domain that is missing where the client runs.
    ///
    /// ## What we look at
    /// The look-up of every name that was named as a seed. A look-up that merely takes too long is
    /// not reported.
    ///
    /// ## The repair
    /// Take the name out of the list, or make it resolve; on Kubernetes `publishNotReadyAddresses:
    /// true` on the headless service, or one seed that is the service's own name.
    ///
    /// ## Repair safety
    /// Safe: servers are not involved.
    ///
    /// ## By hand
    /// `getent hosts NAME` where the client runs. Do not restart servers for it: they are in
    /// order.
    pub struct ClientSeedDnsAllOrNothing { lost: Vec<Endpoint>, others: usize }
    group: Clients, severity: Error, after: [],
    obstacle: "the name stands in the client's list of seeds, and is resolved there: the servers are \
               in order",
    since: "0.1",
}

impl Finding for ClientSeedDnsAllOrNothing {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let unresolved = |host: &str| {
            let mut names = seen.observation().names.iter();
            names.any(|lookup| {
                lookup.name == host && lookup.said.silence() == Some(&Silence::NameNotFound)
            })
        };
        let mut lost: Vec<Endpoint> = Vec::new();
        let mut others = 0;
        for at in &seen.observation().named {
            let silent = seen
                .sighting_at(at)
                .is_some_and(|n| seen.sighting(n).ping.silence() == Some(&Silence::NameNotFound));
            if silent || unresolved(&at.host) {
                lost.push(at.clone());
            } else {
                others += 1;
            }
        }
        lost.sort();
        lost.dedup();
        if lost.is_empty() {
            return;
        }
        let evidence: Vec<Evidence> = lost
            .iter()
            .map(|at| Evidence::ours(format!("{}: the name does not resolve", at.host)))
            .collect();
        let subject =
            lost.iter().fold(Subject::default(), |all, at| all.with_address(Some(at.clone())));
        out.push(Self { lost, others }, subject, evidence);
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let list: Vec<String> = self.lost.iter().take(3).map(|at| at.host.clone()).collect();
        let more = self.lost.len().saturating_sub(list.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let rest = if self.others > 0 {
            format!(", beside {} good seeds: ioredis cannot start with such a list", self.others)
        } else {
            ", and no other seed was named".to_owned()
        };
        format!("the name {}{more} does not resolve from here{rest}", list.join(", "))
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        self.lost
            .iter()
            .take(5)
            .fold(ByHand::of(Risk::ReadOnly), |steps, at| {
                steps.then(format!("where the client runs: getent hosts {}", at.host))
            })
            .then("take the name out of the list of seeds, or make it resolve")
            .then("on Kubernetes: publishNotReadyAddresses: true on the headless service")
            .never("restart servers for it: they are in order")
    }

    fn scenario() -> Scenario {
        let mut scenario = Scenario::of(3, 0);
        scenario.look.also_named = vec!["no-such-pod.invalid:6379".to_owned()];
        scenario
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{NameLookup, Observation, Said};

    fn named(said: Said<Vec<String>>) -> Observation {
        let mut seen = Sketch::healthy(3, 0).build();
        seen.named = vec![Sketch::at(0), Endpoint::new("pod-7.invalid", 6379)];
        seen.names = vec![NameLookup { name: "pod-7.invalid".to_owned(), said }];
        seen
    }

    fn found_in(seen: &Observation) -> Vec<crate::diagnose::Found> {
        let mut found = Vec::new();
        crate::diagnose::run::<ClientSeedDnsAllOrNothing>(&Picture::new(seen), &ENTRY, &mut found);
        found
    }

    #[test]
    fn one_name_that_does_not_resolve_is_found() {
        let found = found_in(&named(Said::Nothing(Silence::NameNotFound)));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("beside 1 good seeds"), "{}", found[0].message);
    }

    #[test]
    fn a_good_name_and_a_slow_resolver_are_no_finding() {
        assert_eq!(found_in(&named(Said::This(vec!["10.0.0.2".to_owned()]))), []);
        assert_eq!(found_in(&named(Said::Nothing(Silence::TimedOut))), []);
    }
}
