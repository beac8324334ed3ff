//! The agent: it writes a stream of its own making, cut at every place, and takes lines; and puts
//! down, beside Coven, what it wrote and what it was typed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};

use crate::lot::Lot;

/// What an agent is told: its prompt.
pub(crate) struct Told {
    /// Even ones have a raw terminal, and ask it where the cursor is.
    pub(crate) number: u64,
    /// With the number, what its stream is drawn from.
    pub(crate) seed: u64,
    pub(crate) manner: Manner,
    /// How much it writes, unless it is typed `end` before.
    pub(crate) len_bytes: u64,
    pub(crate) dir: PathBuf,
}

/// How an agent goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// With pauses.
    Pauses,
    /// With pauses, from when it is typed `go`.
    PausesWhenTold,
    /// With pauses, beside a tool that has a session of its own and ignores hangups.
    HasATool,
    /// Without a pause, from when it is typed `go`.
    FloodsWhenTold,
}

const MANNERS: [(&str, Manner); 4] = [
    ("pauses", Manner::Pauses),
    ("pauses-when-told", Manner::PausesWhenTold),
    ("has-a-tool", Manner::HasATool),
    ("floods-when-told", Manner::FloodsWhenTold),
];

impl Told {
    pub(crate) fn prompt(&self) -> String {
        let named = MANNERS.iter().find(|(_, manner)| *manner == self.manner);
        let (manner, _) = named.expect("it has a name");
        let dir = self.dir.display();
        let Self {
            number,
            seed,
            len_bytes,
            ..
        } = self;
        format!("{number} {seed} {manner} {len_bytes} {dir}")
    }

    fn parse(prompt: &str) -> Self {
        let mut words = prompt.splitn(5, ' ');
        let mut word = || words.next().expect("five words");
        let number = word().parse().expect("a number");
        let seed = word().parse().expect("a number");
        let name = word();
        let named = MANNERS.iter().find(|(known, _)| *known == name);
        Self {
            number,
            seed,
            manner: named.expect("a manner").1,
            len_bytes: word().parse().expect("a number"),
            dir: word().into(),
        }
    }

    /// Where it puts down what it wrote, before it writes it.
    pub(crate) fn wrote(&self) -> PathBuf {
        self.dir.join(format!("{}.wrote", self.number))
    }

    /// Where it puts down what it was typed.
    pub(crate) fn typed(&self) -> PathBuf {
        self.dir.join(format!("{}.typed", self.number))
    }

    /// What is there once it has written everything.
    pub(crate) fn is_written(&self) -> PathBuf {
        self.dir.join(format!("{}.is-written", self.number))
    }
}

/// A line that is for the agent itself.
enum Word {
    Go,
    End,
}

/// How an agent asks its terminal where the cursor is.
const ASKS: &[u8] = b"\x1b[6n";

/// How often it did, of what it wrote.
pub(crate) fn questions(wrote: &[u8]) -> usize {
    wrote
        .windows(ASKS.len())
        .filter(|bytes| *bytes == ASKS)
        .count()
}

/// Is the agent: ends once it has written its stream, was typed `end`, and, unless it floods, all
/// that it asked its terminal was answered.
pub(crate) fn run(prompt: &str) {
    let told = Told::parse(prompt);
    set_terminal(is_raw(&told));
    let tool = (told.manner == Manner::HasATool).then(tool);
    let typed = File::create(told.typed()).expect("a file");
    let (sender, words) = channel();
    let reading = thread::spawn(move || read_lines(Typed::into(typed), &sender));
    if matches!(told.manner, Manner::PausesWhenTold | Manner::FloodsWhenTold) {
        words.recv().expect("it is typed something");
    }
    write_stream(&told, &words);
    fs::write(told.is_written(), "").expect("a file");
    let typed = reading.join().expect("it reads");
    // Of one that floods its terminal with questions not all are answered: few answers may wait.
    if told.manner != Manner::FloodsWhenTold {
        let wrote = fs::read(told.wrote()).expect("a file");
        typed.read_answers(questions(&wrote));
    }
    if let Some(mut tool) = tool {
        tool.kill().expect("it runs");
        tool.wait().expect("it is ours");
    }
}

/// What goes on when the agent's terminal is gone.
fn tool() -> Child {
    Command::new("setsid")
        .args(["sh", "-c", "trap '' HUP; exec tail -f /dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid runs")
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

/// What it was typed, as it is put down.
struct Typed {
    file: File,
    answers: usize,
}

impl Typed {
    const fn into(file: File) -> Self {
        Self { file, answers: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        // Only answers have this letter, which is their last.
        self.answers += bytes.iter().filter(|byte| **byte == b'R').count();
        self.file.write_all(bytes).expect("a file takes it");
    }

    /// Reads on until there are so many answers.
    fn read_answers(mut self, expected: usize) {
        let mut byte = [0];
        while self.answers < expected && matches!(io::stdin().read(&mut byte), Ok(1)) {
            self.put(&byte);
        }
    }
}

/// Until it is typed `end`.
fn read_lines(mut typed: Typed, words: &Sender<Word>) -> Typed {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = io::stdin().read(&mut byte) {
        if byte != *b"\n" {
            line.push(byte[0]);
            continue;
        }
        // An answer of the terminal may be before it, which ends with this letter.
        let word = line.rsplit(|byte| *byte == b'R').next();
        // Who has written everything waits for none.
        if word == Some(b"end") {
            let _ = words.send(Word::End);
            typed.put(&line[..line.len() - b"end".len()]);
            return typed;
        }
        if word == Some(b"go") {
            let _ = words.send(Word::Go);
            line.clear();
            continue;
        }
        line.push(b'\n');
        typed.put(&line);
        line.clear();
    }
    typed
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

/// How often one of them is in what it writes at once, at most.
const MAX_PIECES: u64 = 200;

/// The most that it writes at once: that is put down before it is written.
pub(crate) const MAX_WRITE_BYTES: usize = 11 * MAX_PIECES as usize;

fn write_stream(told: &Told, words: &Receiver<Word>) {
    let mut lot = Lot::of(told.seed).another(told.number);
    let mut kept = File::create(told.wrote()).expect("a file");
    let pieces = if is_raw(told) { 11 } else { 10 };
    let mut left = told.len_bytes;
    while left > 0 {
        if told.manner == Manner::FloodsWhenTold
            && !matches!(words.try_recv(), Err(TryRecvError::Empty))
        {
            return;
        }
        let mut bytes = Vec::new();
        for _ in 0..1 + lot.below(MAX_PIECES) {
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
        if told.manner != Manner::FloodsWhenTold && lot.below(4) == 0 {
            // Agents pause.
            thread::sleep(Duration::from_millis(lot.below(20)));
        }
    }
}
