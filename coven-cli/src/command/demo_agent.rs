//! `coven demo-agent`: the small scripted agent of `coven demo`. It is a harness only in the
//! demo's own home, through a manifest there.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use crate::exit::Exit;
use crate::failure::Failure;

/// Play the demo's agent
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it is to do
    #[arg(required = true)]
    prompt: String,
}

/// How a question ends: the demo answers a line that ends like this.
pub(super) const QUESTION_END: &str = "[y/n]";

/// Between two words, so that they can be read as they come.
const PAUSE: Duration = Duration::from_millis(90);

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    play(&args.prompt, &mut io::stdin().lock(), &mut io::stdout())
        .map_err(|error| Failure::output(&error))
}

fn play(prompt: &str, typed: &mut impl BufRead, screen: &mut impl Write) -> io::Result<Exit> {
    writeln!(screen, "{BOLD}I am to {prompt}.{PLAIN}")?;
    say(
        screen,
        "First I look at what is there: three files, one test that fails.",
    )?;
    say(screen, "The cause is in the second file, line 7.")?;
    writeln!(screen, "May I change it? {QUESTION_END}")?;
    screen.flush()?;
    let mut answer = String::new();
    typed.read_line(&mut answer)?;
    if !answer.trim().eq_ignore_ascii_case("y") {
        writeln!(screen, "Then I leave it as it is.")?;
        return Ok(Exit::Failed);
    }
    say(screen, "Changed. Now the tests once more:")?;
    writeln!(screen, "{GREEN}3 passed, 0 failed{PLAIN}")?;
    screen.flush()?;
    Ok(Exit::Done)
}

/// Word by word, as a model's answer comes.
fn say(screen: &mut impl Write, sentence: &str) -> io::Result<()> {
    for word in sentence.split_inclusive(' ') {
        std::thread::sleep(PAUSE);
        write!(screen, "{word}")?;
        screen.flush()?;
    }
    writeln!(screen)
}
