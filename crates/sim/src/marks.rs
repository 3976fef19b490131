//! What must come up in a long run: a planner, a drive or a checker that is never reached there has
//! not been tried, however many schedules were free of violations.
//!
//! Each list of what comes up has a second one beside it, of what cannot, and why; what is rare is
//! asked of longer runs. A test holds the
//! two together to be all that there is.

use std::collections::BTreeSet;

use slotwright_core::drive::End;
use slotwright_core::plan::{Holds, Plan, Reason};

/// The mark of a finding.
pub(crate) fn of_finding(code: &str) -> String {
    format!("found {code}")
}

/// The mark of a reason of the planner or of the rounds.
pub(crate) fn of_reason(reason: Reason) -> String {
    format!("reason {}", reason.name())
}

/// The marks of the end of a drive: how it ended, and which kind of fact was the cause.
pub(crate) fn of_end(end: &End, plan: &Plan) -> Vec<String> {
    let kind = |step: usize, text: &str| {
        let step = plan.steps.get(step);
        let mut facts = step.into_iter().flat_map(|step| step.guard.iter().chain(&step.expect));
        let fact = facts.find(|fact| fact.to_string() == text);
        // A run that stood still between its guard and its command sends nothing.
        fact.map_or("Fresh", |fact| kind_of(&fact.holds))
    };
    let (name, of) = match end {
        End::Done => ("drive done", None),
        End::Changed { step, fact } => {
            ("drive changed", Some(format!("guard {} false", kind(*step, fact))))
        }
        End::Blind { step, fact } => {
            ("drive blind", Some(format!("guard {} unknown", kind(*step, fact))))
        }
        End::Refused { .. } => ("drive refused", None),
        End::NotSeen { step, fact } => {
            ("drive not seen", Some(format!("expected {} not seen", kind(*step, fact))))
        }
        End::Differ { .. } => ("drive found keys of two values", None),
        End::Interrupted { .. } => ("drive interrupted", None),
    };
    std::iter::once(name.to_owned()).chain(of).collect()
}

const fn kind_of(holds: &Holds) -> &'static str {
    match holds {
        Holds::Answers => "Answers",
        Holds::Knows { .. } => "Knows",
        Holds::KnowsNot { .. } => "KnowsNot",
        Holds::Reaches { .. } => "Reaches",
        Holds::DoesNotReach { .. } => "DoesNotReach",
        Holds::Places { .. } => "Places",
        Holds::Calls { .. } => "Calls",
        Holds::Owns { .. } => "Owns",
        Holds::OwnsNot { .. } => "OwnsNot",
        Holds::OwnedOnlyBy { .. } => "OwnedOnlyBy",
        Holds::Unowned { .. } => "Unowned",
        Holds::Open { .. } => "Open",
        Holds::HoldsKeys { .. } => "HoldsKeys",
        Holds::HoldsNoKeys { .. } => "HoldsNoKeys",
        Holds::IsPrimary => "IsPrimary",
        Holds::ReplicaOf { .. } => "ReplicaOf",
        Holds::Follows { .. } => "Follows",
        Holds::IsEmpty => "IsEmpty",
        Holds::OffsetAtLeast { .. } => "OffsetAtLeast",
        Holds::EpochAtLeast { .. } => "EpochAtLeast",
        Holds::EpochAtMost { .. } => "EpochAtMost",
        Holds::Records { .. } => "Records",
        Holds::StateOk => "StateOk",
        Holds::Setting { .. } => "Setting",
        Holds::HasLibrary { .. } => "HasLibrary",
        Holds::LogsInAsItself => "LogsInAsItself",
        Holds::WantsAPassword => "WantsAPassword",
    }
}

