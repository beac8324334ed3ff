//! `Age`: how old something may be, as people write it.

use std::fmt;
use std::str::FromStr;

/// A length of time in seconds: `90s`, `45m`, `12h`, `30d`, `8w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) u64);

const UNITS: [(char, u64); 5] = [
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let seconds = UNITS.iter().find_map(|(unit, seconds)| {
            let number: u64 = text.strip_suffix(*unit)?.trim_end().parse().ok()?;
            number.checked_mul(*seconds)
        });
        seconds.map(Self).ok_or_else(|| {
            format!("{text:?} is no age; use a whole number with s, m, h, d or w, like 30d")
        })
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let largest = UNITS
            .iter()
            .find(|(_, seconds)| self.0 > 0 && self.0.is_multiple_of(*seconds));
        let (unit, seconds) = largest.unwrap_or(&('s', 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_a_unit_and_is_shown_like_that() {
        for (text, seconds, shown) in [
            ("30d", 30 * 86_400, "30d"),
            ("14d", 14 * 86_400, "2w"),
            ("12 h", 12 * 3_600, "12h"),
            ("90s", 90, "90s"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(text.parse(), Ok(Age(seconds)), "{text}");
            assert_eq!(Age(seconds).to_string(), shown);
        }
        for bad in ["", "30", "d", "1.5h", "-3d", "3y", "99999999999999999999w"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }
}
