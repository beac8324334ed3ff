//! The files on disk: opening them without harming what is not ours, and finding room for them.

mod bare;
mod create;
mod dead_sectors;
mod disk;
mod draft;
mod forward;
mod found;
mod holes;
mod identity;
mod kept;
mod kind;
mod last_sync;
mod left;
mod names;
mod open;
mod place;
mod proven;
mod reserve;
mod shadow;
mod written;

pub(crate) use bare::Bare;
#[cfg(test)]
pub(crate) use dead_sectors::{LOOK_BYTES, LOOKS};
pub(crate) use dead_sectors::{NotGiven, gives_others, is_not_given, reading};
pub(crate) use disk::{Access, Disk, OsDisk, owner};
#[cfg(test)]
pub(crate) use disk::{Forgotten, Room};
pub(crate) use draft::{Draft, refuse_unfinished};
pub(crate) use found::{are_both_there, cold_is_missing, journal_is_missing, make_if_new};
#[cfg(test)]
pub(crate) use holes::{Blocks, Holes};
pub(crate) use kept::{Kept, folder_of, reason_of};
pub(crate) use kind::{Kind, LogId, journal_path, log_id};
pub(crate) use open::{
    Opened, check, fault_error, open_cold, open_error, open_journal, open_journal_to_read,
    open_to_read,
};
pub(crate) use place::Places;
#[cfg(test)]
pub(crate) use place::Standing;
pub(crate) use proven::putting_right;
pub(crate) use reserve::{Claim, Reserve, SharedReserve};
pub(crate) use shadow::Shadow;
