//! The only code that prints.

pub mod lab;