/// Findings that come up.
const FINDINGS: &[&str] = &[
    "ADDRESS_PERMUTED_NOADDR",
    "ADDRESS_REUSED_BY_FOREIGN_NODE",
    "ALL_ADDRESSES_STALE",
    "BUS_ONE_WAY_PARTITION",
    "BUS_PORT_BLOCKED",
    "CLIENT_ENDPOINT_UNREACHABLE",
    "CLIENT_NULL_OR_UNKNOWN_ENDPOINT",
    "CLIENT_PORT_BLOCKED",
    "CLIENT_SEEDS_UNREACHABLE",
    "CLUSTER_DOWN",
    "CLUSTER_SPLIT_ISLANDS",
    "EPOCH_COLLISION",
    "EPOCH_CONTAMINATED_BY_FOREIGN_NODE",
    "FORGET_NODE_RETURNS",
    "FORGOT_SLOT_OWNER",
    "GHOST_NODE_ENTRIES",
    "HANDSHAKE_NEVER_COMPLETES",
    "KEYS_IN_FOREIGN_SLOT",
    "KEY_ON_TWO_PRIMARIES",
    "MEMBERSHIP_ASYMMETRIC",
    "MINORITY_PARTITION",
    "NODE_DOWN",
    "NODE_IDENTITY_LOST",
    "ORPHANED_PRIMARY",
    "ORPHAN_DATA_NODE",
    "OWNER_DISOWNS_SLOTS",
    "PEER_ADDRESS_STALE",
    "PRIMARY_NOADDR_MASKED",
    "QUORUM_LOST",
    "REPLICA_GHOST_KEYS",
    "REPLICA_LINK_DOWN",
    "REPLICA_TOO_STALE",
    "SELF_ADDRESS_STALE",
    "SELF_ADDRESS_UNKNOWN",
    "SHARD_DOWN",
    "SLOTS_UNASSIGNED",
    "SLOT_CLAIMED_TWICE",
    "SLOT_OPEN",
    "SLOT_OWNER_DISAGREEMENT",
    "SOURCE_ADDRESS_MISMATCH",
    "TOO_FEW_VOTERS",
];

/// Findings that do not, and why.
const NO_FINDINGS: &[(&str, &[&str])] = &[
    (
        "no file system, no memory limit, no host: those servers live in memory only",
        &[
            "AOF_WRITE_ERROR",
            "DISK_ERROR_MISCONF",
            "MAXCLIENTS_EXHAUSTED",
            "MAXMEMORY_ABOVE_HOST",
            "MAXMEMORY_REACHED",
            "PERSISTENCE_OFF",
        ],
    ),
    (
        "no users, no passwords, no TLS (LEFT_OUT)",
        &[
            "ACL_DENIES_CLUSTER_COMMANDS",
            "ACL_DIVERGED",
            "AUTH_MISMATCH",
            "COMMAND_RENAMED",
            "MASTERAUTH_MISSING",
            "PASSWORD_DRIFT",
            "PROTECTED_MODE",
            "REPLICA_AUTH_FAILED",
            "TLS_BUS_MISMATCH",
            "TLS_CERT_INVALID",
            "TLS_PORT_CONFUSION",
        ],
    ),
    (
        "an address is a number, announced by nobody, without names (LEFT_OUT)",
        &[
            "BUS_PORT_WRONG",
            "CLIENT_SEED_DNS_ALL_OR_NOTHING",
            "DUAL_STACK_MISMATCH",
            "HOSTNAME_AS_ANNOUNCE_IP",
            "ILLEGAL_ADDRESS",
            "LOOPBACK_ADDRESS",
        ],
    ),
    (
        "all servers of a world have one version and the same settings",
        &[
            "CONFIG_DRIFT",
            "ENDPOINT_TYPE_MIXED",
            "FAILOVER_DISABLED",
            "FULL_COVERAGE_MASKED",
            "MIXED_VERSIONS",
            "NODE_TIMEOUT_TOO_SMALL",
            "OLD_SERVER_VERSION",
            "RDB_VERSION_INCOMPATIBLE",
            "WRITES_REFUSED_MIN_REPLICAS",
        ],
    ),
    ("atomic slot migration is left out (LEFT_OUT)", &["ASM_STUCK_OR_FAILED", "MIGRATION_RUNNING"]),
    (
        "a key has a version: no databases, functions, scripts, and a data set is loaded at once (LEFT_OUT)",
        &["BUSY_SCRIPT", "FUNCTIONS_MISSING", "KEYS_IN_DB_NONZERO", "NODE_LOADING"],
    ),
    (
        "a packet has no size, and a connection no buffer",
        &["BUS_BUFFER_GROWTH", "LINK_BUFFER_LIMIT_EXCEEDED"],
    ),
    (
        "every server has the clock of the world and speaks its protocol",
        &["CLOCK_SKEW", "CLUSTER_DISABLED_ON_NODE", "NOT_REDIS"],
    ),
    (
        "counters of elections, copies and fail messages are not kept",
        &["FAILOVER_NO_VOTES", "FULL_SYNC_LOOP", "TIMEOUT_FLAPPING"],
    ),
    ("a table shows no shard id", &["SHARD_ID_DIVERGED"]),
    (
        "no fault adds servers: nobody runs twice, and no second cluster stands beside",
        &["CLONED_CLUSTER_HIJACK", "DUPLICATE_NODE_ID_LIVE", "LEFTOVER_STATE"],
    ),
    ("no fault moves whole shares of slots", &["SINGLE_PRIMARY_OWNS_ALL"]),
    ("no fault wipes a member", &["EMPTY_PRIMARY_RESTART_WIPED_SHARD"]),
    (
        "a stopped process has its port open, and the model tells a look of it that it timed out on both",
        &["NODE_HUNG"],
    ),
];

