//! Coven.
#![forbid(unsafe_code)]
