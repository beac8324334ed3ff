//! Where output that cannot be read begins and ends.
//!
//! Nobody knows where the events in it begin. So what can be read on either side is looked for, and
//! every offset given here is one where an event ends or begins. Where output that cannot be read is in
//! several places close by, what lies between them may count as one with them.

use super::age::Written;

/// How far behind what cannot be read is looked first: less than what one event has, as a rule.
const STEP_BYTES: u64 = 4 << 10;

/// Where the first event begins after `from` and before `to` that can be read, if any; the byte at
/// `from` cannot. `written` gives the event that has the byte at an offset, or `None` where it cannot
/// be read. It is asked some sixty times at most.
pub(super) fn end<E>(
    from: u64,
    to: u64,
    mut written: impl FnMut(u64) -> Result<Option<Written>, E>,
) -> Result<Option<u64>, E> {
    let (mut unread, mut step) = (from, STEP_BYTES);
    let mut found = None;
    while found.is_none() {
        let at = unread.saturating_add(step).min(to.saturating_sub(1));
        if at <= unread {
            return Ok(None);
        }
        found = begins_behind(unread, written(at)?);
        if found.is_none() {
            unread = at;
        }
        step = step.saturating_mul(2);
    }
    while let Some(next) = found
        && next - unread > 1
    {
        let at = unread + (next - unread) / 2;
        match begins_behind(unread, written(at)?) {
            Some(offset) => found = Some(offset),
            None => unread = at,
        }
    }
    Ok(found)
}

/// Where an event begins, unless what cannot be read is in it.
fn begins_behind(unread: u64, event: Option<Written>) -> Option<u64> {
    event.map(|it| it.offset).filter(|offset| *offset > unread)
}

/// Where the last event ends after `from` and before `at` that can be read; `from`, where none can. The
/// byte at `at` cannot. `written` is as that of [`end`].
pub(super) fn begin<E>(
    from: u64,
    at: u64,
    mut written: impl FnMut(u64) -> Result<Option<Written>, E>,
) -> Result<u64, E> {
    let (mut read, mut unread) = (from, at);
    while read < unread {
        let at = read + (unread - read) / 2;
        let end = written(at)?.map(|event| event.end());
        match end.filter(|end| *end <= unread) {
            Some(end) => read = end,
            None => unread = at,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use coven_core::Timestamp;
    use proptest::prelude::*;

    use super::*;

    /// Output of events that each have so many bytes and can be read or not.
    fn written(events: &[(u64, bool)], at: u64) -> Result<Option<Written>, Infallible> {
        let mut offset = 0;
        for &(len_bytes, is_whole) in events {
            if at < offset + len_bytes {
                return Ok(is_whole.then_some(Written {
                    offset,
                    len_bytes,
                    at: Timestamp::from_nanos(0),
                }));
            }
            offset += len_bytes;
        }
        Ok(None)
    }

    #[test]
    fn what_cannot_be_read_is_found_to_the_byte() {
        let events = [(70_000, true), (90_000, false), (1, false), (500_000, true)];
        let of = |at| written(&events, at);
        for at in [70_000, 70_001, 100_000, 159_999, 160_000] {
            assert_eq!(end(at, 660_001, of), Ok(Some(160_001)), "{at}");
            assert_eq!(begin(0, at, of), Ok(70_000), "{at}");
        }
        assert_eq!(end(70_000, 160_001, of), Ok(None));
        assert_eq!(begin(70_000, 100_000, of), Ok(70_000));
        assert_eq!(end(3, 3, of), Ok(None));
    }

    proptest! {
        #[test]
        fn every_offset_found_is_between_what_can_be_read_and_what_cannot(
            events in prop::collection::vec((1..30_000u64, any::<bool>()), 1..30),
            at in any::<prop::sample::Index>(),
        ) {
            let total: u64 = events.iter().map(|(len, _)| len).sum();
            let at = at.index(usize::try_from(total).unwrap()) as u64;
            let of = |at| written(&events, at);
            let Ok(None) = of(at) else { return Ok(()) };
            let mut looks = 0;
            let found = end(at, total, |at| { looks += 1; of(at) });
            prop_assert!(looks <= 60, "{looks} looks");
            match found.unwrap() {
                Some(next) => {
                    prop_assert!(next > at && of(next - 1).unwrap().is_none());
                    prop_assert_eq!(of(next).unwrap().unwrap().offset, next);
                }
                None => prop_assert_eq!(of(total - 1), Ok(None)),
            }
            let begins = begin(0, at, of).unwrap();
            prop_assert!(begins <= at && of(begins).unwrap().is_none());
            if begins > 0 {
                prop_assert_eq!(of(begins - 1).unwrap().unwrap().end(), begins);
            }
        }
    }
}
