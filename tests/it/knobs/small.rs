//! A directory that is quick to sync.

use sandbox::pingone::Options;

/// Small, with something of everything, and several pages of each listing.
pub const SMALL: &str = "--users 26 --groups 14 --populations 3 --memberships-per-user 3.0 --filtered-groups 0.2 \
     --nested-groups 0.1 --external-groups 0.1 --users-with-roles 0.2 --applications 18 --group-conditions 12 --workers 4 \
     --gateways 5 --max-page 6 --max-page-users 6";

/// The same with more flags.
pub fn small_with(flags: &str) -> Options {
    Options::parse(&format!("{SMALL} {flags}")).unwrap()
}

pub fn small() -> Options {
    small_with("")
}
