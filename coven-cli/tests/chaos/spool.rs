//! What shims have in their spools.

use std::fs;
use std::io;
use std::path::PathBuf;

use coven::shim::{Found, Record, look};

use crate::home::Home;

/// What a shim that is dead had put into its spool.
pub(crate) struct InSpool {
    pub(crate) shim: u64,
    /// The output, and where in all of it that begins.
    pub(crate) offset: usize,
    pub(crate) output: Vec<u8>,
}

/// The folder of a session's shim.
fn folder(home: &Home, id: &str) -> PathBuf {
    home.dir().join("spools").join(id)
}

/// How many bytes a session's spool takes.
pub(crate) fn len_bytes(home: &Home, id: &str) -> u64 {
    let parts = fs::read_dir(folder(home, id)).into_iter().flatten();
    let len_bytes = |part: fs::DirEntry| part.metadata().map_or(0, |about| about.len());
    parts.flatten().map(len_bytes).sum()
}

/// What is in the spool of a session whose shim is dead; `None` where that, or a part of it, was
/// removed. Nobody else may look at it meanwhile.
pub(crate) fn read(home: &Home, id: &str) -> Option<InSpool> {
    let remains = match look(&folder(home, id)) {
        Ok(Found::Dead(remains)) => remains,
        Ok(found) => panic!("the shim of {id} lives: {found:?}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{id}: {error}"),
    };
    let left = remains.records().expect("it can be read");
    let head = left.peek_head()?;
    let (mut offset, mut output) = (None, Vec::new());
    for recorded in left {
        if let Record::Output {
            offset: at, bytes, ..
        } = recorded.expect("it is whole").record
        {
            offset.get_or_insert(at);
            output.extend_from_slice(&bytes);
        }
    }
    Some(InSpool {
        shim: head.shim_pid.into(),
        offset: usize::try_from(offset.unwrap_or_default()).expect("it is in memory"),
        output,
    })
}

impl InSpool {
    /// All of it is in what is on record.
    pub(crate) fn is_in(&self, on_record: &[u8]) {
        let end = self.offset + self.output.len();
        assert!(
            on_record.get(self.offset..end) == Some(&self.output[..]),
            "{} bytes from {} on were in the spool, and {} are on record",
            self.output.len(),
            self.offset,
            on_record.len()
        );
    }
}
