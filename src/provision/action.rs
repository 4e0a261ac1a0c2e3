//! Actions (connector-model.md §7.7): what C1 is told of them, and how they run. Each decides from the user's live
//! state, writes at most once, and says "already" where nothing was to do.

mod args;
mod profile;
mod schema;

pub use schema::action_schemas;
