//! Bytes to facts, without IO. Parsing never fails: what cannot be read is an oddity, a fact about
//! the node that said it.

pub mod bus;
pub mod cluster_links;
pub mod cluster_nodes;
pub mod cluster_shards;
pub mod cluster_slots;
pub mod info;
pub mod logs;
pub mod nodes_conf;
pub mod resp;
