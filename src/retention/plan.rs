//! What is to go, from how much each session keeps. Pure.

use coven_core::{SessionId, Timestamp};

use super::Retention;

/// A session that keeps output.
#[derive(Clone, Debug)]
pub(super) struct Stock {
    pub(super) id: SessionId,
    pub(super) title: String,
    /// The output it keeps: from where to where.
    pub(super) from: u64,
    pub(super) end: u64,
    /// What of it is too old ends here; `from` where nothing is.
    pub(super) old_until: u64,
    pub(super) life: Life,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Ended {
        at: Timestamp,
    },
    /// It may go on. Its output is in pieces, each as old as it says, the oldest first.
    Live {
        pieces: Vec<Piece>,
    },
}

/// Output up to an offset, from that of the piece before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) end: u64,
    pub(super) at: Timestamp,
}

/// The offset before which each session's output is to go, in the order of `stocks`. It may be in
/// the middle of an event, which then goes whole.
pub(super) fn plan(stocks: &[Stock], retention: &Retention) -> Vec<u64> {
    let mut cuts: Vec<u64> = stocks.iter().map(|stock| alone(stock, retention)).collect();
    if let Some(total_bytes) = retention.total_bytes {
        let kept = stocks.iter().zip(&cuts).map(|(stock, cut)| stock.end - cut);
        let excess = kept
            .fold(0, u64::saturating_add)
            .saturating_sub(total_bytes);
        let excess = from_ended(stocks, &mut cuts, excess);
        from_live(stocks, &mut cuts, excess);
    }
    cuts
}

/// What goes whatever the others keep.
fn alone(stock: &Stock, retention: &Retention) -> u64 {
    let kept = retention.session_bytes.unwrap_or(u64::MAX);
    let too_many = stock.end.saturating_sub(kept);
    stock.from.max(stock.old_until).max(too_many).min(stock.end)
}

/// Takes what is over from those that ended longest ago; gives what is over still.
fn from_ended(stocks: &[Stock], cuts: &mut [u64], mut excess: u64) -> u64 {
    let ended = stocks
        .iter()
        .enumerate()
        .filter_map(|(at, stock)| match stock.life {
            Life::Ended { at: ended_at } => Some((ended_at, at)),
            Life::Live { .. } => None,
        });
    let mut ended: Vec<_> = ended.collect();
    ended.sort_unstable();
    for (_, at) in ended {
        excess -= take(&mut cuts[at], stocks[at].end, excess);
    }
    excess
}

/// Takes what is over from the oldest pieces of those that live.
fn from_live(stocks: &[Stock], cuts: &mut [u64], mut excess: u64) {
    let mut pieces: Vec<(Timestamp, usize, u64)> = Vec::new();
    for (at, stock) in stocks.iter().enumerate() {
        if let Life::Live { pieces: of_it } = &stock.life {
            pieces.extend(of_it.iter().map(|piece| (piece.at, at, piece.end)));
        }
    }
    // By a clock that was set back a later piece may seem to be older: what is before it goes first.
    pieces.sort_unstable();
    for (_, at, end) in pieces {
        excess -= take(&mut cuts[at], end.min(stocks[at].end), excess);
    }
}

/// Moves a cut on, at most to `end` and by `most`; gives by how much.
fn take(cut: &mut u64, end: u64, most: u64) -> u64 {
    let taken = end.saturating_sub(*cut).min(most);
    *cut += taken;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn stock(end: u64, life: Life) -> Stock {
        Stock {
            id: SessionId::parse("s").unwrap(),
            title: String::new(),
            from: 0,
            end,
            old_until: 0,
            life,
        }
    }

    fn ended(end: u64, seconds: i64) -> Stock {
        stock(end, Life::Ended { at: at(seconds) })
    }

    /// A live session that wrote ten bytes at each of these times.
    fn live(seconds: &[i64]) -> Stock {
        let pieces = seconds.iter().zip(1..);
        let pieces: Vec<_> = pieces
            .map(|(seconds, n)| Piece {
                end: n * 10,
                at: at(*seconds),
            })
            .collect();
        stock(seconds.len() as u64 * 10, Life::Live { pieces })
    }

    const ALL: Retention = Retention {
        session_bytes: None,
        total_bytes: None,
        max_age: None,
    };

    #[test]
    fn without_budgets_nothing_goes() {
        assert_eq!(plan(&[ended(100, 1), live(&[1, 2])], &ALL), [0, 0]);
    }

    #[test]
    fn a_session_keeps_its_newest_bytes_and_nothing_that_is_too_old() {
        let retention = Retention {
            session_bytes: Some(15),
            ..ALL
        };
        let mut old = ended(10, 1);
        old.old_until = 7;
        assert_eq!(
            plan(&[ended(100, 1), live(&[1, 2]), old], &retention),
            [85, 5, 7]
        );
    }

    #[test]
    fn who_ended_longest_ago_goes_first_and_then_the_oldest_output_of_those_that_live() {
        let stocks = [
            live(&[1, 5, 9]),
            ended(100, 8),
            live(&[3, 4, 10]),
            ended(100, 7),
        ];
        let within = |total_bytes| {
            let retention = Retention {
                total_bytes: Some(total_bytes),
                ..ALL
            };
            plan(&stocks, &retention)
        };
        assert_eq!(within(260), [0, 0, 0, 0]);
        assert_eq!(within(200), [0, 0, 0, 60]);
        assert_eq!(within(100), [0, 60, 0, 100]);
        assert_eq!(within(50), [10, 100, 0, 100]);
        assert_eq!(within(25), [15, 100, 20, 100]);
        assert_eq!(within(0), [30, 100, 30, 100]);
    }

    proptest! {
        #[test]
        fn every_budget_is_kept_to_and_no_more_goes_than_it_asks_for(
            ends in prop::collection::vec((0..100u64, any::<bool>(), 0..9i64), 0..9),
            session_bytes in prop::option::of(0..100u64),
            total_bytes in prop::option::of(0..300u64),
        ) {
            let stocks: Vec<Stock> = ends
                .iter()
                .map(|(end, is_live, seconds)| if *is_live {
                    let piece = Piece { end: *end, at: at(*seconds) };
                    stock(*end, Life::Live { pieces: vec![piece] })
                } else {
                    ended(*end, *seconds)
                })
                .collect();
            let retention = Retention { session_bytes, total_bytes, max_age: None };
            let cuts = plan(&stocks, &retention);
            let kept: Vec<u64> = stocks.iter().zip(&cuts).map(|(stock, cut)| stock.end - cut).collect();
            let most = session_bytes.unwrap_or(u64::MAX);
            prop_assert!(kept.iter().all(|kept| *kept <= most));
            let alone: u64 = stocks.iter().map(|stock| stock.end.min(most)).sum();
            let expected = alone.min(total_bytes.unwrap_or(u64::MAX));
            prop_assert_eq!(kept.iter().sum::<u64>(), expected);
        }
    }
}
