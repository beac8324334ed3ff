//! HTTP over the daemon's socket, as clients that others wrote speak it: the request, a half-closed
//! connection, then everything up to the end of the stream. It shares no code with `coven_http`, on purpose.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::model::PATIENCE;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

pub(crate) fn get(socket: &Path, path: &str) -> Reply {
    request(socket, "GET", path, "")
}

/// The body of an answer of any kind.
pub(crate) fn bytes(socket: &Path, path: &str) -> Vec<u8> {
    let mut stream = send(socket, "GET", path, "");
    stream
        .shutdown(Shutdown::Write)
        .expect("the daemon holds the connection");
    let mut reply = Vec::new();
    stream
        .read_to_end(&mut reply)
        .expect("the daemon answers in time");
    let end = b"\r\n\r\n";
    let head_bytes = reply
        .windows(end.len())
        .position(|window| window == end)
        .expect("an answer has a head");
    let head = String::from_utf8_lossy(&reply[..head_bytes]).into_owned();
    assert_eq!(status(&head), 200, "{head}");
    reply.split_off(head_bytes + end.len())
}

pub(crate) fn post(socket: &Path, path: &str, body: &Value) -> Reply {
    request(socket, "POST", path, &body.to_string())
}

fn request(socket: &Path, method: &str, path: &str, body: &str) -> Reply {
    let mut stream = send(socket, method, path, body);
    stream
        .shutdown(Shutdown::Write)
        .expect("the daemon holds the connection");
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .expect("the daemon answers in UTF-8, in time");
    let (head, body) = reply.split_once("\r\n\r\n").expect("an answer has a head");
    let body = match body {
        "" => Value::Null,
        body => serde_json::from_str(body).expect("the daemon answers in JSON"),
    };
    Reply {
        status: status(head),
        body,
    }
}

fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a status line")
}

fn send(socket: &Path, method: &str, path: &str, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the time is not zero");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the daemon reads");
    stream.write_all(body.as_bytes()).expect("the daemon reads");
    stream
}

/// A stream of server-sent events, one `data` at a time.
pub(crate) struct Stream {
    chunks: BufReader<Chunks>,
}

/// Opens the stream at `path`.
pub(crate) fn stream(socket: &Path, path: &str) -> Stream {
    let mut stream = BufReader::new(send(socket, "GET", path, ""));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(
            stream
                .read_line(&mut head)
                .expect("the daemon answers in time")
                > 0,
            "the head was cut: {head}"
        );
    }
    assert_eq!(status(&head), 200, "{head}");
    Stream {
        chunks: BufReader::new(Chunks {
            stream,
            left_bytes: 0,
        }),
    }
}

impl Stream {
    /// The next event. `None` at the end of the stream, or after `deadline`: heartbeats keep a
    /// stream alive on which nothing happens.
    pub(crate) fn next_before(&mut self, deadline: Instant) -> Option<Value> {
        let mut line = String::new();
        while Instant::now() < deadline {
            line.clear();
            if self
                .chunks
                .read_line(&mut line)
                .expect("something comes in time")
                == 0
            {
                return None;
            }
            if let Some(data) = line.strip_prefix("data:") {
                return Some(serde_json::from_str(data).expect("an event is JSON"));
            }
        }
        None
    }
}

/// The body of a chunked answer.
struct Chunks {
    stream: BufReader<UnixStream>,
    left_bytes: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left_bytes == 0 {
            let mut size = String::new();
            if self.stream.read_line(&mut size)? == 0 {
                return Ok(0);
            }
            match size.trim() {
                // The end of the chunk before this one.
                "" => {}
                "0" => return Ok(0),
                size => self.left_bytes = chunk_bytes(size)?,
            }
        }
        let wanted = buffer.len().min(self.left_bytes);
        let read = self.stream.read(&mut buffer[..wanted])?;
        self.left_bytes -= read;
        Ok(read)
    }
}

fn chunk_bytes(size: &str) -> std::io::Result<usize> {
    usize::from_str_radix(size, 16).map_err(std::io::Error::other)
}
