//! `Time`: a moment as the wire writes it.

use std::fmt;
use std::time::SystemTime;

use coven::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A moment. As text it is RFC 3339 in UTC with nine fractional digits, such as
/// `2026-01-02T03:04:05.000000006Z`, so that texts sort as the moments do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-02T03:04:05.000000006Z")]
pub struct Time(Timestamp);

/// The text is not a moment that Coven can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time between the years 1678 and 2261")]
pub struct InvalidTime;

impl Time {
    /// Reads RFC 3339, in any offset and with any number of fractional digits.
    ///
    /// # Errors
    /// [`InvalidTime`] when it is something else, or further away than 64 bits of nanoseconds.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        let nanos = i64::try_from(moment.as_nanosecond()).map_err(|_| InvalidTime)?;
        Ok(Self(Timestamp::from_nanos(nanos)))
    }

    /// The moment this is called in, by the wall clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        });
        Self(Timestamp::from_nanos(nanos))
    }

    /// The moment, as the engine counts it.
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_nanosecond(self.0.as_nanos().into())
            .expect("64 bits of nanoseconds reach from 1677 to 2262, which jiff covers");
        write!(f, "{moment:.9}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_nine_fractional_digits_and_reads_back() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_700_000_000_120_000_000, "2023-11-14T22:13:20.120000000Z"),
        ] {
            let time = Time::from(Timestamp::from_nanos(nanos));
            assert_eq!(time.to_string(), text);
            assert_eq!(Time::parse(text), Ok(time));
        }
    }

    #[test]
    fn the_first_and_last_moments_can_be_told() {
        for nanos in [i64::MIN, i64::MAX] {
            let time = Time::from(Timestamp::from_nanos(nanos));
            assert_eq!(Time::parse(&time.to_string()), Ok(time));
        }
    }
}
