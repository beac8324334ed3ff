//! Gathering output into commits, by its own clock.
//!
//! Output after a quiet spell is due at once. While a commit is in flight, and until its share of
//! time has passed, reads gather. Nothing is ever dropped: when there is no more room, the
//! process is not read, and waits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use coven_core::{Channel, Timestamp, decide};
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

/// The span of time that one piece, and so one event with its one time, may cover. It is longer only
/// where a shim spooled while there was no engine.
const MAX_PIECE_SPAN_NANOS: i64 = 1_000_000_000;

/// Output that is not on its way into the log yet.
///
/// What is taken of it is, each time, all that was read up to some place: whoever knows how many
/// bytes are on record knows which.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// In order. Only the last piece of a channel may end within a character.
    pieces: Vec<Piece>,
    len_bytes: usize,
    /// When output was last taken.
    last_taken: Option<Duration>,
}

/// Output of one channel.
#[derive(Debug)]
struct Piece {
    channel: Channel,
    bytes: BytesMut,
    /// When its first byte was written, as far as is known.
    at: Timestamp,
    /// When its last byte was read.
    read: Duration,
}

/// Output that goes into the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) channel: Channel,
    pub(super) data: Bytes,
    pub(super) at: Timestamp,
}

impl Gather {
    /// Whether the process may be read: what one read gives fits.
    pub(super) const fn has_room(&self) -> bool {
        self.len_bytes < MAX_GATHERED_BYTES && self.pieces.len() < MAX_PIECES
    }