/// Reasons of the planner and of the rounds that do not come up, and why. All others must.
const NO_REASONS: &[(&str, &[Reason])] = &[
    (
        "no server loads a data set, and none migrates slots by itself (LEFT_OUT)",
        &[Reason::NodeLoads, Reason::MigrationRuns],
    ),
    ("no server runs twice", &[Reason::TwoProcesses]),
    (
        "a look counts the keys of everybody who answers",
        &[
            Reason::CountBrokeOff,
            Reason::GiverNotCounted,
            Reason::HeirNotCounted,
            Reason::PromotedNotCounted,
            Reason::FreeNotCounted,
            Reason::DisputedNotCounted,
        ],
    ),
    (
        "no passwords, no libraries, no addresses of their own (LEFT_OUT)",
        &[Reason::PasswordNotYours, Reason::NoLibraryToLoad, Reason::AddressNotProved],
    ),
    (
        "the user of this world never says that a node is gone",
        &[
            Reason::NoPrimaryToInherit,
            Reason::HeadNotOne,
            Reason::GoneAnswers,
            Reason::GoneHasReplica,
            Reason::GoneReplicaSilent,
            Reason::GoneNotCounted,
        ],
    ),
    ("seen in one of three ranges of some 400,000 schedules", &[Reason::NothingToPromote]),
    (
        "open: not seen in 100,000 schedules, and whether a fault can bring it about is not decided",
        &[
            Reason::NoWholeCopy,
            Reason::ImportDisputed,
            Reason::GhostAnswers,
            Reason::GhostHasSlots,
            Reason::GhostHasReplica,
            Reason::NoPrimaryToClaim,
        ],
    ),
];

/// What else comes up: ends of drives, guards that fail, expectations that do not come, kills.
const OTHERS: &[&str] = &[
    "drive blind",
    "drive changed",
    "drive done",
    "drive found keys of two values",
    "drive not seen",
    "drive refused",
    "ended healthy",
    "ended stuck",
    "expected Calls not seen",
    "expected HoldsNoKeys not seen",
    "expected KnowsNot not seen",
    "expected Open not seen",
    "expected Owns not seen",
    "expected Reaches not seen",
    "expected EpochAtLeast not seen",
    "expected Follows not seen",
    "guard Answers unknown",
    "guard DoesNotReach unknown",
    "guard Fresh false",
    "guard KnowsNot unknown",
    "guard Open false",
    "guard OwnedOnlyBy false",
    "guard Owns unknown",
    "killed after a record",
    "killed after a send",
    "killed and run again",
    "killed before a send",
    "two at once",
];

/// What comes up in less than one of 10,000 schedules: a run of [`RARE_FROM`] must bring it up, a
/// shorter one may.
const RARE: &[&str] = &[
    "declined",
    "found ANNOUNCE_ADDRESS_WRONG",
    "found CLIENT_SEED_HAS_NO_SLOTS",
    "found EMPTY_PRIMARY",
    "found FAILOVER_BLOCKED_BY_EPOCH",
    "found FORGOTTEN_NODE_ZOMBIE",
    "found MTU_BLACKHOLE",
    "found REPLICATION_CHAIN_OR_CYCLE",
    "found RESET_MISTAKE",
    "found REPLICA_SYNCED_FROM_FOREIGN",
    "found SHARD_COLOCATED",
    "found SLOT_IMBALANCE",
    "found SLOT_OWNERLESS_AFTER_SOURCE_FIRST",
    "guard DoesNotReach false",
    "guard EpochAtMost false",
    "guard HoldsKeys false",
    "guard HoldsKeys unknown",
    "guard HoldsNoKeys false",
    "guard HoldsNoKeys unknown",
    "guard IsPrimary false",
    "guard IsPrimary unknown",
    "guard KnowsNot false",
    "guard Open unknown",
    "guard OwnedOnlyBy unknown",
    "guard Owns false",
    "guard OwnsNot false",
    "guard OwnsNot unknown",
    "guard ReplicaOf unknown",
    "guard Unowned false",
    "guard Unowned unknown",
    "reason GhostGossipedBack",
    "reason GhostHasOnlyCopy",
    "reason HeirOwnsOthers",
    "reason KeysOnReplicaOnly",
    "reason MovedAmongMany",
    "reason NoMark",
    "reason NobodyFree",
    "reason NobodySpare",
    "reason SideWithoutSlots",
    "reason WouldDelete",
];

/// What may come up and need not, in a million schedules either: a planner that waits for it takes
/// all but the milliseconds between a look and a guard away. Unit tests try these guards.
const SELDOM: &[&str] = &[
    "guard EpochAtMost unknown",
    "guard Places false",
    "guard Places unknown",
    "guard Records false",
    "guard Records unknown",
    "guard ReplicaOf false",
];

