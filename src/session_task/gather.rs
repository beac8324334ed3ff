//! Gathering output into commits, by its own clock.
//!
//! Output after a quiet spell is due at once. While a commit is in flight, and until its share of
//! time has passed, reads gather. Nothing is ever dropped: when there is no more room, the
//! process is not read, and waits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use coven_core::{Channel, decide};
use coven_store::limits::MAX_BATCH_EVENTS;

/// Bytes gathered before the process is not read any more: what a terminal at full speed writes
/// while a slow disk syncs. With less, a flood waits for the disk more often than it must.
pub(crate) const MAX_GATHERED_BYTES: usize = 4 << 20;

/// Pieces gathered before the process is not read any more. Each is at least one event, and all of
/// them go into one batch, with what is cut for its size and the facts beside them.
pub(crate) const MAX_PIECES: usize = MAX_BATCH_EVENTS / 2;

/// The least time from one commit with output to the next: at most 100 a second.
pub(crate) const COMMIT_INTERVAL: Duration = Duration::from_millis(10);

/// How long the first bytes of a character may wait for the others.
pub(crate) const INCOMPLETE_CHARACTER_WAIT: Duration = Duration::from_millis(20);

/// Output that is not on its way into the log yet.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// In order; two neighbours have different channels, and only the last of a channel may end
    /// within a character.
    pieces: Vec<(Channel, BytesMut)>,
    len_bytes: usize,
    /// When the newest piece came.
    last_read: Duration,
    /// When output was last taken.
    last_taken: Option<Duration>,
}

impl Gather {
    /// Whether the process may be read: what one read gives fits.
    pub(super) const fn has_room(&self) -> bool {
        self.len_bytes < MAX_GATHERED_BYTES && self.pieces.len() < MAX_PIECES
    }

    /// Adds what was read at `now`.
    pub(super) fn push(&mut self, channel: Channel, data: &[u8], now: Duration) {
        self.len_bytes += data.len();
        self.last_read = now;
        match self.pieces.last_mut() {
            Some((last, bytes)) if *last == channel => bytes.extend_from_slice(data),
            _ => {
                let mut bytes = self.cut_off_incomplete(channel);
                bytes.extend_from_slice(data);
                self.pieces.push((channel, bytes));
            }
        }
    }

    /// When the next commit is due; `None` while there is nothing for one.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.len_bytes == 0 {
            return None;
        }
        let paced = self
            .last_taken
            .map_or(Duration::ZERO, |taken| taken + COMMIT_INTERVAL);
        if self.is_all_incomplete() {
            Some(paced.max(self.last_read + INCOMPLETE_CHARACTER_WAIT))
        } else {
            Some(paced)
        }
    }

    /// Takes what may go into the log at `now`, which is all but characters that may still be
    /// completed.
    pub(super) fn take(&mut self, now: Duration) -> Vec<(Channel, Bytes)> {
        let patience = if now >= self.last_read + INCOMPLETE_CHARACTER_WAIT {
            Patience::Over
        } else {
            Patience::Left
        };
        self.last_taken = Some(now);
        self.split(patience)
    }

    /// Takes everything: no more will come.
    pub(super) fn take_all(&mut self) -> Vec<(Channel, Bytes)> {
        self.split(Patience::Over)
    }

    fn split(&mut self, patience: Patience) -> Vec<(Channel, Bytes)> {
        let mut kept = Vec::new();
        if let Patience::Left = patience {
            for channel in [Channel::Tty, Channel::Stdout, Channel::Stderr] {
                let incomplete = self.cut_off_incomplete(channel);
                if !incomplete.is_empty() {
                    kept.push((channel, incomplete));
                }
            }
        }
        self.len_bytes = kept.iter().map(|(_, bytes)| bytes.len()).sum();
        std::mem::replace(&mut self.pieces, kept)
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(channel, bytes)| (channel, bytes.freeze()))
            .collect()
    }

    /// Cuts an incomplete character off the end of a channel's last piece.
    fn cut_off_incomplete(&mut self, channel: Channel) -> BytesMut {
        let last = self.pieces.iter_mut().rfind(|(of, _)| *of == channel);
        last.map_or_else(BytesMut::new, |(_, bytes)| {
            let complete = bytes.len() - decide::incomplete_char(bytes);
            bytes.split_off(complete)
        })
    }

    fn is_all_incomplete(&self) -> bool {
        self.pieces
            .iter()
            .all(|(_, bytes)| decide::incomplete_char(bytes) == bytes.len())
    }
}

