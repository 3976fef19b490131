//! The integration tests of the program, in one binary: what a person or a script gets from it.

#[path = "it/check.rs"]
mod check;
#[path = "it/command_line.rs"]
mod command_line;
#[path = "it/exchanged.rs"]
mod exchanged;
#[path = "it/forgotten.rs"]
mod forgotten;
#[path = "it/hostile.rs"]
mod hostile;
#[path = "it/pages.rs"]
mod pages;
#[path = "it/purity.rs"]
mod purity;
#[path = "it/rehearse.rs"]
mod rehearse;
#[path = "it/rights.rs"]
mod rights;
#[path = "it/rivals.rs"]
mod rivals;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/world.rs"]
mod world;
