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
#[error("must be an RFC 3339 time between the years 1678 and 2261, in no leap second")]
pub struct InvalidTime;

impl Time {
    /// Reads RFC 3339, in any offset and with at most nine fractional digits.
    ///
    /// # Errors
    /// [`InvalidTime`] when it is something else, further away than 64 bits of nanoseconds, or in a leap
    /// second, which no count of nanoseconds tells from its neighbours.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        if !is_rfc_3339(text.as_bytes()) {
            return Err(InvalidTime);
        }
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

/// Whether a text looks as RFC 3339 has it, and is in no leap second. What is read beside that would be taken
/// for something near it.
fn is_rfc_3339(text: &[u8]) -> bool {
    const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
    let has_shape = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte.eq_ignore_ascii_case(wanted),
            })
    };
    let Some((seconds, rest)) = text.split_first_chunk::<19>() else {
        return false;
    };
    let zone = match rest.split_first() {
        Some((b'.', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
            &rest[digits.count()..]
        }
        _ => rest,
    };
    has_shape(seconds, SHAPE)
        && !seconds.ends_with(b":60")
        && (has_shape(zone, b"Z") || has_shape(zone, b"+00:00") || has_shape(zone, b"-00:00"))
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
    fn a_moment_is_read_in_any_offset_and_case_and_with_fewer_digits() {
        let time = Time::from(Timestamp::from_nanos(1_700_000_000_120_000_000));
        for text in [
            "2023-11-14T22:13:20.12Z",
            "2023-11-14t22:13:20.12z",
            "2023-11-14T23:43:20.12+01:30",
            "2023-11-14T14:13:20.120000000-08:00",
        ] {
            assert_eq!(Time::parse(text), Ok(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_of_rfc_3339_or_a_leap_second_is_not_taken_for_one_near_it() {
        for text in [
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60.5Z",
            "2016-12-31 23:59:59Z",
            "2016-12-31T23:59Z",
            "20161231T235959Z",
            "2016-12-31T23:59:59",
            "2016-12-31T23:59:59+01",
            "2016-12-31T23:59:59Z[UTC]",
            "2016-12-31T23:59:59,5Z",
            "2016-12-31T23:59:59.0123456789Z",
            "2016-02-30T23:59:59Z",
            "",
        ] {
            assert_eq!(Time::parse(text), Err(InvalidTime), "{text}");
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
