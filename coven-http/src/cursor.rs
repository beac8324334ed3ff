//! The cursor of a page of sessions: a position in the order of creation, as opaque text.

use std::fmt::Write as _;

use coven::{Position, Refusal, SessionId, Timestamp};

/// The position as text of `[0-9a-f]`.
pub(crate) fn encode(position: &Position) -> String {
    let mut text = format!("{:016x}", position.created_at.as_nanos());
    for byte in position.id.as_str().bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The position that a text was made from.
pub(crate) fn decode(text: &str) -> Result<Position, Refusal> {
    parse(text).ok_or_else(|| Refusal::invalid("cursor", text, "is not a cursor of this daemon"))
}

fn parse(text: &str) -> Option<Position> {
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return None;
    }
    let (nanos, id) = text.split_at_checked(16)?;
    // Two's complement: the digits of a negative number are those of its bits.
    let nanos = u64::from_str_radix(nanos, 16).ok()?.cast_signed();
    let id = id
        .as_bytes()
        .chunks(2)
        .map(|pair| {
            u8::from_str_radix(str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok()
        })
        .collect::<Option<Vec<u8>>>()?;
    Some(Position {
        created_at: Timestamp::from_nanos(nanos),
        id: SessionId::parse(str::from_utf8(&id).ok()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_from_its_cursor() {
        for nanos in [i64::MIN, -1, 0, 1_700_000_000_000_000_000, i64::MAX] {
            for id in ["a", "0190b5c3-7e6a-7000-8000-000000000001", "x.y:z_-"] {
                let position = Position {
                    created_at: Timestamp::from_nanos(nanos),
                    id: SessionId::parse(id).unwrap(),
                };
                let text = encode(&position);
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
                assert_eq!(decode(&text), Ok(position));
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused_by_name() {
        for bad in [
            "",
            "0",
            "0000000000000000",
            "00000000000000006",
            "0000000000000000zz",
            "000000000000000020",
            "+000000000000000061",
            "é000000000000000061",
        ] {
            let refusal = decode(bad).unwrap_err();
            assert!(refusal.to_string().starts_with("cursor "), "{bad}");
        }
    }
}
