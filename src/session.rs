//! The C1 session: token exchange, channel, hello, poll, heartbeat, finish, upload stream.
