//! One file for each verb.

pub mod lab;
