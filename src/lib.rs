//! Coven.
#![forbid(unsafe_code)]

pub use coven_core::*;
