//! `Crew`: two that compress side by side. A fold's time is compression, and while it lasts the
//! journal grows.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::cut::Cut;
use super::extend::{Extension, Thrift};
use super::pack::Packer;

/// Fewer bytes are sooner compressed by one than given to another.
const WORTH_BYTES: usize = 64 << 10;

/// How much less urgent the other one is than who appends, whose answers are waited for: its time is
/// that which the processors have left.
const OTHER_NICE: i32 = 10;

pub(super) struct Crew {
    thrift: Thrift,
    own: Packer,
    other: Option<Packer>,
}

impl Crew {
    pub(super) fn new(thrift: Thrift) -> Self {
        Self {
            thrift,
            own: Packer::saving(thrift),
            other: None,
        }
    }

    /// What one of them compresses with, for what is small.
    pub(super) fn packer(&mut self) -> &mut Packer {
        &mut self.own
    }

    /// The segments of each extension.
    pub(super) fn cut(&mut self, extensions: &[Extension<'_>]) -> Vec<Vec<Cut>> {
        let bytes: usize = extensions.iter().map(Extension::len_bytes).sum();
        if extensions.len() < 2 || bytes < WORTH_BYTES {
            return extensions
                .iter()
                .map(|extension| extension.cut(&mut self.own, self.thrift))
                .collect();
        }
        let thrift = self.thrift;
        let other = self.other.get_or_insert_with(|| Packer::saving(thrift));
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(extensions.len()));
        let work = |packer: &mut Packer| {
            while let Some((place, extension)) = take(&next, extensions) {
                let cuts = extension.cut(packer, thrift);
                done.lock()
                    .expect("nobody panics with it")
                    .push((place, cuts));
            }
        };
        thread::scope(|scope| {
            // Where the system has no thread to give, all is done by this one.
            let _ = thread::Builder::new().spawn_scoped(scope, || {
                // Where it cannot be less urgent, it is as urgent as the rest.
                let _ = rustix::process::setpriority_process(None, OTHER_NICE);
                work(other);
            });
            work(&mut self.own);
        });
        let mut done = done.into_inner().expect("nobody panics with it");
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, cuts)| cuts).collect()
    }
}

fn take<'a, T>(next: &AtomicUsize, of: &'a [T]) -> Option<(usize, &'a T)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    of.get(place).map(|one| (place, one))
}
