//! Reading a request's body: bounded in bytes and time.

mod parse;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Error;
use crate::limits;
use parse::parse;

/// Room for the long bodies that are held at once.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    /// For the one that is parsed: what is made of it may take some of its size again.
    parsing: Semaphore,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            parsing: Semaphore::const_new(1),
        }
    }
}

/// A request's body, not read yet.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    patience: Duration,
    room: Arc<Room>,
    over: bool,
}

/// A body, read to its end.
struct Whole {
    bytes: Bytes,
    /// What it takes of the room for all bodies, unless it is short.
    room: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// Gives up on a body that has not arrived within `patience`; a long one takes its room of
    /// `room`.
    pub(crate) const fn new(incoming: Incoming, patience: Duration, room: Arc<Room>) -> Self {
        Self {
            incoming,
            patience,
            room,
            over: false,
        }
    }

    /// The body as `T`; absent or blank it is `{}`.
    pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(
        &mut self,
        max_bytes: usize,
    ) -> Result<T, Error> {
        let Whole { bytes, room } = self.read(max_bytes).await?;
        let Some(room) = room else {
            return parse(&bytes);
        };
        // It is never closed.
        let _turn = self.room.parsing.acquire().await;
        let parsing = tokio::task::spawn_blocking(move || {
            let _until_parsed = room;
            parse(&bytes)
        });
        parsing
            .await
            .unwrap_or_else(|_| Err(Error::internal("a body could not be parsed")))
    }

    /// Reads what was not read, and throws it away, so that a sender that is still writing gets
    /// to read its answer. Gives up on one that sends without end.
    pub(crate) async fn drain(&mut self) {
        if self.over || self.incoming.size_hint().lower() > limits::MAX_DRAINED_BODY_BYTES as u64 {
            return;
        }
        let rest = async {
            let mut drained = 0;
            while let Some(Ok(frame)) = self.incoming.frame().await {
                drained += frame.data_ref().map_or(0, Bytes::len);
                if drained > limits::MAX_DRAINED_BODY_BYTES {
                    return;
                }
            }
        };
        let _ = timeout(self.patience.min(limits::DRAIN_TIMEOUT), rest).await;
        self.over = true;
    }

    async fn read(&mut self, max_bytes: usize) -> Result<Whole, Error> {
        let size = self.incoming.size_hint();
        if size.lower() > max_bytes as u64 {
            return Err(Error::body_too_large(max_bytes));
        }
        let at_most = size.upper().map_or(max_bytes, |upper| {
            usize::try_from(upper).map_or(max_bytes, |upper| upper.min(max_bytes))
        });
        let deadline = Instant::now() + self.patience;
        let mut bytes = BytesMut::new();
        let mut room = None;
        while let Some(data) = self.data(deadline).await? {
            let len_bytes = bytes.len() + data.len();
            if len_bytes > max_bytes {
                return Err(Error::body_too_large(max_bytes));
            }
            if room.is_none() && len_bytes > limits::MAX_UNCOUNTED_BODY_BYTES {
                room = Some(self.room(at_most, deadline).await?);
                bytes.reserve(at_most - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        self.over = true;
        Ok(Whole {
            bytes: bytes.freeze(),
            room,
        })
    }

    /// What comes next.
    async fn data(&mut self, deadline: Instant) -> Result<Option<Bytes>, Error> {
        loop {
            let Ok(frame) = timeout_at(deadline, self.incoming.frame()).await else {
                self.over = true;
                return Err(Error::body_stalled());
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => return Ok(Some(data)),
                Some(Ok(Err(_trailers))) => {}
                Some(Err(_)) => {
                    self.over = true;
                    return Err(Error::malformed_body("ended before it was whole"));
                }
                None => return Ok(None),
            }
        }
    }

    /// Room for all of a body at once: two that each hold a part and wait for the rest would wait
    /// for each other.
    async fn room(
        &self,
        len_bytes: usize,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let permits = u32::try_from(len_bytes).unwrap_or(u32::MAX);
        let room = self.room.bytes.clone().acquire_many_owned(permits);
        match timeout_at(deadline, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Error::no_room_for_body()),
        }
    }
}
