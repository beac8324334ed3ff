//! `Timestamp`: when an event happened, by the wall clock.

/// Wall-clock time in nanoseconds since the Unix epoch, UTC. It is what a person wants to read;
/// order comes from [`Seq`](crate::Seq) alone, since a wall clock may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}
