//! What the unit tests share with those in `tests/`.

#[path = "../tests/support/mod.rs"]
mod shared;

pub(crate) use shared::*;
