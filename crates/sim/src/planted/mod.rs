//! Known-bad behaviours, to try whether the checkers notice them.
//!
//! Each is what some tool or runbook does, and says which. A bug spoils one thing of the tool: what
//! it does first ([`runbook`]), what it sees, what it decides, its plans ([`plans`]), the replies.
//! `cargo xtask sim --bugs` plants one after another, and each must be caught.

mod plans;
mod runbook;

use slotwright_core::drive::{Decision, Outcome, Reply};
use slotwright_core::model::{NodeId, SlotSet};
use slotwright_core::observation::{Census, Observation, Said};
use slotwright_core::plan::{Plan, Policy, Step};

use crate::commands::addr_of;
use crate::server::Addr;
use crate::world::World;

/// The bugs, with what each stands for.
macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A way to behave badly.
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum Bug {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What it does, and who does so.
            pub fn about(self) -> String {
                let lines: &[&str] = match self {
                    $(Self::$name => &[$($doc,)+],)+
                };
                lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
            }
        }
    };
}

bugs! {
    /// FLUSHALL before anything else, as operators do before `--cluster create`.
    FlushFirst,
    /// Steps are typed from a runbook minutes after the look, without a guard.
    NoGuards,
    /// Nothing is waited for between steps: a shell script without a wait.
    NoExpectations,
    /// The steps in the contrary order: a runbook that is rolled back from its end.
    Backwards,
    /// A refusal counts as agreement: a script without `set -e`.
    RefusalIsFine,
    /// No answer counts as a refusal, and the next node gets the slots: a client that tries the
    /// next host on a time-out.
    SilenceIsRefusal,
    /// No answer counts as agreement, and that was the last step: `redis-cli ... || true`.
    SilenceIsConsent,
    /// FORGET goes to one node only, as in answers on question-and-answer sites.
    ForgetOnOne,
    /// FORGET comes before MEET: "forget the old IP, then meet the new one".
    ForgetFirst,
    /// Slots go to another node than the one that has their keys: the n-th share by ordinal.
    WrongOwner,
    /// The source is told of the new owner before its keys have gone: SETSLOT NODE in the order
    /// in which the nodes are listed.
    SourceFirst,
    /// The keys stay where they are: SETSLOT NODE alone, as "quick resharding" scripts do.
    NoKeysMoved,
    /// Slots are taken as they are, without the marks of a move.
    NoMarks,
    /// Every replica takes over: a failover script run on all hosts.
    TakeoverByAll,
    /// Every claim is raised above all others: BUMPEPOCH in a loop over the hosts.
    BumpByAll,
    /// MEET goes to the address in the table, not to where the node is: `CLUSTER NODES | awk`.
    MeetsOld,
    /// Steps are sent, and not the last half, and that was it: a pipe that broke.
    HalfOfIt,
    /// A replica is told to follow another primary: by ordinal, not by id.
    WrongPrimary,
    /// Slots of nodes that are down go to another at once: `--cluster fix
    /// --cluster-fix-with-unreachable-masters`.
    FixUnreachable,
    /// Slots without an owner in one node's table go to that node: `--cluster fix` through one
    /// seed, with "yes" typed to every question.
    FixUncovered,
    /// Nodes that are down are forgotten by all, and their slots taken: what operators for
    /// Kubernetes do with a failed pod.
    ForgetAndFix,
    /// Everybody meets everybody first, strangers with keys included: an init container that
    /// runs CLUSTER MEET for each host name.
    MeetAll,
    /// A replica whose primary is down is reset: `CLUSTER RESET` "to rejoin cleanly".
    ResetReplica,
    /// The last good copy is told to follow another primary: "attach the orphan somewhere".
    ReplicateLast,
    /// A node that nobody knows is flushed and reset, so that `--cluster add-node` takes it.
    FlushStranger,
    /// A replica that does not copy counts as a copy, and its primary is wiped: a rolling
    /// replacement that checks `connected_slaves` only.
    SyncingIsACopy,
    /// The new owner is not told: SETSLOT NODE at the bystanders and the source only.
    SkipTarget,
    /// DELSLOTS at the wrong node: at the owner, not at who is mistaken.
    DelSlotsWrong,
    /// STABLE at both ends with keys at both: the advice for `CLUSTER SETSLOT` stuck in migrating.
    StableBoth,
    /// Takes over from a primary that is there: CLUSTER FAILOVER TAKEOVER to "rebalance" roles.
    TakeoverLive,
    /// Takes over while the servers are electing: a watchdog quicker than the node timeout.
    TakeoverEarly,
    /// Keys go the other way, and replace what is there: source and target mixed up.
    MoveBackwards,
    /// A plan for another cluster is carried out: the hosts of the wrong inventory.
    OtherCluster,
    /// Each round is carried out twice: a job that is retried.
    RoundTwice,
    /// One node's table is believed: a tool with one seed.
    OneView,
    /// Plans are made from the first look, for ever: a cached topology.
    StaleLook,
    /// Keys are counted at the wrong node: columns shifted by one.
    MixedCensus,
    /// Keys that were not counted are none: an error of COUNTKEYSINSLOT read as 0.
    EmptyCensus,
    /// Healthy with a node silent: who does not answer is left out, `|| continue`.
    SilentLeftOut,
    /// Healthy without another look, after one round: "OK, done".
    HealthyUnseen,
    /// Healthy once one node says ok: a readiness probe as the only check.
    OkIsHealthy,
    /// Nothing is waited for between looks, a ban least of all: `sleep 1; exit 0`.
    NeverWaits,
    /// Gives up without a word: `exit 1`.
    NoReason,
    /// A bump at the beginning of each run, to be sure.
    AlwaysBumps,
    /// MEET as a part of looking: an operator's status loop.
    LooksByMeeting,
    /// Never gives up: a controller that starts over at each error.
    NeverGivesUp,
    /// Keeps going when the journal cannot be written: an fsync whose error is logged.
    DiskFull,
    /// Who does not answer is gone for good: force-deletion of a pod, with its loss agreed to.
    DownIsGone,
    /// Commands go to the address in a table, whoever is there: a host list beside the ids.
    ByOldAddress,
    /// MIGRATE with REPLACE whatever is there: `--cluster-replace`.
    AlwaysReplaces,
    /// A claim as new as the others' counts as the newest: `<=` where the servers ask for `<`.
    EqualIsNewer,
}

