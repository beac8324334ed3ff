//! Which session a word names: an id, the start of one, or `@last`.

use coven::{Code, SessionId};
use coven_http::client::{Client, SessionsQuery};
use coven_http::wire::SessionRecord;

use crate::exit::Exit;
use crate::failure::Failure;

/// Sessions asked for at once while looking for the start of an id.
const PAGE: usize = 1000;

/// How many ids an ambiguous word is answered with.
const MOST_NAMED: usize = 4;

/// The session that `word` names, archived or not.
///
/// # Errors
/// [`Exit::NotFound`] when there is none, [`Exit::Usage`] when there are several.
pub(crate) async fn session(client: &Client, word: &str) -> Result<SessionRecord, Failure> {
    if word == "@last" {
        return newest(client).await;
    }
    if SessionId::parse(word).is_err() {
        return Err(Failure::usage(format!(
            "{word:?} is no session: give its id, the start of it, or @last"
        )));
    }
    match client.session(word).await {
        Err(error) if error.code() == Some(Code::SessionNotFound) => by_start(client, word).await,
        answer => Ok(answer?),
    }
}

async fn newest(client: &Client) -> Result<SessionRecord, Failure> {
    let query = SessionsQuery {
        limit: Some(1),
        ..SessionsQuery::default()
    };
    let page = client.sessions_page(&query).await?;
    let Some(newest) = page.sessions.first() else {
        return Err(Failure::new(
            Exit::NotFound,
            "there are no sessions; start one with `coven run`",
        ));
    };
    Ok(client.session(&newest.id).await?)
}

async fn by_start(client: &Client, start: &str) -> Result<SessionRecord, Failure> {
    let mut found = Vec::new();
    let mut query = SessionsQuery {
        limit: Some(PAGE),
        cursor: None,
        include_archived: true,
    };
    loop {
        let page = client.sessions_page(&query).await?;
        let ids = page.sessions.into_iter().map(|session| session.id);
        found.extend(ids.filter(|id| id.starts_with(start)));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    match found.as_slice() {
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("no session is called {start}; `coven sessions --all` lists them"),
        )),
        [id] => Ok(client.session(id).await?),
        several => Err(Failure::usage(ambiguous(start, several))),
    }
}

fn ambiguous(start: &str, ids: &[String]) -> String {
    let named: Vec<&str> = ids.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = ids.len().saturating_sub(MOST_NAMED);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{start} is the start of {} sessions ({}{rest}); give more of it",
        ids.len(),
        named.join(", ")
    )
}

/// The shortest starts, of at least `least` characters, that tell these ids apart.
pub(crate) fn short_ids(ids: &[&str], least: usize) -> Vec<String> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let needed = sorted
        .windows(2)
        .map(|pair| shared(pair[0], pair[1]) + 1)
        .max()
        .unwrap_or(0)
        .max(least);
    ids.iter()
        .map(|id| id.chars().take(needed).collect())
        .collect()
}

fn shared(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_are_as_long_as_it_takes_to_tell_them_apart() {
        assert_eq!(
            short_ids(&["abcdefgh", "abcdezzz"], 4),
            ["abcdef", "abcdez"]
        );
        assert_eq!(short_ids(&["abcdefgh"], 4), ["abcd"]);
        assert_eq!(short_ids(&["x", "xy"], 4), ["x", "xy"]);
        assert_eq!(short_ids(&[], 4), Vec::<String>::new());
    }

    #[test]
    fn an_ambiguous_start_is_answered_with_some_ids() {
        let ids: Vec<String> = (0..6).map(|n| format!("a{n}")).collect();
        let sentence = ambiguous("a", &ids);
        assert!(
            sentence.contains("6 sessions (a0, a1, a2, a3 and 2 more)"),
            "{sentence}"
        );
    }
}
