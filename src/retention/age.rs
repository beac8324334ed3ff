//! Where output of some age ends.

use coven_core::Timestamp;

/// An output event, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) offset: u64,
    pub(super) len_bytes: u64,
    pub(super) at: Timestamp,
}

impl Written {
    /// Where it ends.
    pub(super) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len_bytes)
    }
}

/// The offset from `from` to `end` before which output is older than `before`. `written` gives the
/// event that has the byte at an offset, or `None` where it is gone. It is asked some thirty times
/// at most: times are taken to grow with the offset, and where a clock was set back the place found
/// is one where they do, and something younger may come before it.
pub(super) fn old_until<E>(
    mut from: u64,
    mut end: u64,
    before: Timestamp,
    mut written: impl FnMut(u64) -> Result<Option<Written>, E>,
) -> Result<u64, E> {
    // As a rule nothing is too old: one look tells.
    let mut at = from;
    while from < end {
        let Some(event) = written(at)? else {
            return Ok(from);
        };
        if event.at < before {
            from = event.end().max(at + 1);
        } else {
            end = event.offset.max(from);
        }
        at = from + end.saturating_sub(from) / 2;
    }
    Ok(from.min(end))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn what_is_older_ends_where_an_event_does_and_is_found_in_a_few_looks() {
        let event = |offset: u64| Written {
            offset: offset / 100 * 100,
            len_bytes: 100,
            at: Timestamp::from_nanos((offset / 100).cast_signed()),
        };
        for from in [0, 300, 500] {
            for (before, expected) in [(0, 0), (1, 100), (3, 300), (777, 77_700), (9999, 100_000)] {
                let mut looks = 0;
                let found = old_until(from, 100_000, Timestamp::from_nanos(before), |offset| {
                    looks += 1;
                    Ok::<_, Infallible>(Some(event(offset)))
                });
                assert_eq!(found, Ok(expected.max(from)), "{before} from {from}");
                assert!(looks <= 18, "{looks} looks");
            }
        }
    }

    #[test]
    fn what_is_gone_meanwhile_ends_the_search() {
        let found = old_until(7, 100, Timestamp::from_nanos(9), |_| {
            Ok::<_, Infallible>(None)
        });
        assert_eq!(found, Ok(7));
    }
}
