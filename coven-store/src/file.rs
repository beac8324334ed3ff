//! The file on disk: opening it without harming what is not ours, and finding room for it.

mod create;
mod disk;
mod identity;
mod open;
mod reserve;
mod shadow;

#[cfg(test)]
pub(crate) use disk::Room;
pub(crate) use disk::{Access, Disk, OsDisk};
pub(crate) use open::{Opened, fault_error, open, open_error, reopen};
pub(crate) use reserve::Reserve;
pub(crate) use shadow::Shadow;
