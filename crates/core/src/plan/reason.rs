//! Why something is not mended, or not yet: a name for each reason that the planner and the rounds
//! can give.
//!
//! A sentence is for the user and may change; its name is for whoever counts how often a reason
//! comes up: the simulator, which fails where one never does.

/// Names a list of reasons, and all of them together.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why something is not mended, or not yet.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What it is counted by.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// A node is loading its data set.
    NodeLoads,
    /// A migration of slots is running.
    MigrationRuns,
    /// The others have not found out yet that an owner of slots is down.
    DownNotYetKnown,
    /// A primary does not say ok yet: keys cannot be moved.
    StateNotOk,
    /// A receiver of slots has not heard of its giver's newest epoch yet.
    EpochNotHeard,
    /// A replica is about to be elected.
    ElectionDue,
    /// An owner answers again and is held for failed.
    ReturnedHeldForFailed,
    /// The keys of a node that answers could not be counted to the end.
    CountBrokeOff,
    /// What was found may pass by itself.
    MayPass,
    /// The servers take in what was done.
    ServersTakeItIn,
    /// Whether a member stays that was forgotten before.
    WhetherItStays,
    /// A member that was forgotten cannot be met yet.
    BanNotOver,
    /// The same round again and again.
    NoProgress,
    /// What was waited for did not pass.
    PatienceOver,
    /// A node says fail, and nothing that was found explains it.
    FailUnexplained,
    /// All is well but for an owner that does not answer from here.
    OwnerNotHeard,
    /// A node id answers from two processes.
    TwoProcesses,
    /// What a newcomer has is more than a copy of what the primary of its shard has.
    NotJustACopy,
    /// The nodes are of clusters that do not know each other.
    SeveralClusters,
    /// No command of ours mends it.
    ByHandOnly,
    /// An open slot belongs to a node that does not answer.
    MoveOwnerSilent,
    /// No primary that answers has a mark.
    NoMark,
    /// Whether keys of an open slot have arrived could not be seen.
    ArrivedNotSeen,
    /// The keys of an open slot could not be counted where they come from.
    GiverNotCounted,
    /// A slot is imported, and several claim it.
    ImportDisputed,
    /// A slot is moved between more than two.
    MovedAmongMany,
    /// Every owner of slots answers.
    NothingToPromote,
    /// A dead primary has no replica that answers.
    NoReplica,
    /// A replica of a dead primary is silent and may have newer data.
    ReplicaSilent,
    /// No replica has a whole copy.
    NoWholeCopy,
    /// The keys of a replica that deletes some when it is promoted could not be counted.
    PromotedNotCounted,
    /// No stray key has an owner to go to.
    NothingToGather,
    /// A lost id has a replica: that is promoted instead.
    ReplicaInstead,
    /// The keys of a lost id could not be counted.
    HeirNotCounted,
    /// Nobody has a key of a lost id.
    NobodyHasItsKeys,
    /// Several have keys of a lost id.
    SeveralHaveItsKeys,
    /// Who has the keys of a lost id owns other slots.
    HeirOwnsOthers,
    /// The value of a setting is for a person to choose.
    ValueToChoose,
    /// A ghost answers.
    GhostAnswers,
    /// A ghost may be who hangs at an address that was named.
    GhostMayHang,
    /// Somebody gives slots to a ghost.
    GhostHasSlots,
    /// Somebody who cannot be told would gossip a ghost back.
    GhostGossipedBack,
    /// A replica cannot forget its primary.
    GhostHasReplica,
    /// An owner is not listed by a member.
    OwnerNotKnown,
    /// An owner is known by its bus only.
    OwnerOnBusOnly,
    /// The owner of slots does not answer.
    OwnerSilent,
    /// The keys of slots that nobody claims could not be counted.
    FreeNotCounted,
    /// The keys of slots that several claim could not be counted.
    DisputedNotCounted,
    /// Keys are on a replica only.
    KeysOnReplicaOnly,
    /// A silent member may have the keys.
    SilentMayHaveKeys,
    /// An address that was named may have the keys.
    NamedMayHaveKeys,
    /// No primary answers that could take slots.
    NoPrimaryToClaim,
    /// No primary answers that could take the slots of one that is gone.
    NoPrimaryToInherit,
    /// Only the user knows whether a node comes back.
    OnlyTheUserKnows,
    /// The head of an id names none, or several.
    HeadNotOne,
    /// Who was said to be gone answers.
    GoneAnswers,
    /// A replica of who is gone answers.
    GoneHasReplica,
    /// A replica of who is gone is silent.
    GoneReplicaSilent,
    /// The keys of who is gone could not be counted.
    GoneNotCounted,
    /// Who is met would delete keys.
    MeetWouldDelete,
    /// No two nodes lack each other's address.
    NobodyToMeet,
    /// One side of a split owns no slot.
    SideWithoutSlots,
    /// Both sides of a split claim the same slots.
    SidesOverlap,
    /// A replica dials its primary where that is, and does not reach it.
    DialsRightly,
    /// No node is free to become a replica.
    NobodyFree,
    /// No primary can do without one of its replicas.
    NobodySpare,
    /// A ghost may have the only copy.
    GhostHasOnlyCopy,
    /// Two nodes have a key with different values.
    KeysDiffer,
    /// Where a node is found cannot be told from here.
    AddressNotProved,
    /// The password to set is none that the user gave.
    PasswordNotYours,
    /// Not everybody gives its slots to the owner whose epoch is too small.
    OwnerDisputed,
    /// A member does not answer, and what its table makes of a newer epoch is not known.
    SilentTable,
    /// Another claims the same slots, has keys of them, and would delete them.
    WouldDelete,
    /// No primary showed a function library that another one lacks.
    NoLibraryToLoad,
}

impl Reason {
    /// The reason, in words for the user.
    pub(crate) fn says(self, text: impl Into<String>) -> Why {
        Why { reason: self, text: text.into() }
    }
}

/// A reason with its sentence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Why {
    pub(crate) reason: Reason,
    pub(crate) text: String,
}
