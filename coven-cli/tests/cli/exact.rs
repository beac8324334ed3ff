//! What `log --follow --raw` asks the daemon for, as one who listens in hears it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::home::Home;

/// Passes requests on to a home's daemon, keeps their heads, and passes each answer on once it is
/// whole: so a stream of events comes all at once.
struct Between {
    home: tempfile::TempDir,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Between {
    fn listen(home: &Home) -> Self {
        let between = tempfile::Builder::new().prefix("cli").tempdir().unwrap();
        let listener = UnixListener::bind(between.path().join("coven.sock")).unwrap();
        let daemon = home.dir().join("coven.sock");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let heard = heads.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (daemon, heard) = (daemon.clone(), heard.clone());
                std::thread::spawn(move || pass_on(client.unwrap(), &daemon, &heard));
            }
        });
        Self {
            home: between,
            heads,
        }
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

fn pass_on(mut client: UnixStream, daemon: &PathBuf, heard: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let text = String::from_utf8(head.clone()).unwrap().to_lowercase();
    heard.lock().unwrap().push(text);
    let mut daemon = UnixStream::connect(daemon).unwrap();
    daemon.write_all(&head).unwrap();
    daemon.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    daemon.read_to_end(&mut answer).unwrap();
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
    let between = Between::listen(&home);
    let output = home
        .coven(["log", "--follow", "--raw", &id])
        .env("COVEN_HOME", between.home.path())
        .output()
        .unwrap();
    let expected = b"ready\r\n\xffone\r\ntwo\xfe\r\nthree\r\n\xfdfour\r\n";
    assert_eq!(output.stdout, expected, "{output:?}");
    // The two that follow each other, and the one after text.
    assert_eq!(between.ranges(), ["bytes=7-18", "bytes=26-32"]);
}
