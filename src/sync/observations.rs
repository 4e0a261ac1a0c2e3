//! Observations of earlier syncs that may be used again (docs/adr/0019): expensive answers with the time of their reading, kept
//! in `state-dir`, and proved unchanged by audit activities, by the lists that every sync reads, and by their age.

mod asked;
mod course;
mod keeper;
mod loaded;
mod parcel;
mod record;
mod rules;
mod segment;
#[cfg(test)]
mod simulation;
mod store;
mod tally;
mod touched;
mod trail;

pub(crate) use asked::is_told;
pub(crate) use course::open;
pub(crate) use keeper::{Keeper, Listed, Positions};
pub use parcel::{Parcel, is_vacant, pack, unpack};
pub(crate) use record::{Kind, Seconds};
pub use store::{StoreSummary, discard, folder, forget_dropped, mark_all_dropped, summary, was_dropped};
pub use tally::{KINDS, ObservationReport, gaps, reasons};
