//! Passing on what the database asks of a file's locks.

/// The locks of a [`redb::StorageBackend`], which `$to` has.
macro_rules! forward_locks {
    ($self:ident => $to:expr) => {
        fn try_lock_range(
            &$self,
            start: std::ops::Bound<u64>,
            end: std::ops::Bound<u64>,
        ) -> Result<bool, redb::BackendError> {
            $to.try_lock_range(start, end)
        }

        fn try_lock_shared_range(
            &$self,
            start: std::ops::Bound<u64>,
            end: std::ops::Bound<u64>,
        ) -> Result<bool, redb::BackendError> {
            $to.try_lock_shared_range(start, end)
        }

        fn lock_range(
            &$self,
            start: std::ops::Bound<u64>,
            end: std::ops::Bound<u64>,
        ) -> Result<(), redb::BackendError> {
            $to.lock_range(start, end)
        }

        fn lock_shared_range(
            &$self,
            start: std::ops::Bound<u64>,
            end: std::ops::Bound<u64>,
        ) -> Result<(), redb::BackendError> {
            $to.lock_shared_range(start, end)
        }

        fn unlock_range(
            &$self,
            start: std::ops::Bound<u64>,
            end: std::ops::Bound<u64>,
        ) -> Result<(), redb::BackendError> {
            $to.unlock_range(start, end)
        }

        fn query_lock_range(
            &$self,
            start: std::ops::Bound<u64>,
            end: std::ops::Bound<u64>,
        ) -> Result<bool, redb::BackendError> {
            $to.query_lock_range(start, end)
        }
    };
}

pub(super) use forward_locks;
