//! Whether erasing or trimming comes to an end: for tests.

use std::path::Path;

use redb::{Database, WriteTransaction};

use super::spared::{Spared, Task};
use crate::fault::Fault;

/// More than any of the tests has to do.
const STEPS: u64 = 100;

/// Goes on with `some` as the folder does, which leaves alone what damage was met in, until there is nothing left;
/// `false` where it comes to no end.
pub(super) fn comes_to_an_end(
    path: &Path,
    some: impl Fn(&WriteTransaction, &mut Spared, &mut Option<Task>) -> Result<bool, Fault>,
) -> bool {
    let db = Database::open(path).expect("it is closed");
    let (mut spared, mut at) = (Spared::default(), None);
    (0..STEPS).any(|_| {
        let txn = db.begin_write().expect("a transaction");
        match some(&txn, &mut spared, &mut at) {
            Ok(true) => txn.commit().expect("a commit"),
            Ok(false) => return true,
            Err(Fault::Damage(_)) => spared.add(at.expect("it is known")),
            Err(fault) => panic!("{fault:?}"),
        }
        false
    })
}
