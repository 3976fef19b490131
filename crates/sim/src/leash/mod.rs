//! The leash: the same script on the model and on real servers, and what both show compared.
//!
//! A model is worth what it agrees with. A [`Script`] is data, made from a seed or taken from a
//! finding's scenario; a [`Stage`] carries it out in the model, the lab carries it out on servers,
//! and [`picture`] makes of what either side shows a value that can be compared: names instead of
//! ids and addresses, the order of epochs instead of epochs.
//!
//! What chance decides is kept out by construction: both sides have the same ids, one node at a
//! time may be elected, and only one may be born again. What is left and differs must be in
//! [`DIVERGENCES`], with its reason, or the model is wrong.

mod divergences;
mod picture;
mod script;
mod stage;

pub use divergences::{DIVERGENCES, Divergence, explains};
pub use picture::{Difference, Names, Picture, Shown, differences, picture, reply_class};
pub use script::{Move, NODE_TIMEOUT_MS, Script, key_name};
pub use stage::{REST_MS, Stage};
