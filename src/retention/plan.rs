//! What is to go, from how much each session keeps. Pure.

use std::collections::BinaryHeap;

use coven_core::{SessionId, Timestamp};

use super::Retention;

/// A session that keeps output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) id: SessionId,
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

/// What goes of a session whatever the others keep: all before this offset, which may be in the
/// middle of an event, which then goes whole.
pub(super) fn alone(stock: &Stock, retention: &Retention) -> u64 {
    let kept = retention.session_bytes.unwrap_or(u64::MAX);
    let too_many = stock.end.saturating_sub(kept);
    stock.from.max(stock.old_until).max(too_many).min(stock.end)
}

/// What is to go of sessions that are told one by one.
///
/// It holds the sessions that lose output, those that are live, and the one that is being told:
/// about 200 bytes each, and 16 for each piece of a live one. Those that keep all they have take no
/// memory, however many they are.
#[derive(Debug)]
pub(super) struct Plan {
    retention: Retention,
    /// Bytes that are to go beside what goes of sessions alone.
    excess: u64,
    /// Those that ended longest ago, no more of them than have all that is to go.
    oldest: BinaryHeap<Ended>,
    /// Bytes that they keep.
    oldest_bytes: u64,
    live: Vec<(Stock, u64)>,
    cuts: Vec<(Stock, u64)>,
}

impl Plan {
    /// `excess` is how much all sessions keep together over their budget once what goes of each
    /// alone is gone.
    pub(super) const fn new(retention: Retention, excess: u64) -> Self {
        Self {
            retention,
            excess,
            oldest: BinaryHeap::new(),
            oldest_bytes: 0,
            live: Vec::new(),
            cuts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, stock: Stock) {
        let cut = alone(&stock, &self.retention);
        match stock.life {
            _ if self.excess == 0 => self.settle(stock, cut),
            Life::Ended { at } => {
                self.oldest_bytes = self.oldest_bytes.saturating_add(stock.end - cut);
                self.oldest.push(Ended { at, stock, cut });
                self.let_newest_keep_theirs();
            }
            Life::Live { .. } => self.live.push((stock, cut)),
        }
    }

    /// The sessions that lose output, and the offset before which each does.
    pub(super) fn cuts(mut self) -> Vec<(Stock, u64)> {
        let mut excess = self.excess;
        for Ended { stock, mut cut, .. } in std::mem::take(&mut self.oldest).into_sorted_vec() {
            excess -= take(&mut cut, stock.end, excess);
            self.settle(stock, cut);
        }
        let mut live = std::mem::take(&mut self.live);
        from_live(&mut live, excess);
        for (stock, cut) in live {
            self.settle(stock, cut);
        }
        self.cuts
    }

    /// Those that ended last are not needed where the others have enough.
    fn let_newest_keep_theirs(&mut self) {
        while let Some(newest) = self.oldest.peek()
            && let kept = newest.stock.end - newest.cut
            && self.oldest_bytes - kept >= self.excess
        {
            self.oldest_bytes -= kept;
            if let Some(Ended { stock, cut, .. }) = self.oldest.pop() {
                self.settle(stock, cut);
            }
        }
    }

    fn settle(&mut self, stock: Stock, cut: u64) {
        if cut > stock.from {
            self.cuts.push((stock, cut));
        }
    }

    /// How many sessions it holds.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.oldest.len() + self.live.len() + self.cuts.len()
    }
}

/// A session that ended; the greatest ended last.
#[derive(Debug)]
struct Ended {
    at: Timestamp,
    stock: Stock,
    cut: u64,
}

impl Ended {
    const fn key(&self) -> (Timestamp, &SessionId) {
        (self.at, &self.stock.id)
    }
}

impl PartialEq for Ended {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Ended {}

impl PartialOrd for Ended {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ended {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Takes what is over from the oldest pieces of those that live.
fn from_live(live: &mut [(Stock, u64)], mut excess: u64) {
    let mut pieces: Vec<(Timestamp, usize, u64)> = Vec::new();
    for (at, (stock, _)) in live.iter().enumerate() {
        if let Life::Live { pieces: of_it } = &stock.life {
            pieces.extend(of_it.iter().map(|piece| (piece.at, at, piece.end)));
        }
    }
    // By a clock that was set back a later piece may seem to be older: what is before it goes first.
    pieces.sort_unstable();
    for (_, at, end) in pieces {
        let (stock, cut) = &mut live[at];
        excess -= take(cut, end.min(stock.end), excess);
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
            from: 0,
            end,
            old_until: 0,
            life,
        }
    }

    /// The cuts of sessions, in their order, and how many the plan held at most.
    fn planned(stocks: &[Stock], retention: &Retention) -> (Vec<u64>, usize) {
        let kept = stocks
            .iter()
            .map(|stock| stock.end - alone(stock, retention));
        let total_bytes = retention.total_bytes.unwrap_or(u64::MAX);
        let mut plan = Plan::new(*retention, kept.sum::<u64>().saturating_sub(total_bytes));
        let mut most = 0;
        for (number, stock) in stocks.iter().enumerate() {
            let id = SessionId::parse(&number.to_string()).unwrap();
            plan.add(Stock {
                id,
                ..stock.clone()
            });
            most = most.max(plan.len());
        }
        let mut cuts: Vec<u64> = stocks.iter().map(|stock| stock.from).collect();
        for (stock, cut) in plan.cuts() {
            cuts[stock.id.as_str().parse::<usize>().unwrap()] = cut;
        }
        (cuts, most)
    }

    fn plan(stocks: &[Stock], retention: &Retention) -> Vec<u64> {
        planned(stocks, retention).0
    }

    #[test]
    fn those_that_keep_all_they_have_take_no_memory_however_many_they_are() {
        let within = |total_bytes, oldest_first: bool| {
            let seconds = |n: i64| if oldest_first { n } else { -n };
            let stocks: Vec<Stock> = (0..10_000).map(|n| ended(100, seconds(n))).collect();
            let retention = Retention {
                total_bytes: Some(total_bytes),
                ..ALL
            };
            let (cuts, most) = planned(&stocks, &retention);
            (cuts.iter().filter(|cut| **cut > 0).count(), most)
        };
        assert_eq!(within(1_000_000, true), (0, 0));
        assert_eq!(within(999_750, true), (3, 3));
        assert_eq!(within(999_750, false), (3, 3));
        assert_eq!(within(0, true), (10_000, 10_000));
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
