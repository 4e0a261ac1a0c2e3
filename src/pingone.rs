//! The PingOne platform API: authentication, client, paging, rate limit, retry, wire types, errors.
