//! `/proc/PID/stat`: the few fields that tell one process from another.

use std::fs::File;
use std::io::{self, Read};

/// What Coven needs of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The executable's name, cut to 15 bytes by the kernel.
    pub(crate) name: String,
    /// The parent's pid; 1, or a subreaper's, once the parent is gone.
    pub(crate) parent: u32,
    /// The session's number: its leader's pid.
    pub(crate) session: u32,
    /// Clock ticks since boot.
    pub(crate) start_time: u64,
    /// Which program it runs, as one exec gave it: where its stack starts, which is drawn by lot
    /// anew with each. 0 where it is not told, of another user's process.
    pub(crate) image: u64,
    /// Where its code starts: the last that an exec sets, and gone early in an exit.
    code_start: u64,
    state: char,
    threads: u32,
    flags: u32,
}

/// The kernel's mark of its own threads, in field 9.
const PF_KTHREAD: u32 = 0x0020_0000;

/// A name of 15 bytes and 51 numbers of 20 digits at most, each with what separates it.
const MAX_LINE_BYTES: usize = 2048;

impl Stat {
    /// Reads one process's. Fails with `NotFound` when there is no such process.
    pub(crate) fn read(pid: u32) -> io::Result<Self> {
        let mut line = [0; MAX_LINE_BYTES];
        let mut file = File::open(format!("/proc/{pid}/stat")).map_err(gone)?;
        // The kernel gives the whole line to one read that has room for it.
        let len_bytes = file.read(&mut line).map_err(gone)?;
        Self::parse(&line[..len_bytes]).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat is not as known"),
            )
        })
    }

    /// Neither dead nor a zombie: one whose first thread has ended while others run is alive.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x') || self.threads > 1
    }

    /// Whether it stands still until somebody has it go on: a signal, or a debugger.
    pub(crate) const fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Whether it runs one program through, from `earlier` to this: no exec or exit has begun.
    pub(crate) fn runs_on_since(&self, earlier: &Self) -> bool {
        self.start_time == earlier.start_time && self.image == earlier.image && self.code_start != 0
    }

    /// A thread of the kernel, which has neither memory nor an environment.
    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// The name stands in parentheses and may itself hold some, spaces and newlines too: what
    /// follows the last one is fields by number.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|&b| b == b'(')?;
        let close = bytes.iter().rposition(|&b| b == b')')?;
        let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        // The numbers are those of the manual page; the rest begins with number 3.
        let mut last = 2;
        let mut field = |number: usize| {
            let skipped = number - last - 1;
            last = number;
            fields.nth(skipped)
        };
        Some(Self {
            name,
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            flags: field(9)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            code_start: field(26).map_or(Some(0), |field| field.parse().ok())?,
            image: field(28).map_or(Some(0), |field| field.parse().ok())?,
        })
    }
}

/// A process that ends between open and read gives ESRCH.
fn gone(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::ESRCH) {
        io::ErrorKind::NotFound.into()
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_spaces_and_newlines_does_not_shift_the_fields() {
        let line = b"42 (a) R 1 (\n) S 7 42 41 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.name, "a) R 1 (\n");
        assert_eq!((stat.parent, stat.session, stat.start_time), (7, 41, 98765));
        assert!(stat.is_running());
    }

    #[test]
    fn a_cut_line_is_no_stat() {
        for line in [
            &b""[..],
            b"1",
            b"1 (x",
            b"1 (x) S",
            b"1 (x) S 1 1 1 1 1 1",
            b"1 )x( S 1 2",
        ] {
            assert_eq!(Stat::parse(line), None);
        }
    }

    #[test]
    fn this_process_is_running_and_has_a_parent() {
        let stat = Stat::read(std::process::id()).unwrap();
        assert!(stat.is_running());
        assert_ne!(stat.parent, 0);
    }
}
