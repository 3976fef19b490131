//! A process that runs and reads its data set, and answers `-LOADING` until it has read it.

use super::client_port::{doors, peers_on, place, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Role, Silence};
use crate::scenario::{Act, At, Scenario, Until};

finding! {
    /// ## What it means
    /// The process is up and reads its data from disk, or the copy that its primary sent. Until it
    /// is done it serves no command (`LOADING Redis is loading the dataset in memory`). A loading
    /// primary does not answer on the bus either, so the others hold it for failed (`fail?`,
    /// `fail`) although their links to it are connected, and a replica may take its place.
    ///
    /// ## How it comes about
    /// A restart with a large RDB or AOF file, a slow disk, a CPU limit; or a full synchronisation
    /// of a replica.
    ///
    /// ## What we look at
    /// The `-LOADING` reply to `PING`, and `loading`, `loading_eta_seconds`, `loading_loaded_perc`
    /// in `INFO`, which is answered while loading on every version. Up to Redis 7.0 all `CLUSTER`
    /// subcommands are refused meanwhile; from Redis 7.2 `CLUSTER SLOTS` and `SHARDS`, and from
    /// Valkey 8.0 `CLUSTER INFO` and `NODES` are answered.
    ///
    /// ## The repair
    /// Wait: `loading_eta_seconds` says how long. If it is killed again and again while it loads,
    /// the liveness probe is the fault: a probe must not fail on `LOADING` (use a startup probe).
    ///
    /// ## Repair safety
    /// Waiting is safe. A replica that takes over meanwhile is the normal course of a failover; it
    /// loses only what was not yet replicated when the primary stopped.
    ///
    /// ## By hand
    /// `INFO persistence`, again and again. Never kill or restart the process: it starts from
    /// zero. Never delete the files it reads.
    pub struct NodeLoading {
        at: Endpoint, id: Option<NodeId>, eta_s: Option<u64>, percent: Option<String>, serves: bool,
    }
    group: Process, severity: Warning, after: [], settles: true,
    obstacle: "it is still reading its data from the disk, and answers when it is done: it is left \
               alone",
    since: "0.1",
}

impl Finding for NodeLoading {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let info = door.sighting.info.get();
            let loading = info.is_some_and(|info| info.is("loading", "1"));
            let refusal = match door.trouble() {
                Some(Silence::Loading(text)) => Some(text),
                _ => None,
            };
            if !loading && refusal.is_none() {
                continue;
            }
            let says = match refusal {
                Some(text) => format!("PING is answered with {}", quote(text)),
                None => "loading:1".to_owned(),
            };
            let mut evidence = vec![Evidence::first_hand(door.sighting, says)];
            evidence.extend(door.id().into_iter().flat_map(|id| peers_on(seen, id).evidence));
            let serves = door
                .ids
                .iter()
                .any(|id| seen.role(*id) == Some(Role::Primary) && !seen.slots_of(*id).is_empty());
            let finding = Self {
                at: door.sighting.from.clone(),
                id: door.id(),
                eta_s: info.and_then(|info| info.number("loading_eta_seconds")),
                percent: info.and_then(|info| info.get("loading_loaded_perc")).map(quote),
                serves,
            };
            let severity = if serves { Severity::Error } else { Severity::Warning };
            out.push(finding, door.subject(), evidence).severity(severity);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let what = if self.serves { ", its slots are not served meanwhile" } else { "" };
        let progress = match (&self.percent, self.eta_s) {
            (Some(percent), Some(eta)) => format!(" ({percent} % done, about {eta} s to go)"),
            _ => String::new(),
        };
        format!("{} is still loading its data{progress}{what}", place(&self.at, self.id))
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::ReadOnly)
            .command(Some(self.at.clone()), "INFO persistence")
            .check("loading_loaded_bytes grows; wait until loading is 0")
            .then(
                "if it is restarted again and again while it loads, give it a startup probe, or a \
                 liveness probe that takes -LOADING for alive",
            )
            .never("kill or restart the process: it begins again from zero")
            .never("delete its dump.rdb or append-only files to make it start sooner")
    }

    fn scenario() -> Scenario {
        let slowly =
            ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"];
        Scenario::of(3, 0)
            .keys(12_000)
            .send(0, "SAVE")
            .kill(0)
            .act(Act::Start(0, At::Same, slowly.map(str::to_owned).to_vec()))
            .wait(Until::Ping(0, "-LOADING"))
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Said};

    #[test]
    fn a_primary_that_answers_loading_is_an_error() {
        let mut sketch = Sketch::healthy(3, 0);
        let reply = Silence::Loading("LOADING Redis is loading the dataset in memory".to_owned());
        sketch.silence(0, reply, Some(Silence::NoReply));
        sketch.flagged(0, Flag::Failed, LinkState::Connected);
        sketch.info(0, "loading", "1");
        sketch.info(0, "loading_eta_seconds", "30");
        sketch.info(0, "loading_loaded_perc", "12.34");
        let found = sketch.detect::<NodeLoading>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Error);
        assert!(found[0].message.contains("12.34 % done, about 30 s to go"));
        assert!(found[0].subject.nodes.contains(&Sketch::id(0)));
    }

    #[test]
    fn a_replica_that_loads_its_copy_is_a_warning() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(3, "loading", "1");
        sketch.nodes[3].sighting.ping = Said::This(());
        let found = sketch.detect::<NodeLoading>(&ENTRY);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Warning]);
    }

    #[test]
    fn a_loaded_node_is_no_finding() {
        assert_eq!(Sketch::healthy(3, 1).detect::<NodeLoading>(&ENTRY), []);
    }
}
