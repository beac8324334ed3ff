//! The agent: it writes a stream of its own making, cut at every place, and takes lines; and puts
//! down, beside Coven, what it wrote and what it was typed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};

use crate::lot::Lot;

/// What an agent is told: its prompt.
pub(crate) struct Told {
    pub(crate) number: u64,
    pub(crate) len_bytes: u64,
    pub(crate) dir: PathBuf,
}

impl Told {
    pub(crate) fn prompt(&self) -> String {
        format!("{} {} {}", self.number, self.len_bytes, self.dir.display())
    }

    fn parse(prompt: &str) -> Self {
        let mut words = prompt.splitn(3, ' ');
        let mut word = || words.next().expect("three words");
        Self {
            number: word().parse().expect("a number"),
            len_bytes: word().parse().expect("a number"),
            dir: word().into(),
        }
    }

    /// Where it puts down what it wrote.
    pub(crate) fn wrote(&self) -> PathBuf {
        self.dir.join(format!("{}.wrote", self.number))
    }

    /// Where it puts down what it was typed.
    pub(crate) fn typed(&self) -> PathBuf {
        self.dir.join(format!("{}.typed", self.number))
    }
}

/// Is the agent: ends once it has written its stream and was typed `end`.
pub(crate) fn run(prompt: &str) {
    let told = Told::parse(prompt);
    set_terminal(is_raw(&told));
    let typed = File::create(told.typed()).expect("a file");
    let reading = thread::spawn(move || read_lines(typed));
    write_stream(&told);
    reading.join().expect("it reads");
    fs::write(told.dir.join(format!("{}.done", told.number)), "").expect("a file");
}

/// Whether its terminal is raw.
const fn is_raw(told: &Told) -> bool {
    told.number.is_multiple_of(2)
}

/// Nothing is echoed. Odd ones keep the terminal's lines, and its treatment of output.
fn set_terminal(is_raw: bool) {
    let mut modes = tcgetattr(io::stdin()).expect("a terminal");
    modes.local_modes.remove(LocalModes::ECHO);
    if is_raw {
        modes
            .local_modes
            .remove(LocalModes::ICANON | LocalModes::ISIG);
        modes.input_modes.remove(InputModes::ICRNL);
        modes.output_modes.remove(OutputModes::OPOST);
    }
    tcsetattr(io::stdin(), OptionalActions::Now, &modes).expect("a terminal");
}

fn read_lines(mut typed: File) {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = io::stdin().read(&mut byte) {
        if byte != *b"\n" {
            line.push(byte[0]);
            continue;
        }
        if line == b"end" {
            return;
        }
        line.push(b'\n');
        typed.write_all(&line).expect("a file takes it");
        line.clear();
    }
}

/// Escapes, characters of every length, what is no UTF-8, and a lone ESC. No line feed, which a
/// terminal that treats output would make two bytes of.
/// The last asks where the cursor is. Answers come into what is typed: a terminal that keeps lines has
/// room for 4,095 bytes in one, and would drop the rest, so an agent with such a terminal does not ask.
const PIECES: [&[u8]; 11] = [
    b"plain text ",
    "é".as_bytes(),
    "€".as_bytes(),
    "\u{1f600}".as_bytes(),
    b"\x1b[1;31m",
    b"\x1b[?2004h",
    b"\x1b]0;title\x07",
    b"\xff\xc3",
    b"\x1b",
    b"\xf0\x9f",
    b"\x1b[6n",
];

fn write_stream(told: &Told) {
    let mut lot = Lot::of(told.number);
    let mut kept = File::create(told.wrote()).expect("a file");
    let pieces = if is_raw(told) { 11 } else { 10 };
    let mut left = told.len_bytes;
    while left > 0 {
        let mut bytes = Vec::new();
        for _ in 0..1 + lot.below(200) {
            bytes.extend_from_slice(
                PIECES[usize::try_from(lot.below(pieces)).expect("one of them")],
            );
        }
        // At every place, within characters and sequences.
        let most = u64::try_from(bytes.len()).expect("a length");
        bytes.truncate(usize::try_from(1 + lot.below(most)).expect("a length"));
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= u64::try_from(bytes.len()).expect("a length");
        kept.write_all(&bytes).expect("a file takes it");
        io::stdout()
            .write_all(&bytes)
            .expect("the terminal takes it");
        io::stdout().flush().expect("the terminal takes it");
        if lot.below(4) == 0 {
            // Agents pause.
            thread::sleep(Duration::from_millis(lot.below(20)));
        }
    }
}
