//! The memory that the allocator keeps.

#![allow(unsafe_code)]

/// What glibc calls the most arenas there may be, where who starts a program says it.
#[cfg(target_env = "gnu")]
const CHOSEN: &str = "MALLOC_ARENA_MAX";

#[cfg(target_env = "gnu")]
const MOST_ARENAS: libc::c_int = 4;

/// Bounds the arenas that the allocator has for this program to four, where whoever started it did not
/// choose (`MALLOC_ARENA_MAX`): glibc makes eight for each processor, and keeps what is free at the end of
/// each whatever [`give_back_free_memory`] does. To be called before there are threads: what there is
/// already stays. It does nothing where the C library is not glibc, or the program has an allocator of its
/// own.
pub fn keep_few_arenas() {
    #[cfg(target_env = "gnu")]
    if std::env::var_os(CHOSEN).is_none() {
        // SAFETY: it takes two numbers and no pointer, and says how many arenas may be made from now on.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, MOST_ARENAS);
        }
    }
}

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

    /// How many arenas there are.
    fn arenas() -> usize {
        let mut told: *mut libc::c_char = std::ptr::null_mut();
        let mut len = 0;
        // SAFETY: the stream is closed before what it wrote is read and then freed, once, and both places it
        // writes to outlive it.
        let text = unsafe {
            let stream = libc::open_memstream(&raw mut told, &raw mut len);
            assert!(!stream.is_null(), "there is memory");
            libc::malloc_info(0, stream);
            libc::fclose(stream);
            let text = std::ffi::CStr::from_ptr(told)
                .to_string_lossy()
                .into_owned();
            libc::free(told.cast());
            text
        };
        text.matches("<heap nr=").count()
    }

    #[test]
    fn many_threads_that_allocate_at_once_share_few_arenas() {
        keep_few_arenas();
        let most = arenas().max(usize::try_from(MOST_ARENAS).expect("a few"));
        let all_allocated = std::sync::Barrier::new(64);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let block = vec![1_u8; BLOCK_BYTES];
                    all_allocated.wait();
                    drop(block);
                });
            }
        });
        assert!(arenas() <= most, "{} of {most}", arenas());
    }
}
