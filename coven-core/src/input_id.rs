//! `InputId`: the name of an input, by which one that is asked for twice is typed once.

use std::fmt;

/// The name of an input, chosen by whoever types it, unique in its session. Two of one name are one
/// input.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InputId(pub [u8; 16]);

/// 32 hexadecimal digits, as events carry it.
impl fmt::Display for InputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for InputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputId({self})")
    }
}
