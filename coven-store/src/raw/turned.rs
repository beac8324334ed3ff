//! A bit that turned: in a page in which no more is wrong, the checksum tells which.

use std::collections::{BTreeMap, HashSet};

use super::page::PAGE;

/// The longest page in which it is looked for one: each bit is tried, which takes 10 ms for 4 KiB and 2 s for that.
pub(crate) const LONGEST_BYTES: usize = 16 * PAGE;

/// How long it is looked for bits that turned where none is found: that many times a page of 4 KiB, which takes 10 ms.
/// Where more is damaged than that, it is no bit that turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort(pub(crate) usize);

impl Effort {
    /// Of who writes to an open log: 10 s.
    pub(crate) const TO_WRITE: Self = Self(1000);
    /// Of who saves what there is: 3 s, which is one of the longest pages.
    pub(crate) const TO_SAVE: Self = Self(300);
    /// Of who opens a log, which others wait for.
    pub(crate) const TO_OPEN: Self = Self(16);

    /// What a page of so many bytes takes: twice as long a one has twice as many bits, and each takes twice as long.
    const fn of(len_bytes: usize) -> usize {
        (len_bytes / PAGE).pow(2)
    }

    /// Whether it is looked for one in a page of so many bytes as well.
    pub(crate) const fn is_enough_for(self, len_bytes: usize) -> bool {
        len_bytes <= LONGEST_BYTES && Self::of(len_bytes) <= self.0
    }

    /// None was found in a page of so many bytes.
    pub(crate) const fn spend(&mut self, len_bytes: usize) {
        self.0 = self.0.saturating_sub(Self::of(len_bytes));
    }
}

/// Turns the one bit back that has a page be right. Gives which that is, counted from the lowest of the first byte on;
/// the page is as it was where there is none.
pub(crate) fn turn_back(page: &mut [u8], is_right: impl Fn(&[u8]) -> bool) -> Option<usize> {
    (0..8 * page.len()).find(|&bit| {
        page[bit / 8] ^= 1 << (bit % 8);
        let is_right = is_right(page);
        if !is_right {
            page[bit / 8] ^= 1 << (bit % 8);
        }
        is_right
    })
}

/// The bits of a file that turned, as far as is known.
#[derive(Debug)]
pub(super) struct Turned {
    /// By the byte they are in.
    bits: BTreeMap<u64, u8>,
    effort: Effort,
    /// Where pages are that no one bit has be right, and what their parents say they are.
    in_vain: HashSet<(u64, u128)>,
}

impl Turned {
    /// None is known.
    pub(super) fn none(effort: Effort) -> Self {
        Self {
            bits: BTreeMap::new(),
            effort,
            in_vain: HashSet::new(),
        }
    }

    /// Those that are known, with the byte that each is in.
    pub(super) fn bits(&self) -> Vec<(u64, u8)> {
        self.bits
            .iter()
            .map(|(&byte, &bits)| (byte, bits))
            .collect()
    }

    /// Turns back those that are in bytes at `at`.
    pub(super) fn turn_back(&self, at: u64, bytes: &mut [u8]) {
        for (&byte, bits) in self.bits.range(at..at + bytes.len() as u64) {
            let byte = usize::try_from(byte - at).expect("it is one of them");
            bytes[byte] ^= bits;
        }
    }

    /// Turns the one bit back that has the page at `at` be right, which is to have that checksum, and remembers it. Says
    /// whether there is one.
    pub(super) fn find(
        &mut self,
        (at, checksum): (u64, u128),
        page: &mut [u8],
        is_right: impl Fn(&[u8]) -> bool,
    ) -> bool {
        if !self.effort.is_enough_for(page.len()) || self.in_vain.contains(&(at, checksum)) {
            return false;
        }
        if let Some(bit) = turn_back(page, is_right) {
            *self.bits.entry(at + bit as u64 / 8).or_default() ^= 1 << (bit % 8);
            return true;
        }
        self.effort.spend(page.len());
        self.in_vain.insert((at, checksum));
        false
    }
}
