//! `LineEnds`: takes back what a terminal did to line ends.
//!
//! A session that is not interactive writes to a terminal all the same, and a terminal writes a
//! carriage return before each line feed (ONLCR). Taking one carriage return from before each
//! line feed gives exactly what the process wrote, its own carriage returns included.

/// Reads output in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    /// A carriage return that may belong to a line feed to come.
    held: bool,
}

impl LineEnds {
    /// What the process wrote, as far as it can be told.
    pub(super) fn undo(&mut self, output: &[u8]) -> Vec<u8> {
        let mut written = Vec::with_capacity(output.len() + 1);
        for byte in output {
            if std::mem::take(&mut self.held) && *byte != b'\n' {
                written.push(b'\r');
            }
            if *byte == b'\r' {
                self.held = true;
            } else {
                written.push(*byte);
            }
        }
        written
    }

    /// The rest, once there is no more output.
    pub(super) const fn end(&self) -> &'static [u8] {
        if self.held { b"\r" } else { b"" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(written: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        for byte in written {
            if *byte == b'\n' {
                output.push(b'\r');
            }
            output.push(*byte);
        }
        output
    }

    #[test]
    fn what_the_process_wrote_comes_back_however_it_is_cut() {
        let written = b"a\nb\r\nc\r\r\n50%\r100%\n\r\n\n\xff\x1b[0m\r";
        let output = terminal(written);
        for cut in 0..=output.len() {
            let mut line_ends = LineEnds::default();
            let mut back = line_ends.undo(&output[..cut]);
            back.extend(line_ends.undo(&output[cut..]));
            back.extend_from_slice(line_ends.end());
            assert_eq!(back, written, "cut at {cut}");
        }
    }
}