/// See [`RARE`].
pub const RARE_FROM: u64 = 1_000_000;

/// What else could come up and does not, and why.
const NO_OTHERS: &[(&str, &[&str])] = &[
    ("nobody presses Ctrl-C in the model: a kill is worse", &["drive interrupted"]),
    ("who answers, answers", &["guard Answers false"]),
    (
        "open: a fault must fall within the milliseconds between a look and the guard of a step, and \
         faults come when they like",
        &[
            "guard IsEmpty false",
            "guard IsEmpty unknown",
            "guard OffsetAtLeast false",
            "guard OffsetAtLeast unknown",
        ],
    ),
];

/// Every mark that must be hit in a run of so many schedules.
fn wanted(schedules: u64) -> BTreeSet<String> {
    let mut all = ever();
    all.retain(|mark| !SELDOM.contains(&mark.as_str()));
    if schedules < RARE_FROM {
        all.retain(|mark| !RARE.contains(&mark.as_str()));
    }
    all
}

/// Every mark that comes up in the end.
fn ever() -> BTreeSet<String> {
    let findings = FINDINGS.iter().map(|code| of_finding(code));
    let never = |reason: &&Reason| NO_REASONS.iter().any(|(_, all)| all.contains(reason));
    let reasons = Reason::ALL.iter().filter(|reason| !never(reason)).map(|one| of_reason(*one));
    let others = OTHERS.iter().chain(RARE).chain(SELDOM).map(|mark| (*mark).to_owned());
    findings.chain(reasons).chain(others).collect()
}

/// What must come up in so many schedules and did not.
pub fn missing(schedules: u64, marks: &BTreeSet<String>) -> Vec<String> {
    wanted(schedules).into_iter().filter(|mark| !marks.contains(mark)).collect()
}

/// What came up although it is said that it cannot: the list is wrong.
pub fn unforeseen(marks: &BTreeSet<String>) -> Vec<String> {
    let findings = NO_FINDINGS.iter().flat_map(|(_, codes)| codes.iter());
    let findings = findings.map(|code| of_finding(code));
    let reasons = NO_REASONS.iter().flat_map(|(_, all)| all.iter()).map(|one| of_reason(*one));
    let others = NO_OTHERS.iter().flat_map(|(_, all)| all.iter()).map(|mark| (*mark).to_owned());
    let all = findings.chain(reasons).chain(others);
    all.filter(|mark| marks.contains(mark)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds of facts that are guards of steps: each must fail, or the reason stands in
    /// [`NO_OTHERS`].
    const GUARDS: &[&str] = &[
        "Answers",
        "DoesNotReach",
        "EpochAtMost",
        "HoldsKeys",
        "HoldsNoKeys",
        "IsEmpty",
        "IsPrimary",
        "KnowsNot",
        "OffsetAtLeast",
        "Open",
        "OwnedOnlyBy",
        "Owns",
        "OwnsNot",
        "Places",
        "Records",
        "ReplicaOf",
        "Unowned",
    ];

    #[test]
    fn every_finding_comes_up_or_says_why_not() {
        let never = NO_FINDINGS.iter().flat_map(|(_, codes)| codes.iter());
        let rare = RARE.iter().filter_map(|mark| mark.strip_prefix("found "));
        let codes = FINDINGS.iter().chain(never).copied().chain(rare);
        let mut listed: Vec<String> = codes.map(str::to_owned).collect();
        listed.sort();
        let mut all: Vec<String> =
            slotwright_core::findings::ALL.iter().map(|entry| entry.code()).collect();
        all.sort();
        assert_eq!(listed, all, "each code once, in one of the three lists");
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut marks = ever();
        assert_eq!(missing(RARE_FROM, &marks), [] as [String; 0]);
        marks.remove("drive done");
        marks.remove("declined");
        assert_eq!(missing(RARE_FROM, &marks), ["declined", "drive done"]);
        assert_eq!(missing(RARE_FROM - 1, &marks), ["drive done"], "the other one is rare");
    }

    #[test]
    fn nothing_is_both_wanted_and_impossible() {
        assert_eq!(unforeseen(&ever()), [] as [String; 0]);
    }

    #[test]
    fn every_kind_of_guard_fails_or_says_why_not() {
        for kind in GUARDS {
            for how in ["false", "unknown"] {
                let mark = format!("guard {kind} {how}");
                let never = NO_OTHERS.iter().any(|(_, all)| all.contains(&mark.as_str()));
                assert!(ever().contains(&mark) != never, "{mark}");
            }
        }
    }
}
