//! All sessions that there are, a page at a time.

use coven_http::client::{Client, Error, SessionsQuery};
use coven_http::wire::SessionRecord;

/// As many as one page may have.
const PAGE: usize = 1000;

/// Gives `each` every session, archived or not, newest first; and tells how many it could not, because
/// the log is damaged there.
///
/// # Errors
/// Whatever the client says; those before it were given.
pub(crate) async fn each(
    client: &Client,
    mut each: impl FnMut(SessionRecord),
) -> Result<usize, Error> {
    let mut damaged = 0;
    let mut query = SessionsQuery {
        limit: Some(PAGE),
        cursor: None,
        include_archived: true,
    };
    loop {
        let page = client.sessions_page(&query).await?;
        damaged += page.damaged;
        page.sessions.into_iter().for_each(&mut each);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return Ok(damaged);
        }
    }
}
