//! The person's own terminal: raw while a session is shown in it, and always given back.

mod detach_keys;
mod job;
mod key;
mod keyboard;
mod raw;

pub(crate) use detach_keys::DetachKeys;
pub(crate) use keyboard::{Awaited, Keyboard, Typed};
pub(crate) use raw::{RawTerminal, give_back};

use std::os::fd::AsFd;

use coven::TermSize;

/// The size of the terminal behind `fd`; `None` when it is no terminal, or does not know.
pub(crate) fn size_of(fd: impl AsFd) -> Option<TermSize> {
    let size = rustix::termios::tcgetwinsize(fd).ok()?;
    let most = |cells: u16| i64::from(cells.min(TermSize::MAX));
    TermSize::parse(most(size.ws_col), most(size.ws_row)).ok()
}
