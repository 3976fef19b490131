//! Every bound, with its reason. Nothing that a peer sends may grow without one of these.

/// Bytes of one line of RESP (a status, an error, a length). The longest real one is an error
/// that quotes a command line; servers cut those at 128 bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one bulk string. `CLUSTER NODES` has about 150 bytes a node and up to about 100 KiB
/// more where every slot is a range of its own; 1000 scattered nodes stay far below 16 MiB.
pub const BULK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one reply with all its parts.
pub const REPLY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Elements of all arrays of one reply. `CLUSTER SLOTS` of 16384 single slots with five nodes
/// each has about 800,000.
pub const REPLY_ELEMENTS_MAX: usize = 1_048_576;

/// Arrays within arrays. `CLUSTER SLOTS` has four levels.
pub const REPLY_DEPTH_MAX: usize = 8;

/// Nodes of one cluster, addresses dialled in one look. The specification's own bound is 1000
/// primaries; beyond this many addresses somebody is making them up.
pub const NODES_MAX: usize = 5_000;

/// Distinct rows of all tables of one look: some for each node that is seen in several states.
pub const ROWS_MAX: usize = 200_000;

/// Oddities kept for one reply: a garbage table has millions.
pub const ODDITIES_MAX: usize = 20;

/// Bytes of one text quoted from a peer in a message.
pub const QUOTE_BYTES_MAX: usize = 200;

/// Bytes of one pasted or recorded file.
pub const PASTE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Nodes up to which each is asked for `CLUSTER SLOTS`, and for `SHARDS` and `LINKS` where they can
/// tell more than the table and `INFO`. These replies grow with the cluster, so all of them grow
/// with its square: 4 MiB at this number. Beyond it a sample tells the same, and what a node alone
/// can know (its own slots, endpoint, link buffers) is in `CLUSTER NODES`, `CONFIG GET` and `INFO`
/// as well.
pub const FULL_REPLY_NODES_MAX: usize = 64;

/// Bytes waiting on one bus link that are worth a word: a bus ping has 2 to 20 KiB, and a link that
/// works is emptied at once.
pub const LINK_WAITING_BYTES_MIN: u64 = 1024 * 1024;

/// Bytes of one `INFO` or `CLUSTER INFO`. A real `INFO` has 6 to 12 KiB; what is kept of a thousand
/// nodes must stay small.
pub const INFO_BYTES_MAX: usize = 64 * 1024;

/// Nodes that are asked for the replies that grow with the cluster whatever its size is: see
/// [`FULL_REPLY_NODES_MAX`].
pub const SAMPLE_NODES: usize = 10;

/// Steps of one plan: a round of a large cluster. What is left over comes in the next round.
pub const PLAN_STEPS_MAX: usize = 4_096;

/// Nodes up to which each meets each. Beyond, all meet one, and gossip tells the rest.
pub const FULL_MESH_NODES_MAX: usize = 8;

/// Occupied slots that a census keeps of all nodes together: 16 MiB. Every slot at its primary and
/// at sixty copies of it; a cluster has one to five.
pub const CENSUS_OCCUPIED_MAX: usize = 1_000_000;

/// Canary keys written through one primary: one in each of its ranges of slots, up to this many. A
/// primary has one range, or a few after a reshard; more prove nothing more about it.
pub const CANARIES_PER_PRIMARY_MAX: usize = 8;

/// Canary keys of one run. Each is asked of every node.
pub const CANARIES_MAX: usize = 2_000;

/// Milliseconds after which a server removes a canary key by itself, should we not come to it. Long
/// against every deadline of a run, short for whoever wonders what the key is.
pub const CANARY_EXPIRY_MS: u64 = 60_000;

/// Redirections followed for one read. Two happen while a slot moves; a ring of nodes that send
/// each to the next has no end.
pub const REDIRECTS_MAX: usize = 5;

/// Slots held by two primaries whose keys are named.
pub const NAMED_SLOTS_MAX: usize = 64;

/// Keys named of one such slot at one node.
pub const NAMED_KEYS_MAX: u32 = 1_000;

/// Lines of detail of one check: what a person reads. The numbers stand in its sentence.
pub const DETAILS_MAX: usize = 50;
