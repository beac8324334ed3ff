//! The names of inputs, from the keys that clients send: what is sent again under one is typed once.

use coven::{IdempotencyKey, InputId, SessionId};
use sha2::{Digest, Sha256};

/// That of a request with this key.
pub(crate) fn of_request(session: &SessionId, key: &IdempotencyKey) -> InputId {
    hash("request", session, key, 0)
}

/// That of the frame which begins at byte `offset` of what a viewer types under this key.
pub(crate) fn of_frame(session: &SessionId, key: &IdempotencyKey, offset: u64) -> InputId {
    hash("frame", session, key, offset)
}

/// No part has a NUL in it, so no two inputs are hashed as the same bytes.
fn hash(kind: &str, session: &SessionId, key: &IdempotencyKey, offset: u64) -> InputId {
    let offset = offset.to_string();
    let parts = [
        "coven.input.v1",
        kind,
        session.as_str(),
        key.as_str(),
        &offset,
    ];
    let hash = Sha256::digest(parts.join("\0"));
    InputId(std::array::from_fn(|at| hash[at]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_is_of_its_session_its_key_its_kind_and_its_place() {
        let session = |id| SessionId::parse(id).unwrap();
        let key = |key| IdempotencyKey::parse(key).unwrap();
        let names = [
            of_request(&session("s"), &key("k")),
            of_request(&session("s"), &key("k1")),
            of_request(&session("t"), &key("k")),
            of_frame(&session("s"), &key("k"), 0),
            of_frame(&session("s"), &key("k"), 10),
            of_frame(&session("s"), &key("k1"), 0),
        ];
        assert_eq!(HashSet::from(names).len(), names.len());
        assert_eq!(names[3], of_frame(&session("s"), &key("k"), 0));
    }
}
