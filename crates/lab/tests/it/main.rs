//! The lab against real servers, in one binary.

mod acts;
mod clean_up;
mod leash;
mod verify;
