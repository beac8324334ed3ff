//! The memory that the allocator keeps.

#![allow(unsafe_code)]

/// Gives the memory that the allocator keeps free for this program back to the system, from all its
/// arenas: glibc keeps most of it for as long as anything behind it in an arena is in use. It does
/// nothing where the C library is not glibc, or the program has an allocator of its own. Blocks for
/// some milliseconds, and so does who allocates meanwhile; what was given back is taken from the
/// system again, page by page, when it is wanted.
pub fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and no pointer, and changes nothing that is allocated. It takes each
    // arena's lock while it is there, so other threads may allocate and free meanwhile.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    /// Bytes of blocks, each too small to be taken from the system by itself.
    const BLOCK_BYTES: usize = 32 << 10;
    const BLOCKS: usize = 1024;

    /// Bytes of memory that this program has to itself.
    fn private_bytes() -> usize {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells");
        let of = |line: &str| line.split_whitespace().nth(1)?.parse::<usize>().ok();
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        private.filter_map(of).sum::<usize>() << 10
    }

    #[test]
    fn memory_that_lies_free_before_what_is_in_use_is_the_systems_again() {
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK_BYTES]).collect();
        let last = blocks.pop();
        drop(blocks);
        let before = private_bytes();
        give_back_free_memory();
        let given_bytes = before.saturating_sub(private_bytes());
        assert!(given_bytes > BLOCKS * BLOCK_BYTES / 2, "{given_bytes}");
        drop(last);
    }
}
