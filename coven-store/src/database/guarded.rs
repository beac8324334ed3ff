//! Work on the database of which a panic is damage.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::fault::{Fault, damage};
use crate::file::{NotGiven, reading};

/// Runs `work`. Pages that were altered outside of redb may make it panic: that is damage, and no
/// reason for a thread to die.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let _depth = Caught::enter();
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(damage(problem_of(panic.as_ref()))))
}

/// The same for `read`, which does not write: what the disk does not give is damage to it as well, where the disk
/// gives other places.
pub(crate) fn guarded_read<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    guarded(|| reading(read))
}

/// What `read` gives, within work that is guarded so; `None` where the disk does not give what it reads.
pub(crate) fn if_given<T>(read: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(found) => Some(found),
        Err(panic) if panic.is::<NotGiven>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// What a panic says of the database.
fn problem_of(panic: &(dyn Any + Send)) -> String {
    match panic.downcast_ref::<NotGiven>() {
        Some(not_given) => not_given.to_string(),
        None => "pages of the database contradict each other".to_owned(),
    }
}

/// What `work` gives; `None` where it panicked.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let _depth = Caught::enter();
    catch_unwind(AssertUnwindSafe(work)).ok()
}

thread_local! {
    /// How deep this thread is in work whose panics are caught.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

struct Caught;

impl Caught {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Whether a panic of this thread now would be caught by the log and told as damage. A panic hook asks
/// this, so that nobody is shown a panic beside that.
pub fn catches_panics() -> bool {
    DEPTH.get() > 0
}
