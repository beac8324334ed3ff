use super::*;

const PIECE_BYTES: usize = 1 << 20;

fn pool() -> Arc<Pool> {
    let pool = Arc::new(Pool::default());
    pool.keep();
    pool
}

/// So many bytes out of the pool, each of them `byte`.
fn shared(pool: &Arc<Pool>, len_bytes: usize, byte: u8) -> Bytes {
    let mut bytes = pool.take(len_bytes);
    assert!(bytes.is_empty() && bytes.capacity() >= len_bytes);
    bytes.resize(len_bytes, byte);
    pool.share(bytes)
}

fn free_bytes(pool: &Pool) -> usize {
    let free = pool.free();
    let bytes = free.pieces.iter().map(Vec::capacity).sum();
    assert_eq!(free.bytes, bytes);
    bytes
}

#[test]
fn memory_that_nobody_has_any_more_is_used_for_the_next_that_is_about_as_long() {
    let pool = pool();
    let first = shared(&pool, PIECE_BYTES, 1);
    let place = first.as_ptr();
    drop(first);
    let next = shared(&pool, PIECE_BYTES - 1000, 2);
    assert_eq!(next.as_ptr(), place);
    assert!(next.len() == PIECE_BYTES - 1000 && next.iter().all(|&byte| byte == 2));
    assert_eq!(free_bytes(&pool), 0);
}

#[test]
fn memory_of_which_anybody_has_a_part_is_not_used_again() {
    let pool = pool();
    let first = shared(&pool, PIECE_BYTES, 1);
    let part = first.slice(PIECE_BYTES / 2..);
    drop(first);
    let next = shared(&pool, PIECE_BYTES, 2);
    assert!(part.iter().all(|&byte| byte == 1));
    drop((part, next));
    assert_eq!(free_bytes(&pool), 2 * PIECE_BYTES);
}

#[test]
fn a_piece_is_not_used_for_what_is_much_shorter_and_makes_room_for_it() {
    let pool = pool();
    drop(shared(&pool, PIECE_BYTES, 1));
    let short = shared(&pool, PIECE_BYTES / 2, 2);
    assert_eq!(free_bytes(&pool), 0);
    drop(short);
    assert_eq!(free_bytes(&pool), PIECE_BYTES / 2);
}

#[test]
fn what_is_shared_takes_no_more_than_it_has_where_it_turned_out_to_be_shorter() {
    let pool = pool();
    let mut bytes = pool.take(PIECE_BYTES);
    bytes.resize(PIECE_BYTES / 2, 1);
    drop(pool.share(bytes));
    assert_eq!(free_bytes(&pool), 0);
}

#[test]
fn no_more_is_kept_than_there_may_be_and_the_oldest_goes_first() {
    let pool = pool();
    let pieces = MAX_POOL_BYTES / PIECE_BYTES;
    let all: Vec<_> = (0..pieces + 5)
        .map(|_| shared(&pool, PIECE_BYTES, 1))
        .collect();
    let places: Vec<_> = all.iter().map(|piece| piece.as_ptr()).collect();
    drop(all);
    assert_eq!(free_bytes(&pool), MAX_POOL_BYTES);
    let kept: Vec<_> = pool.free().pieces.iter().map(Vec::as_ptr).collect();
    assert_eq!(kept, places[5..]);
}

#[test]
fn what_is_short_is_the_allocators() {
    let pool = pool();
    drop(shared(&pool, MIN_POOLED_BYTES - 1, 1));
    assert_eq!(free_bytes(&pool), 0);
}

#[test]
fn nothing_is_kept_before_anything_was_recorded_nor_of_what_comes_back_once_the_log_is_at_rest() {
    let pool = Arc::new(Pool::default());
    drop(shared(&pool, PIECE_BYTES, 1));
    assert_eq!(free_bytes(&pool), 0);
    pool.keep();
    let is_read = shared(&pool, PIECE_BYTES, 1);
    drop(shared(&pool, PIECE_BYTES, 1));
    assert_eq!(free_bytes(&pool), PIECE_BYTES);
    pool.give_back();
    drop(is_read);
    assert_eq!(free_bytes(&pool), 0);
}