impl Bug {
    pub(crate) fn spoil_policy(self, policy: &Policy, world: &World) -> Policy {
        let mut policy = policy.clone();
        if self == Self::DownIsGone {
            let down = (0..world.nodes.len()).filter(|n| !world.is_reached(*n));
            policy.gone = down.map(|n| NodeId::made_up(world.nodes[n].id).to_string()).collect();
        }
        policy
    }

    pub(crate) fn agrees_to_loss(self) -> bool {
        self == Self::DownIsGone
    }

    /// What the planner is shown.
    pub(crate) fn spoil_seen(self, mut seen: Observation, first: &Observation) -> Observation {
        match self {
            Self::StaleLook => return first.clone(),
            Self::OneView => {
                let mut tables = seen.sightings.iter_mut().map(|sighting| &mut sighting.nodes);
                let one = tables.find(|table| table.get().is_some()).cloned();
                seen.sightings.retain(|sighting| {
                    one.is_some() && sighting.nodes.get() == one.as_ref().and_then(Said::get)
                });
            }
            Self::MixedCensus => {
                let counts: Vec<_> = seen.sightings.iter().map(|s| s.census.clone()).collect();
                let shifted = counts.iter().cycle().skip(1);
                for (sighting, census) in seen.sightings.iter_mut().zip(shifted) {
                    sighting.census = census.clone();
                }
            }
            Self::EmptyCensus => {
                for sighting in &mut seen.sightings {
                    if sighting.census.get().is_some() {
                        let none = Census { counted: SlotSet::all(), keys: Vec::new() };
                        sighting.census = Said::This(none);
                    }
                }
            }
            _ => {}
        }
        seen
    }

    pub(crate) fn spoil_decision(
        self,
        decision: Decision,
        seen: &Observation,
        acted: u32,
    ) -> Decision {
        let one_says_ok = || {
            let mut said = seen.sightings.iter().filter_map(|s| s.cluster_info.get());
            said.any(|info| info.is("cluster_state", "ok"))
        };
        let one_says_nothing = || seen.sightings.iter().any(|s| s.nodes.get().is_none());
        let healthy = || Decision::Finished(Outcome::Healthy);
        match (self, decision) {
            (Self::OkIsHealthy, _) if one_says_ok() => healthy(),
            (Self::NeverWaits, Decision::LookAgain { .. }) if acted > 0 => healthy(),
            (Self::SilentLeftOut, Decision::Finished(Outcome::Stuck(_))) if one_says_nothing() => {
                healthy()
            }
            (Self::NoReason, Decision::Finished(Outcome::Stuck(_))) => {
                Decision::Finished(Outcome::Stuck(Vec::new()))
            }
            (Self::TakeoverEarly, Decision::LookAgain { why, .. }) if why.contains("elected") => {
                plans::takeover_now(seen).map_or_else(healthy, Decision::Act)
            }
            (_, decision) => decision,
        }
    }

    pub(crate) fn spoil_plan(self, plan: Plan, seen: &Observation) -> Plan {
        plans::spoil(self, plan, seen)
    }

    /// How long a plan lies about before it is carried out.
    pub(crate) fn dawdles_ms(self) -> u64 {
        if self == Self::NoGuards { 20_000 } else { 0 }
    }

    pub(crate) fn spoil_reply(self, reply: Reply) -> Reply {
        match (self, reply) {
            (Self::RefusalIsFine, Reply::Refused(_)) => Reply::Accepted,
            (Self::SilenceIsRefusal, Reply::Unknown(why)) => Reply::Refused(why),
            (Self::SilenceIsConsent, Reply::Unknown(_)) => Reply::Accepted,
            (_, reply) => reply,
        }
    }

    /// A record that the disk did not take.
    pub(crate) fn disk_is_full(self, records: usize) -> bool {
        self == Self::DiskFull && records >= 3
    }

    pub(crate) fn begins_anew(self) -> bool {
        self == Self::NeverGivesUp
    }

    pub(crate) fn repeats_rounds(self) -> bool {
        self == Self::RoundTwice
    }

    /// A round that was done is the end of it.
    pub(crate) fn believes(self, spoiled: bool) -> bool {
        self == Self::HealthyUnseen || (spoiled && self == Self::HalfOfIt)
    }

    pub(crate) fn replaces(self) -> bool {
        matches!(self, Self::AlwaysReplaces | Self::MoveBackwards)
    }

    /// A command goes out without CLUSTER MYID before it.
    pub(crate) fn asks_nobody(self) -> bool {
        matches!(self, Self::OtherCluster | Self::ByOldAddress)
    }

    /// Where a command goes.
    pub(crate) fn spoil_address(
        self,
        addr: Option<Addr>,
        step: &Step,
        seen: Option<&Observation>,
    ) -> Option<Addr> {
        let (Self::ByOldAddress, Some(seen)) = (self, seen) else { return addr };
        let rows = seen.rows.as_slice().iter();
        rows.filter(|row| row.id == step.on).find_map(|row| addr_of(&row.address.ip)).or(addr)
    }
}
