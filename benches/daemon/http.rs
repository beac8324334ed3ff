//! HTTP as a client of the contract speaks it: a connection for each request, half-closed after it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks, and reads a JSON answer. Panics unless the status is a success.
pub(crate) fn json(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Value {
    let mut text = String::new();
    open(socket, method, path, body)
        .read_to_string(&mut text)
        .expect("an answer");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}"))
}

/// Asks, and gives the body of the answer to be read. Panics unless the status is a success.
pub(crate) fn open(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> BufReader<Box<dyn Read>> {
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len(),
    );
    stream
        .write_all((head + &body).as_bytes())
        .expect("the request is taken");
    stream.shutdown(Shutdown::Write).expect("half-closed");

    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let status = line(&mut stream);
    let mut chunked = false;
    loop {
        let header = line(&mut stream).to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        chunked |= header == "transfer-encoding: chunked";
    }
    let mut answer: BufReader<Box<dyn Read>> = if chunked {
        BufReader::new(Box::new(Chunked { stream, left: 0 }))
    } else {
        BufReader::new(Box::new(stream))
    };
    if !status.starts_with("HTTP/1.1 2") {
        let mut said = String::new();
        answer.read_to_string(&mut said).expect("an answer");
        panic!("{method} {path}: {status}: {said}");
    }
    answer
}

fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line of the head");
    line.trim_end().to_owned()
}

/// A body in chunks, without their frames.
struct Chunked<R> {
    stream: R,
    left: usize,
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let size = line(&mut self.stream);
            self.left = usize::from_str_radix(&size, 16).expect("the size of a chunk");
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = self.left.min(buffer.len());
        let read = self.stream.read(&mut buffer[..most])?;
        self.left -= read;
        if self.left == 0 {
            line(&mut self.stream);
        }
        Ok(read)
    }
}
