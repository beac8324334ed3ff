//! A viewer, and what it has seen.

use bytes::Bytes;
use coven_http::client::{Attach, AttachReader, Frame};
use coven_http::wire::FromDaemon;

use crate::support::{Daemon, within};

/// What a viewer got so far.
#[derive(Default)]
pub struct Seen {
    pub bytes: Vec<u8>,
    pub controls: Vec<FromDaemon>,
}

impl Seen {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Reads on until `text` was shown.
    pub async fn until(&mut self, reader: &mut AttachReader, text: &str) {
        while !self.text().contains(text) {
            assert!(self.read(reader).await, "no {text:?} in {:?}", self.text());
        }
    }

    /// Reads on until a control frame is as wanted.
    pub async fn until_told(
        &mut self,
        reader: &mut AttachReader,
        wanted: impl Fn(&FromDaemon) -> bool,
    ) {
        while !self.controls.iter().any(&wanted) {
            assert!(
                self.read(reader).await,
                "it ended after {:?}",
                self.controls
            );
        }
    }

    pub async fn read_out(&mut self, reader: &mut AttachReader) {
        while self.read(reader).await {}
    }

    pub async fn read(&mut self, reader: &mut AttachReader) -> bool {
        match within(reader.next()).await.unwrap() {
            Some(Frame::Bytes(bytes)) => self.bytes.extend_from_slice(&bytes),
            Some(Frame::Control(control)) => self.controls.push(control),
            None => return false,
        }
        true
    }
}

pub async fn attach(daemon: &Daemon, id: &str) -> (Attach, Seen) {
    let mut attach = within(daemon.client.attach(id)).await.unwrap();
    let mut seen = Seen::default();
    assert!(seen.read(&mut attach.reader).await);
    assert!(matches!(seen.controls[..], [FromDaemon::Hello { .. }]));
    (attach, seen)
}

pub fn typed(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