/// Whether an incomplete character may wait.
#[derive(Clone, Copy)]
enum Patience {
    Left,
    Over,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn text(taken: &[(Channel, Bytes)]) -> Vec<u8> {
        taken.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    #[test]
    fn the_first_byte_after_a_quiet_spell_is_due_at_once() {
        let mut gather = Gather::default();
        assert_eq!(gather.due(), None);
        gather.push(Channel::Tty, b"a", ms(500));
        assert_eq!(gather.due(), Some(ms(0)));
        assert_eq!(text(&gather.take(ms(500))), b"a");
        gather.push(Channel::Tty, b"b", ms(900));
        assert!(gather.due().unwrap() <= ms(900));
    }

    #[test]
    fn a_flood_is_committed_a_hundred_times_a_second_at_most() {
        let mut gather = Gather::default();
        let mut commits = 0;
        for now in 0..1000 {
            gather.push(Channel::Tty, b"x", ms(now));
            if gather.due().is_some_and(|due| due <= ms(now)) {
                commits += 1;
                gather.take(ms(now));
            }
        }
        assert_eq!(commits, 100);
    }

    #[test]
    fn the_start_of_a_character_waits_for_its_end() {
        let mut gather = Gather::default();
        gather.push(Channel::Tty, "é".as_bytes(), ms(0));
        gather.push(Channel::Tty, &"€".as_bytes()[..2], ms(0));
        assert_eq!(text(&gather.take(ms(0))), "é".as_bytes());
        assert_eq!(gather.due(), Some(ms(20)));
        gather.push(Channel::Tty, &"€".as_bytes()[2..], ms(10));
        assert_eq!(gather.due(), Some(ms(10)));
        assert_eq!(text(&gather.take(ms(10))), "€".as_bytes());
    }

    #[test]
    fn the_start_of_a_character_waits_no_longer_than_20_ms() {
        let mut gather = Gather::default();
        gather.push(Channel::Tty, b"\xf0\x9f", ms(5));
        assert_eq!(gather.due(), Some(ms(25)));
        assert_eq!(text(&gather.take(ms(25))), b"\xf0\x9f");
        assert_eq!(gather.due(), None);
    }

    #[test]
    fn a_character_is_joined_over_what_the_other_pipe_wrote() {
        let mut gather = Gather::default();
        gather.push(Channel::Stdout, b"a\xe2\x82", ms(0));
        gather.push(Channel::Stderr, b"!", ms(0));
        gather.push(Channel::Stdout, b"\xac", ms(0));
        let taken = gather.take(ms(0));
        assert_eq!(
            taken,
            [
                (Channel::Stdout, Bytes::from_static(b"a")),
                (Channel::Stderr, Bytes::from_static(b"!")),
                (Channel::Stdout, Bytes::from("€")),
            ]
        );
    }

    #[test]
    fn there_is_no_room_for_more_than_the_limit_and_one_read() {
        let mut gather = Gather::default();
        while gather.has_room() {
            gather.push(Channel::Tty, &[b'x'; 1 << 16], ms(0));
        }
        assert_eq!(gather.len_bytes, MAX_GATHERED_BYTES);
        gather.take(ms(0));
        assert!(gather.has_room());
    }

    #[test]
    fn what_two_pipes_write_in_turns_never_outgrows_one_batch() {
        let mut gather = Gather::default();
        let (mut written, mut taken) = (0, 0);
        while written < 10_000 {
            while gather.has_room() && written < 10_000 {
                let channel = [Channel::Stdout, Channel::Stderr][written % 2];
                gather.push(channel, b"\xe2", ms(0));
                written += 1;
            }
            let pieces = gather.take(ms(100));
            assert!(pieces.len() <= MAX_PIECES, "{}", pieces.len());
            taken += text(&pieces).len();
        }
        assert_eq!(taken, written);
    }

    fn channel() -> impl Strategy<Value = Channel> {
        prop_oneof![Just(Channel::Stdout), Just(Channel::Stderr)]
    }

    proptest! {
        #[test]
        fn every_byte_of_each_channel_comes_out_once_and_in_order(
            reads in prop::collection::vec(
                (channel(), prop::collection::vec(any::<u8>(), 1..9), any::<bool>(), 0..30u64),
                0..40,
            ),
        ) {
            let mut gather = Gather::default();
            let mut now = Duration::ZERO;
            let (mut written, mut taken) = (Vec::new(), Vec::new());
            for (channel, data, take, pause) in reads {
                now += ms(pause);
                gather.push(channel, &data, now);
                written.push((channel, Bytes::from(data)));
                if take {
                    taken.extend(gather.take(now));
                }
            }
            taken.extend(gather.take_all());
            prop_assert_eq!(gather.due(), None);
            for channel in [Channel::Stdout, Channel::Stderr] {
                let of = |pieces: &[(Channel, Bytes)]| -> Vec<u8> {
                    pieces.iter().filter(|(of, _)| *of == channel).flat_map(|(_, b)| b.to_vec()).collect()
                };
                prop_assert_eq!(of(&written), of(&taken));
            }
        }
    }
}
