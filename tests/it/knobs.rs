//! Every knob of the stand-in for PingOne against what must hold whatever it answers: a published file has the rows of the
//! true state, or the sync failed and the old file is untouched; a write that is said to be done is done.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests: a failure here is a failed test, and a finding is printed"
)]

mod answers;
pub mod oracle;
pub mod reads;
pub mod small;
mod table;
mod writes;
