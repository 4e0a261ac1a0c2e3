//! A directory that is quick to sync.

use sandbox::pingone::Options;

/// Small, with something of everything, and several pages of each listing.
pub fn small() -> Options {
    let mut options = Options::default();
    let shape = &mut options.directory;
    shape.users = Some(26);
    shape.groups = Some(14);
    shape.populations = Some(3);
    shape.memberships_per_user = Some(3.0);
    shape.filtered_groups = Some(0.2);
    shape.nested_groups = Some(0.1);
    shape.external_groups = Some(0.1);
    shape.users_with_roles = Some(0.2);
    options.paging.max_page = 6;
    options.paging.max_page_users = 6;
    options
}
