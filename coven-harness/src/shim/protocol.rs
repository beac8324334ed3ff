//! What is said in frames: records, which are kept and counted, and messages, which are not.
//!
//! docs/shim-protocol.md has it for whoever writes a peer. Kinds by their numbers: `0x0001` to
//! `0x00ff` are records, and a reader counts those that it does not know; `0x0100` to `0x01ff` are
//! messages to the shim, `0x0200` to `0x02ff` from it.

mod message;
mod record;

pub use message::{
    Begin, FromShim, Hello, Input, InputAnswer, InputRefusal, LaunchSpec, Refused, Request,
    SecretAnswer, Taken, ToShim, Welcome, WiringSpec,
};
pub use record::{InputId, LaunchFailure, PartHead, Record, Recorded};
pub(super) use record::{encode_output, is_record};

/// The version that this Coven speaks. A side says in its [`Hello`] from which to which it does;
/// the highest that both speak is spoken.
pub const VERSION: u16 = 1;

/// A frame of a known kind has a payload that is not that kind's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of kind {kind:#06x} does not hold what that kind holds")]
pub struct BadPayload {
    /// The kind.
    pub kind: u16,
}

/// The highest version that both speak.
pub(super) fn common_version(hello: &Hello) -> Option<u16> {
    (hello.min..=hello.max)
        .contains(&VERSION)
        .then_some(VERSION)
}

fn append<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    *out = postcard::to_extend(value, std::mem::take(out)).expect("memory takes it");
}

fn parse<'a, T: serde::Deserialize<'a>>(kind: u16, bytes: &'a [u8]) -> Result<T, BadPayload> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(BadPayload { kind }),
    }
}
