//! A peer by hand, which may say anything.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use coven_harness::shim::frame::{self, Decoder, Frame};
use coven_harness::shim::protocol::{FromShim, Hello, ToShim, Welcome};

use crate::world::World;

pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
}

impl Peer {
    pub(crate) fn connect(world: &World) -> Self {
        let stream = UnixStream::connect(world.folder.join("socket")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream,
            decoder: Decoder::default(),
        }
    }

    /// One that has said hello and was welcomed: the engine now.
    pub(crate) fn welcomed(world: &World) -> (Self, Welcome) {
        let mut peer = Self::connect(world);
        peer.say(&hello(1, 2));
        match peer.answer() {
            FromShim::Welcome(welcome) => (peer, welcome),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn say(&mut self, told: &ToShim) {
        let mut bytes = Vec::new();
        told.encode(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// A frame of a kind that this version does not know.
    pub(crate) fn say_unknown(&mut self, kind: u16) {
        let mut bytes = Vec::new();
        frame::encode(kind, &mut bytes, |out| {
            out.extend_from_slice(b"from the future");
        });
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next frame; `None` once the shim has closed the connection.
    pub(crate) fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.decoder.buffer().extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next frame, which is an answer.
    pub(crate) fn answer(&mut self) -> FromShim {
        let frame = self.hear().expect("it is not hung up on");
        FromShim::decode(&frame).unwrap().expect("an answer")
    }
}

pub(crate) fn hello(min: u16, max: u16) -> ToShim {
    ToShim::Hello(Hello {
        min,
        max,
        features: 0,
    })
}