    /// Adds what was read at `now`, and written at `at`.
    pub(super) fn push(&mut self, channel: Channel, data: &[u8], now: Duration, at: Timestamp) {
        self.len_bytes += data.len();
        let ends_at = |piece: &Piece| at.as_nanos().saturating_sub(piece.at.as_nanos());
        match self.pieces.last_mut() {
            Some(last) if last.channel == channel && ends_at(last) <= MAX_PIECE_SPAN_NANOS => {
                last.bytes.extend_from_slice(data);
                last.read = now;
            }
            _ => {
                let (mut bytes, at) = self
                    .cut_off_incomplete(channel)
                    .unwrap_or((BytesMut::new(), at));
                bytes.extend_from_slice(data);
                self.pieces.push(Piece {
                    channel,
                    bytes,
                    at,
                    read: now,
                });
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
        let mut tails = self.tails().peekable();
        let has_more = match tails.peek() {
            // What was read after the start of a character of the other channel waits with it.
            Some((_, len_bytes)) => self.is_of_one_channel() && *len_bytes < self.len_bytes,
            None => true,
        };
        if has_more {
            return Some(paced);
        }
        let complete = tails.map(|(piece, _)| piece.read + INCOMPLETE_CHARACTER_WAIT);
        complete.chain([paced]).max()
    }

    /// Takes what may go into the log at `now`, when that is due: all but the start of a character
    /// that may still be completed.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Taken> {
        self.last_taken = Some(now);
        let young = |(piece, _): &(&Piece, usize)| now < piece.read + INCOMPLETE_CHARACTER_WAIT;
        let tail = self.tails().find(young).map(|(_, len_bytes)| len_bytes);
        let Some(len_bytes) = tail.filter(|_| self.is_of_one_channel()) else {
            return self.take_all();
        };
        let last = self.pieces.last_mut().expect("it has a tail");
        let kept = Piece {
            channel: last.channel,
            bytes: last.bytes.split_off(last.bytes.len() - len_bytes),
            at: last.at,
            read: last.read,
        };
        let taken = self.take_all();
        self.len_bytes = len_bytes;
        self.pieces.push(kept);
        taken
    }

    /// Takes everything: no more will come.
    pub(super) fn take_all(&mut self) -> Vec<Taken> {
        self.len_bytes = 0;
        std::mem::take(&mut self.pieces)
            .into_iter()
            .filter(|piece| !piece.bytes.is_empty())
            .map(|piece| Taken {
                channel: piece.channel,
                data: piece.bytes.freeze(),
                at: piece.at,
            })
            .collect()
    }

    /// The last piece of each channel, where it ends within a character, and how many bytes there
    /// are of that.
    fn tails(&self) -> impl Iterator<Item = (&Piece, usize)> {
        let channels = [Channel::Tty, Channel::Stdout, Channel::Stderr].into_iter();
        channels.filter_map(|channel| {
            let last = self.pieces.iter().rfind(|piece| piece.channel == channel)?;
            let len_bytes = decide::incomplete_char(&last.bytes);
            (len_bytes > 0).then_some((last, len_bytes))
        })
    }

    fn is_of_one_channel(&self) -> bool {
        let mut neighbours = self.pieces.windows(2);
        neighbours.all(|pair| pair[0].channel == pair[1].channel)
    }

    /// Cuts an incomplete character off the end of a channel's last piece.
    fn cut_off_incomplete(&mut self, channel: Channel) -> Option<(BytesMut, Timestamp)> {
        let last = self
            .pieces
            .iter_mut()
            .rfind(|piece| piece.channel == channel)?;
        let len_bytes = decide::incomplete_char(&last.bytes);
        let complete = last.bytes.len() - len_bytes;
        (len_bytes > 0).then(|| (last.bytes.split_off(complete), last.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(now: Duration) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap())
    }

    impl Gather {
        /// Read as soon as it is written.
        fn read(&mut self, channel: Channel, data: &[u8], now: Duration) {
            self.push(channel, data, now, at(now));
        }
    }

    fn text(taken: &[Taken]) -> Vec<u8> {
        taken.iter().flat_map(|taken| taken.data.to_vec()).collect()
    }

    fn pieces(taken: &[Taken]) -> Vec<(Channel, &[u8])> {
        taken
            .iter()
            .map(|taken| (taken.channel, &*taken.data))
            .collect()
    }

    #[test]
    fn the_first_byte_after_a_quiet_spell_is_due_at_once() {
        let mut gather = Gather::default();
        assert_eq!(gather.due(), None);
        gather.read(Channel::Tty, b"a", ms(500));
        assert_eq!(gather.due(), Some(ms(0)));
        assert_eq!(text(&gather.take(ms(500))), b"a");
        gather.read(Channel::Tty, b"b", ms(900));
        assert!(gather.due().unwrap() <= ms(900));
    }

    #[test]
    fn a_flood_is_committed_a_hundred_times_a_second_at_most() {
        let mut gather = Gather::default();
        let mut commits = 0;
        for now in 0..1000 {
            gather.read(Channel::Tty, b"x", ms(now));
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
        gather.read(Channel::Tty, "é".as_bytes(), ms(0));
        gather.read(Channel::Tty, &"€".as_bytes()[..2], ms(0));
        assert_eq!(text(&gather.take(ms(0))), "é".as_bytes());
        assert_eq!(gather.due(), Some(ms(20)));
        gather.read(Channel::Tty, &"€".as_bytes()[2..], ms(10));
        assert_eq!(gather.due(), Some(ms(10)));
        assert_eq!(text(&gather.take(ms(10))), "€".as_bytes());
    }

    #[test]
    fn the_start_of_a_character_waits_no_longer_than_20_ms() {
        let mut gather = Gather::default();
        gather.read(Channel::Tty, b"\xf0\x9f", ms(5));
        assert_eq!(gather.due(), Some(ms(25)));
        assert_eq!(text(&gather.take(ms(25))), b"\xf0\x9f");
        assert_eq!(gather.due(), None);
    }

    #[test]
    fn a_character_is_joined_over_what_the_other_pipe_wrote() {
        let mut gather = Gather::default();
        gather.read(Channel::Stdout, b"a\xe2\x82", ms(0));
        gather.read(Channel::Stderr, b"!", ms(0));
        gather.read(Channel::Stdout, b"\xac", ms(0));
        assert_eq!(
            pieces(&gather.take(ms(0))),
            [
                (Channel::Stdout, &b"a"[..]),
                (Channel::Stderr, b"!"),
                (Channel::Stdout, "€".as_bytes()),
            ]
        );
    }

    #[test]
    fn what_is_read_after_the_start_of_a_character_waits_with_it() {
        let mut gather = Gather::default();
        gather.read(Channel::Stdout, b"a\xe2\x82", ms(0));
        gather.read(Channel::Stderr, b"!", ms(15));
        assert_eq!(gather.due(), Some(ms(20)));
        assert_eq!(
            pieces(&gather.take(ms(20))),
            [
                (Channel::Stdout, &b"a\xe2\x82"[..]),
                (Channel::Stderr, b"!")
            ]
        );
    }

    #[test]
    fn what_was_written_hours_apart_is_not_one_piece_and_a_character_is_whole_all_the_same() {
        let mut gather = Gather::default();
        let hour = Duration::from_secs(3600);
        gather.push(Channel::Tty, b"a", ms(0), at(ms(0)));
        gather.push(Channel::Tty, b"b\xe2\x82", ms(0), at(ms(900)));
        gather.push(Channel::Tty, b"\xac", ms(0), at(hour));
        let taken = gather.take(ms(0));
        assert_eq!(
            pieces(&taken),
            [(Channel::Tty, &b"ab"[..]), (Channel::Tty, "€".as_bytes())]
        );
        assert_eq!(taken[0].at, at(ms(0)));
    }

    #[test]
    fn there_is_no_room_for_more_than_the_limit_and_one_read() {
        let mut gather = Gather::default();
        while gather.has_room() {
            gather.read(Channel::Tty, &[b'x'; 1 << 16], ms(0));
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
                gather.read(channel, b"\xe2", ms(0));
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

    fn of(channel: Channel, pieces: &[(Channel, Bytes)]) -> Vec<u8> {
        let of = pieces.iter().filter(|(of, _)| *of == channel);
        of.flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    proptest! {
        /// So the log has, after each commit, all that was read up to some place, and nothing else.
        #[test]
        fn every_byte_of_each_channel_comes_out_once_in_order_and_what_is_taken_is_a_start_of_all(
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
                gather.read(channel, &data, now);
                written.extend(data.iter().map(|byte| (channel, Bytes::copy_from_slice(&[*byte]))));
                if take && gather.due().is_some_and(|due| due <= now) {
                    taken.extend(gather.take(now).into_iter().map(|taken| (taken.channel, taken.data)));
                }
                let len_bytes = taken.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
                for channel in [Channel::Stdout, Channel::Stderr] {
                    prop_assert_eq!(of(channel, &written[..len_bytes]), of(channel, &taken));
                }
            }
            taken.extend(gather.take_all().into_iter().map(|taken| (taken.channel, taken.data)));
            prop_assert_eq!(gather.due(), None);
            for channel in [Channel::Stdout, Channel::Stderr] {
                prop_assert_eq!(of(channel, &written), of(channel, &taken));
            }
        }
    }
}
