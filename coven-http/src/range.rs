//! The `Range` header, as far as it is of use here: one range of bytes.

/// What a request asks for of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range, one of another unit, several, or one that is malformed (RFC 9110
    /// lets a server ignore these).
    Whole,
    /// From `start` to before `end`.
    Part {
        /// The first byte.
        start: u64,
        /// After the last.
        end: u64,
    },
    /// A range that holds no byte.
    Nothing,
}

/// Reads a `Range` header for `len_bytes` bytes.
pub(crate) fn parse(header: Option<&str>, len_bytes: u64) -> Asked {
    let Some((unit, spec)) = header.and_then(|header| header.split_once('=')) else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Asked::Whole;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    match (number(first), number(last)) {
        // The last so many.
        (None, Some(count)) if first.is_empty() => part(len_bytes.saturating_sub(count), len_bytes),
        (Some(start), None) if last.is_empty() => part(start, len_bytes),
        (Some(start), Some(last)) if start <= last => {
            part(start, len_bytes.min(last.saturating_add(1)))
        }
        _ => Asked::Whole,
    }
}

/// A number too large to be counted is past every end all the same.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

const fn part(start: u64, end: u64) -> Asked {
    if start < end {
        Asked::Part { start, end }
    } else {
        Asked::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_honoured_and_anything_else_means_the_whole() {
        let part = |start, end| Asked::Part { start, end };
        for (header, asked) in [
            ("bytes=0-", part(0, 10)),
            ("bytes=3-5", part(3, 6)),
            ("bytes=3-3", part(3, 4)),
            ("bytes=9-99", part(9, 10)),
            ("bytes=-4", part(6, 10)),
            ("bytes=-99", part(0, 10)),
            ("bytes=3-18446744073709551615", part(3, 10)),
            ("bytes=3-99999999999999999999", part(3, 10)),
            ("bytes=-99999999999999999999", part(0, 10)),
            ("Bytes=3-5", part(3, 6)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=11-12", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-3", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("bytes", Asked::Whole),
            ("bytes=99999999999999999999-", Asked::Nothing),
        ] {
            assert_eq!(parse(Some(header), 10), asked, "{header}");
        }
        assert_eq!(parse(None, 10), Asked::Whole);
        assert_eq!(parse(Some("bytes=0-"), 0), Asked::Nothing);
    }
}
