//! How much a value takes in redb's pages.
//!
//! A large value has a run of pages to itself that is a power of two long, and all of it is
//! written: a value of 33 KiB takes as much as one of 64. So large values are made to fit.

/// The shortest run.
pub(crate) const PAGE_BYTES: usize = 4096;

/// What a run has besides the one value in it: its head, where the value ends, and a key of two
/// numbers.
const OVERHEAD_BYTES: usize = 24;

/// The most that a value may have for the run of pages it takes.
pub(crate) fn run_of(len_bytes: usize) -> usize {
    (len_bytes + OVERHEAD_BYTES)
        .next_power_of_two()
        .max(PAGE_BYTES)
        - OVERHEAD_BYTES
}

/// The same of a run half as long.
pub(crate) const fn half_of(run: usize) -> usize {
    (run + OVERHEAD_BYTES) / 2 - OVERHEAD_BYTES
}

/// Of so many bytes, what part may be written for nothing: each run is found, filled and written by
/// itself, and a little more of one costs less than the next.
const SPARE_SHARE: usize = 16;

/// Cuts so many bytes into values that fill their runs, the longest first; the last one has what is
/// left, in a run that it may not fill by a sixteenth of them all.
pub(crate) fn parts(
    mut len_bytes: usize,
    longest: usize,
    shortest: usize,
) -> impl Iterator<Item = usize> {
    let spare_bytes = len_bytes / SPARE_SHARE;
    std::iter::from_fn(move || {
        if len_bytes == 0 {
            return None;
        }
        let mut run = run_of(longest / 2);
        while run > len_bytes + spare_bytes && run > run_of(shortest / 2) {
            run = half_of(run);
        }
        let part = run.min(len_bytes);
        len_bytes -= part;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_their_pages_and_are_all_there_is() {
        for len in [
            0,
            1,
            4000,
            4072,
            4073,
            8168,
            8169,
            70_000,
            1 << 20,
            3_333_333,
        ] {
            let parts: Vec<usize> = parts(len, 256 << 10, 8 << 10).collect();
            assert_eq!(parts.iter().sum::<usize>(), len);
            let pages: usize = parts.iter().map(|&part| run_of(part) + 24).sum();
            assert!(
                pages <= len + len / 16 + len / 500 + 12_000,
                "{len}: {pages}"
            );
        }
    }

    #[test]
    fn a_part_that_nearly_fills_its_run_is_not_cut_into_those_that_do() {
        let of = |len| parts(len, 256 << 10, 8 << 10).collect::<Vec<_>>();
        let whole = (256 << 10) - OVERHEAD_BYTES;
        assert_eq!(of(4 * whole), [whole; 4]);
        assert_eq!(
            of(4 * whole - 50_000),
            [whole, whole, whole, whole - 50_000]
        );
        assert_eq!(of(4 * whole - 70_000).len(), 5);
    }
}
