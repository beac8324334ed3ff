//! What a kill, or a bit that turned, left of a journal: it is looked at before the database opens it.

use std::path::Path;

use redb::StorageBackend;

use super::open::open_error;
use super::shadow::Shadow;
use crate::error::OpenError;
use crate::raw::{Effort, RawFile, Snapshot};

/// Turns the bit back that turned in one page of a journal, which is short: in memory, as all that is done to a file that
/// is held. The database would let go of the last commit for it, or not open the file.
pub(super) fn put_in_order(shadow: &Shadow, path: &Path) -> Result<(), OpenError> {
    let io = |source| open_error(path, source);
    let file = || RawFile::lent(shadow).map_err(io);
    let look = |file| {
        let last = Snapshot::at_last(file);
        last.look_at_everything();
        last
    };
    // Where there are more, the power failed as the commit was made.
    if look(file()?).take_bad().len() == 1 {
        let turned = look(file()?.turning_bits_back(Effort::TO_OPEN));
        for (at, bits) in turned.file.turned_bits() {
            let mut byte = [0];
            shadow.read(at, &mut byte).map_err(io)?;
            tracing::warn!(path = %path.display(), at, bits, "a bit turned in a page, and is put right");
            shadow.write(at, &[byte[0] ^ bits]).map_err(io)?;
        }
    }
    Ok(())
}
