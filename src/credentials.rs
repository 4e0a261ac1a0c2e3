//! Credentials in secrecy types, parsed and validated, behind one watch channel.

pub mod source;
