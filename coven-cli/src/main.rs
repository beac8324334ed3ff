//! Coven.
#![forbid(unsafe_code)]
fn main() {}
