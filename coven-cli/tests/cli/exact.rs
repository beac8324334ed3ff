//! What `log --follow --raw` asks the daemon for, as one who listens in hears it, and may interrupt.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::home::Home;

/// What is done once, when half of an answer with output is passed on, which then breaks off.
type Interruption = Box<dyn FnOnce() + Send>;

/// Passes requests on to a home's daemon, keeps their heads, and passes each answer on once it is
/// whole: so a stream of events comes all at once.
struct Between {
    home: tempfile::TempDir,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Between {
    fn listen(home: &Home, interruption: Option<Interruption>) -> Self {
        let between = tempfile::Builder::new()
            .prefix("cli")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .unwrap();
        let listener = UnixListener::bind(between.path().join("coven.sock")).unwrap();
        let daemon = home.dir().join("coven.sock");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let heard = heads.clone();
        let interruption = Arc::new(Mutex::new(interruption));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (daemon, heard) = (daemon.clone(), heard.clone());
                let interruption = interruption.clone();
                std::thread::spawn(move || {
                    pass_on(client.unwrap(), &daemon, &heard, &interruption);
                });
            }
        });
        Self {
            home: between,
            heads,
        }
    }

    /// `log --follow --raw` of a session, through this.
    fn follow(&self, home: &Home, id: &str) -> Output {
        home.coven(["log", "--follow", "--raw", id])
            .env("COVEN_HOME", self.home.path())
            .output()
            .unwrap()
    }

    /// The `Range` of each request for output, in order.
    fn ranges(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let outputs = heads.iter().filter(|head| head.contains("/output "));
        let range = |head: &String| {
            let line = head.lines().find_map(|line| line.strip_prefix("range: "));
            line.unwrap_or("none").to_owned()
        };
        outputs.map(range).collect()
    }
}

fn pass_on(
    mut client: UnixStream,
    daemon: &PathBuf,
    heard: &Mutex<Vec<String>>,
    interruption: &Mutex<Option<Interruption>>,
) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let text = String::from_utf8(head.clone()).unwrap().to_lowercase();
    let is_output = text.contains("/output ");
    heard.lock().unwrap().push(text);
    let mut daemon = UnixStream::connect(daemon).unwrap();
    daemon.write_all(&head).unwrap();
    daemon.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    daemon.read_to_end(&mut answer).unwrap();
    if is_output && let Some(interrupt) = interruption.lock().unwrap().take() {
        let head = answer
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .unwrap()
            + 4;
        client
            .write_all(&answer[..head.midpoint(answer.len())])
            .unwrap();
        interrupt();
        return;
    }
    client.write_all(&answer).unwrap();
}

#[test]
fn bytes_that_are_no_text_are_asked_for_run_by_run_and_no_further() {
    let home = Home::new();
    let id = home.launch(
        r"stty -echo; echo ready; read line; printf '\377one\n'; read line; printf 'two\376\n';
          read line; printf 'three\n'; read line; printf '\375four\n'; read line; exit",
    );
    home.wait_for_output(&id, "ready");
    // Each piece is an event of its own: it is on record before the next is asked for.
    for word in ["one", "two", "three", "four"] {
        home.text(["input", "--raw", &id, "\r"]);
        home.wait_for_output(&id, word);
    }
    home.text(["input", "--raw", &id, "\r"]);
    home.wait_for_end(&id);
    let between = Between::listen(&home, None);
    let output = between.follow(&home, &id);
    let expected = b"ready\r\n\xffone\r\ntwo\xfe\r\nthree\r\n\xfdfour\r\n";
    assert_eq!(output.stdout, expected, "{output:?}");
    // The two that follow each other, and the one after text.
    assert_eq!(between.ranges(), ["bytes=7-18", "bytes=26-32"]);
}

#[test]
fn of_bytes_that_are_trimmed_as_they_come_those_that_came_and_those_that_are_left_are_shown() {
    let home = Home::new();
    let id = home.launch(
        r"stty -echo; echo ready; for piece in 1 2 3 4; do read line; printf '\377%097d\n' $piece; done;
          read line; exit",
    );
    home.wait_for_output(&id, "ready");
    let piece = |number: u8| [b"\xff", format!("{number:097}\r\n").as_bytes()].concat();
    // Each piece is an event of its own: it is on record before the next is asked for.
    for number in 1..=4 {
        home.text(["input", "--raw", &id, "\r"]);
        home.wait_for_output(&id, &format!("{number:097}"));
    }
    home.text(["input", "--raw", &id, "\r"]);
    home.wait_for_end(&id);
    let mut prune = home.coven(["prune", "--session-bytes", "100"]);
    let prune = move || assert!(prune.output().unwrap().status.success());
    let between = Between::listen(&home, Some(Box::new(prune)));
    let output = between.follow(&home, &id);
    let expected = [b"ready\r\n".to_vec(), piece(1), piece(2), piece(4)].concat();
    assert_eq!(output.stdout, expected, "{output:?}");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "coven: bytes 207 to 306 of its output were trimmed before they were read, and are missing here\n"
    );
}
