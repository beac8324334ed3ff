//! `Options`: what the owner of a log may choose.

use std::time::Duration;

/// How a log is kept. The default suits a daemon on a developer's machine.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of memory that the log's main file may fill with pages it has read or not yet written.
    /// Default 4 MiB: small, as a daemon is to be, which keeps all of it at rest; a quarter of it is for pages of
    /// 4 KiB, as those that lead to all others are, which the long ones would drive out. Most reads are of a
    /// segment that no one else asks for, and the system keeps the file's pages as well. With twice that
    /// a fold of 64 busy sessions reads half as often, and one of a thousand an eighth less often; both write
    /// as much. The database's own default would be 1 GiB.
    pub cache_bytes: usize,
    /// The same of the journal's file. Default 32 MiB: twice what makes a fold due, so that what is
    /// written to it is still here when it is taken out again, and not read back from the file.
    /// What is taken out leaves the cache, too: at rest it is empty.
    pub journal_cache_bytes: usize,
    /// Bytes of memory that decompressed segments of the main file may take, so that what is read again is
    /// taken from there and the file is not touched. Default 40 MiB: one session of 32 MiB, with what it
    /// takes beside its bytes. Nothing is taken before somebody reads 256 KiB at once, and all is given
    /// back when nobody has read for ten seconds; by a log that is opened for reading alone, when it is
    /// closed. 0 keeps none.
    pub segment_cache_bytes: usize,
    /// Bytes that make a fold due: of memory, where all that is not folded yet is held beside the
    /// journal's file. It is read again after a crash. Default 16 MiB: enough that busy sessions
    /// fill segments of their own, few enough to be read again in a moment. Less than that is folded by
    /// [`fold_after`](Self::fold_after). At most 24 MiB; more is taken for that: who writes faster than is folded
    /// is held back from there on.
    pub fold_bytes: u64,
    /// How long nothing is written before what there is is folded, however little. It is also how long what was
    /// trimmed or deleted waits for that, whoever goes on writing, as somebody waits for the room; and 30 times
    /// that is how long anything does. Default 2 s, so that nothing waits for longer than a minute: long enough that what is
    /// written, trimmed or deleted in one go is folded together, and short enough that a daemon is soon at
    /// rest. [`Duration::MAX`] folds nothing for the time that passed.
    pub fold_after: Duration,
    /// Bytes kept free for a full disk, in a file beside the log; let go so that the end of a
    /// session can still be recorded, with the output that comes before it; so that trimmed output
    /// and deleted sessions can be taken out, which makes room; so that the log can be opened; and when
    /// it is closed meanwhile, all that waits, unless [`at_close`](Self::at_close) says otherwise. Once there
    /// is room it is taken back before output takes any. Default 12 MiB: what may wait, and as much again
    /// as one agent's end takes; never more than half of the file system; 0 keeps none.
    pub reserve_bytes: u64,
    /// What becomes of output that still waits when the log is closed on a full disk. Default
    /// [`AtClose::Write`].
    pub at_close: AtClose,
    /// Bytes of output that may wait to be written, over all sessions; who has more waits.
    /// Default 8 MiB: a quarter of a second of a flood of 30 MB/s.
    pub queue_bytes: usize,
    /// Bytes of the cold file that may be free and still have blocks of the file system behind them.
    /// More than that, and than an eighth of the file, are given back in the background, but for
    /// half of it. Default 64 MiB: what a few folds write anew and set free, so that it is not given
    /// back and taken again in turns. [`u64::MAX`] gives nothing back.
    pub spare_bytes: u64,
    /// Called when the log is at rest: all is folded, nothing is kept for readers, and for 3 s there was
    /// nothing to do. Once each time that there was something to do before, opening it included, so an
    /// idle log wakes nobody. It is for a program that then has its allocator give back what it keeps
    /// free: after a load that is several times what the log uses, and not for a library to do to its
    /// host. It may block for some milliseconds: it is called on a thread of the log's own, which folds
    /// nothing meanwhile. A panic in it goes no further. Default: nothing is called; nor is it ever by
    /// a log that is opened for reading alone.
    pub at_rest: Option<fn()>,
}

/// What becomes of output that waits for room when the log is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtClose {
    /// It is written into the reserve, as far as that goes: for whoever has it nowhere else.
    #[default]
    Write,
    /// It is left to whoever brought it, who has it still, and the reserve is kept for the next opening.
    Leave,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 4 << 20,
            journal_cache_bytes: 32 << 20,
            segment_cache_bytes: 40 << 20,
            fold_bytes: 16 << 20,
            fold_after: Duration::from_secs(2),
            reserve_bytes: 12 << 20,
            at_close: AtClose::default(),
            queue_bytes: 8 << 20,
            spare_bytes: 64 << 20,
            at_rest: None,
        }
    }
}
