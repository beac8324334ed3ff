//! Every bound of the log, with its unit and its reason.

use std::time::Duration;

/// Events of one batch: a flood's worth, and few enough to fold in a moment.
pub const MAX_BATCH_EVENTS: usize = 4096;

/// Bytes of one batch as it is stored: one input of 1 MiB wrapped as JSON for a `stream` session
/// (six bytes for one at worst), with room to spare.
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// Bytes of batches that one transaction takes before it commits: large enough that a disk sync
/// is cheap beside the writing, small enough that the dirty pages fit half of the cache.
pub(crate) const MAX_GROUP_BYTES: usize = 2 << 20;

/// Batches that one transaction takes.
pub(crate) const MAX_GROUP_BATCHES: usize = 1024;

/// Bytes of control batches that may wait at once, beside the queue of output.
pub(crate) const CONTROL_QUEUE_BYTES: usize = 2 * MAX_BATCH_BYTES;

/// Sessions whose records the writer keeps in memory, a few KiB each.
pub(crate) const MAX_RECENT_SESSIONS: usize = 2048;

/// Segments of a deleted session erased in one transaction, so that no fold waits long behind it.
pub(crate) const ERASE_SEGMENTS: usize = 64;

/// Segments from which trimmed output is taken in one transaction: each is decompressed for it.
pub(crate) const TRIM_SEGMENTS: usize = 16;

/// Bytes of memory that what waits to be folded may take; then the writer waits too.
pub(crate) const MAX_TAIL_BYTES: u64 = 48 << 20;

/// Bytes that make a fold due at most: half of that, from where on who is too fast is held back.
pub(crate) const MAX_FOLD_BYTES: u64 = MAX_TAIL_BYTES / 2;

/// The same as [`MAX_TAIL_BYTES`] for what sessions are told, and for the output of those that were told to end, which does not wait
/// for the others': one that outlives what is done to it may write for long.
pub(crate) const MAX_ENDING_TAIL_BYTES: u64 = MAX_TAIL_BYTES + (16 << 20);

/// What a batch that ends a session takes at most where it says little else. It waits for no fold, however full the
/// tail is: a few of each session are all there are.
pub(crate) const MAX_BARE_END_BYTES: u64 = 4 << 10;

/// How long a writer that is too fast waits for a fold before it looks whether one goes on.
pub(crate) const FOLD_PATIENCE: Duration = Duration::from_millis(50);

/// Bytes from which memory of what waits to be folded is used again: less the allocator keeps for itself.
pub(crate) const MIN_POOLED_BYTES: usize = 64 << 10;

/// Bytes of such memory that may be free: what a fold lets go of, with room to spare.
pub(crate) const MAX_POOL_BYTES: usize = 24 << 20;

/// How long what a session is told waits for a fold where even the room kept for it is taken; then it is
/// refused. A disk that is slow folds much in that time; one that hangs does nothing for longer.
pub(crate) const TAIL_PATIENCE: Duration = Duration::from_secs(2);

/// Rows taken out of the journal in one transaction, so that nobody waits long behind it.
pub(crate) const TRIM_PARTS: usize = 1024;

/// For so many times [`Options::fold_after`](crate::Options::fold_after) anything waits to be folded, however slowly
/// and for however long somebody goes on writing: a minute as it is by default. A
/// fold writes the last segment of each session anew, so a writer of little is to have some hundred lines
/// together; and what waits is in memory as it was written, and is read again after a crash.
pub(crate) const FOLD_BEFORE_SHARE: u32 = 30;

/// How long who opens a log waits until all pages of what can be made anew were looked at, so that nobody reads
/// one that is damaged: enough for tens of thousands of sessions, and a third of what opening may take.
pub(crate) const LOOK_PATIENCE: Duration = Duration::from_millis(100);

/// How long who met damage waits until it was looked whether that can be made anew, and it was; and how long
/// nobody asks for that again.
pub(crate) const MEND_PATIENCE: Duration = Duration::from_secs(2);

/// For so many times as long as that look took there is no other.
pub(crate) const LOOK_SHARE: u32 = 20;

/// How long a read waits for the database to be reopened after a fault.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(10);

/// How long nobody reads before the memory of decompressed segments is given back. Who pages through a
/// session comes back sooner; a daemon at rest is to be small.
pub(crate) const CACHE_PATIENCE: Duration = Duration::from_secs(10);

/// How long the folder has nothing to do before the log is said to be at rest: longer than a fold lasts and
/// than by default nothing is written before there is one, so that it is not said between two folds of a load.
pub(crate) const REST_AFTER: Duration = Duration::from_secs(3);

/// How many openings of the database a read may fail on: the fault of a disk may pass, and one
/// that does not is not to be met for ever.
pub(crate) const READ_TRIES: u32 = 3;

/// Free pages that follow one another and are given back to the file system are this many bytes at
/// least: about what a segment takes, and long enough that the file is not cut to pieces.
pub(crate) const MAX_RUN_BYTES: u64 = 256 << 10;

/// Bytes given back to the file system before the folder looks what else there is to do.
pub(crate) const PUNCH_BYTES: u64 = 32 << 20;

/// The same in time: a fold may wait that long behind it.
pub(crate) const PUNCH_TIME: Duration = Duration::from_millis(5);

/// Bytes given back at once: a sync of the journal may wait for the file system to do that.
pub(crate) const PUNCH_AT_ONCE_BYTES: u64 = 4 << 20;

/// The first wait before a suspended writer, or a folder in trouble, looks at the disk again; it doubles up to
/// [`MAX_BACKOFF`].
pub(crate) const MIN_BACKOFF: Duration = Duration::from_millis(20);

/// The longest wait before either looks at the disk again: what an owner who freed
/// some room will not notice.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// The same where what was met is damage, which as a rule stays: trying again opens the file again, and who reads
/// begins anew. The first wait, and the longest.
pub(crate) const DAMAGE_BACKOFF: [Duration; 2] =
    [Duration::from_secs(10), Duration::from_secs(300)];

/// The same while the file is not even open, or took long to open: opening it again may mean repairing all of it.
pub(crate) const MAX_REOPEN_BACKOFF: Duration = Duration::from_secs(10);

/// How long a batch that may be refused waits for a suspended writer to look at the disk again:
/// much of what goes wrong is over by then.
pub(crate) const REFUSAL_PATIENCE: Duration = Duration::from_millis(50);

/// Places that are passed over in a log whose newest part was lost, so that none is used twice:
/// more than what may wait in the journal can have.
pub(crate) const LOST_SEQS: u64 = 1 << 24;

/// Places of a file that the disk does not give while it gives others, of which nobody is held up: a disk that gives
/// more of them not is failing.
pub(crate) const MAX_DEAD_PLACES: usize = 64;

/// For so many times as long as a disk took to say that it does not give a place it is not asked for it again.
pub(crate) const DEAD_SECTOR_SHARE: u32 = 10;
