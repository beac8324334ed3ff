//! Reading back what a shim left that is dead.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{PART_BYTES, part, torn};
use crate::shim::folder;
use crate::shim::frame::{Decoder, Frame, MAX_PAYLOAD_BYTES};
use crate::shim::protocol::{PartHead, Record, Recorded, is_record};

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// The spool of a session whose shim is dead, record by record.
///
/// A record that was cut by the shim's death is the end of it. It was forwarded to nobody, since a record is
/// written whole before that. Nothing is changed in the files.
#[derive(Debug)]
pub struct Leftover {
    folder: OwnedFd,
    /// Where that is, to say which file is damaged.
    path: PathBuf,
    /// The parts not begun yet.
    parts: VecDeque<u64>,
    open: Option<Open>,
    /// The number of the next record; `None` before the first part.
    next: Option<u64>,
    is_over: bool,
}

#[derive(Debug)]
struct Open {
    first: u64,
    file: File,
    decoder: Decoder,
    /// Where the frame begins that is decoded next.
    offset: u64,
    head: bool,
}

/// What cannot be read, and where. Everything before it was; nothing after it is.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The disk cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error("{} is damaged at byte {offset}", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: u64,
    },
    /// A part is missing.
    #[error("records {from} to {to} are missing")]
    Missing {
        /// The first that is not there.
        from: u64,
        /// The last.
        to: u64,
    },
}

impl Leftover {
    /// Opens the spool in `folder`, which is at `path`. Hold the folder's lock meanwhile: who does is the
    /// only one who touches it. A folder without a part is an empty spool.
    ///
    /// # Errors
    /// Those of listing the folder.
    pub(in crate::shim) fn open(folder: OwnedFd, path: &Path) -> io::Result<Self> {
        let parts = part::all(&folder::names(&folder)?);
        Ok(Self {
            folder,
            path: path.to_owned(),
            parts: parts.into(),
            open: None,
            next: None,
            is_over: false,
        })
    }

    /// Whether there is a part to be read.
    pub(in crate::shim) fn has_part(&self) -> bool {
        self.open.is_some() || !self.parts.is_empty()
    }

    /// What the part that is being read says of itself, or the one to come; `None` where there is
    /// none, or where it is damaged.
    pub fn peek_head(&self) -> Option<PartHead> {
        let first = self
            .open
            .as_ref()
            .map(|open| open.first)
            .or(self.parts.front().copied())?;
        let mut decoder = Decoder::default();
        let mut start = Vec::new();
        let file = self.file(first).ok()?;
        file.take(READ_BYTES as u64).read_to_end(&mut start).ok()?;
        decoder.buffer().extend_from_slice(&start);
        PartHead::decode(&decoder.next_frame().ok()??).ok()?
    }

    /// A part's file.
    fn file(&self, first: u64) -> io::Result<File> {
        Ok(part::open(&self.folder, first, OFlags::RDONLY)?.into())
    }

    fn path(&self, first: u64) -> PathBuf {
        self.path.join(part::name(first))
    }

    fn read(&mut self) -> Result<Option<Recorded>, Damage> {
        loop {
            if self.open.is_none() && !self.begin_part()? {
                return Ok(None);
            }
            let Some(frame) = self.frame()? else {
                self.open = None;
                continue;
            };
            if is_record(frame.kind) {
                let changed = self.changed();
                let Ok(Some((at, record))) = Record::decode(&frame) else {
                    return Err(changed);
                };
                let number = self.next.expect("a part has begun");
                self.next = Some(number + 1);
                return Ok(Some(Recorded { number, at, record }));
            }
        }
    }

    /// Opens the next part, if there is one.
    fn begin_part(&mut self) -> Result<bool, Damage> {
        let Some(first) = self.parts.pop_front() else {
            return Ok(false);
        };
        let next = self.next.unwrap_or(first);
        if first != next {
            let (from, to) = (next, first.saturating_sub(1));
            return Err(Damage::Missing { from, to });
        }
        let unreadable = |source| Damage::Unreadable {
            file: self.path(first),
            source,
        };
        let file = self.file(first).map_err(unreadable)?;
        self.next = Some(first);
        self.open = Some(Open {
            first,
            file,
            decoder: Decoder::default(),
            offset: 0,
            head: false,
        });
        Ok(true)
    }

    /// The next frame of the part that is open; `None` at its end.
    fn frame(&mut self) -> Result<Option<Frame>, Damage> {
        let is_last = self.parts.is_empty();
        let open = self.open.as_mut().expect("one is open");
        let file = self.path.join(part::name(open.first));
        let unreadable = |source| Damage::Unreadable {
            file: file.clone(),
            source,
        };
        loop {
            let before = open.decoder.left_bytes();
            match open.decoder.next_frame() {
                Ok(Some(frame)) => {
                    open.offset += (before - open.decoder.left_bytes()) as u64;
                    let is_head = PartHead::decode(&frame)
                        .is_ok_and(|head| head.is_some_and(|head| head.first == open.first));
                    if open.head != is_head {
                        open.head = true;
                        return Ok(Some(frame));
                    }
                    return Err(self.changed());
                }
                Ok(None) => {
                    let mut bytes = vec![0; READ_BYTES];
                    let read = open.file.read(&mut bytes).map_err(unreadable)?;
                    open.decoder.buffer().extend_from_slice(&bytes[..read]);
                    if read == 0 {
                        return match open.decoder.left_bytes() {
                            0 => Ok(None),
                            _ if is_last && torn::is_cut(open.decoder.buffer()) => Ok(None),
                            _ => Err(self.changed()),
                        };
                    }
                }
                Err(_) if is_last && open.is_torn().map_err(unreadable)? => return Ok(None),
                Err(_) => return Err(self.changed()),
            }
        }
    }

    fn changed(&self) -> Damage {
        let open = self.open.as_ref().expect("one is open");
        Damage::Changed {
            file: self.path(open.first),
            offset: open.offset,
        }
    }
}

impl Open {
    /// Whether what does not decode is what a power cut leaves at the end of a file: a length
    /// without the bytes it was of.
    fn is_torn(&mut self) -> io::Result<bool> {
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        if !is_zero(self.decoder.buffer()) {
            return Ok(false);
        }
        // Whatever a file says that an agent made longer, no more is looked at than a shim writes.
        let mut left_bytes = PART_BYTES + MAX_PAYLOAD_BYTES as u64;
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let read = self.file.read(&mut bytes)?;
            if read == 0 {
                return Ok(true);
            }
            left_bytes = left_bytes.saturating_sub(read as u64);
            if left_bytes == 0 || !is_zero(&bytes[..read]) {
                return Ok(false);
            }
        }
    }
}

impl Iterator for Leftover {
    type Item = Result<Recorded, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}
