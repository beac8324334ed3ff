//! How far a spool goes, for who only reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::OFlags;

use super::{PART_BYTES, part};
use crate::shim::folder;
use crate::shim::frame::{Decoder, MAX_PAYLOAD_BYTES};
use crate::shim::protocol::{PartHead, Record};

/// How far a session's spool goes, whatever of it is on record by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Where the output in it ends, as an offset in all that the session wrote.
    pub output_end: u64,
    /// It has the end of the session, too.
    pub is_over: bool,
}

/// How far the spool in the session's folder at `path` goes; `None` where there is none. Blocks for reading
/// the newest part. Nothing is changed, and nobody kept away: a shim may write meanwhile, so it may go
/// further by now. What is damaged, or was cut by a shim's death, ends it.
///
/// # Errors
/// Those of opening and reading; `NotFound` where there is no such folder.
pub fn reach(path: &Path) -> io::Result<Option<Reach>> {
    let folder = folder::open(path)?;
    let Some(newest) = part::all(&folder::names(&folder)?).pop() else {
        return Ok(None);
    };
    let file = File::from(part::open(&folder, newest, OFlags::RDONLY)?);
    let mut decoder = Decoder::default();
    let mut bytes = Vec::new();
    // Whatever somebody made longer, no more is looked at than a shim writes.
    file.take(PART_BYTES + MAX_PAYLOAD_BYTES as u64)
        .read_to_end(&mut bytes)?;
    decoder.buffer().extend_from_slice(&bytes);
    let mut reach: Option<Reach> = None;
    while let Ok(Some(frame)) = decoder.next_frame() {
        let Some(reach) = &mut reach else {
            let Ok(Some(head)) = PartHead::decode(&frame) else {
                break;
            };
            reach = Some(Reach {
                output_end: head.offset,
                is_over: false,
            });
            continue;
        };
        let Ok(Some((_, record))) = Record::decode(&frame) else {
            break;
        };
        match record {
            Record::Output { offset, bytes, .. } => {
                reach.output_end = offset.saturating_add(bytes.len() as u64);
            }
            Record::Exited { .. } | Record::LaunchFailed { .. } => reach.is_over = true,
            Record::Started { .. }
            | Record::InputTaken { .. }
            | Record::InputDone { .. }
            | Record::Answered { .. }
            | Record::Resized { .. }
            | Record::OutputClosed { .. }
            | Record::Unknown { .. } => {}
        }
    }
    Ok(reach)
}
