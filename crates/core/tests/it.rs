//! The integration tests of the judgement, in one binary.

mod explain;
