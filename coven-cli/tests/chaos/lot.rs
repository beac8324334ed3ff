//! Drawing lots: the same ones for the same seed.

/// SplitMix64, by Sebastiano Vigna.
pub(crate) struct Lot(u64);

impl Lot {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one, of these and a number: of two numbers two that have nothing in common.
    pub(crate) fn another(mut self, number: u64) -> Self {
        let mut other = Self(self.next() ^ number);
        Self(other.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..below`.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }
}
