//! `Size`: a number of bytes, as people write it.

use std::fmt;
use std::str::FromStr;

/// A number of bytes: `1048576`, `500MB`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// What one of each unit is. The longer names first: `B` ends them all.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let unit_bytes = match unit {
            "" => Some(1),
            unit => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, bytes)| *bytes),
        };
        let number: Option<u64> = digits.trim_end().parse().ok();
        let bytes = number
            .zip(unit_bytes)
            .and_then(|(n, unit)| n.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| {
            format!("{text:?} is no size; use a whole number of bytes, or one with kB, MB, GB, TB, KiB, MiB, GiB or TiB")
        })
    }
}

impl Size {
    /// The size in the unit that suits it, to a tenth.
    pub(crate) fn rounded(self) -> String {
        let units = [
            (1 << 40, "TiB"),
            (1 << 30, "GiB"),
            (1 << 20, "MiB"),
            (1 << 10, "KiB"),
        ];
        let Some((bytes, name)) = units.into_iter().find(|(bytes, _)| self.0 >= *bytes) else {
            return format!("{} B", self.0);
        };
        let tenths = u128::from(self.0) * 10 / u128::from(bytes);
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut largest: Vec<_> = UNITS
            .into_iter()
            .filter(|(_, bytes)| self.0.is_multiple_of(*bytes))
            .collect();
        largest.sort_by_key(|(_, bytes)| *bytes);
        match largest.last() {
            Some((name, bytes)) if self.0 > 0 => write!(f, "{}{name}", self.0 / bytes),
            _ => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_bytes_or_a_number_with_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("2GiB", 2 << 30),
            ("2 gib", 2 << 30),
            ("500MB", 500_000_000),
            ("7kb", 7_000),
            ("1B", 1),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "GiB", "2G", "-1", "1.5GiB", "99999999TiB", "2GiBs"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_may_be_written() {
        for (bytes, text) in [
            (0, "0B"),
            (2 << 30, "2GiB"),
            (500_000_000, "500MB"),
            (1_025, "1025B"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        for (bytes, text) in [(7, "7 B"), (1536, "1.5 KiB"), (u64::MAX, "16777215.9 TiB")] {
            assert_eq!(Size(bytes).rounded(), text);
        }
    }
}
