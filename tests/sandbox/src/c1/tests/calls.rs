//! Rules of single calls.

use super::*;
