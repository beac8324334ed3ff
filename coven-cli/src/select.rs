//! Which session a word names: an id, the start of one, or `@last`.

use coven::{Code, SessionId};
use coven_http::client::{Client, SessionsQuery};
use coven_http::wire::SessionRecord;

use crate::all_sessions;
use crate::exit::Exit;
use crate::failure::Failure;

/// The newest session.
pub(crate) const LAST: &str = "@last";

/// How many ids an ambiguous word is answered with.
const MOST_NAMED: usize = 4;

/// Characters that are shown of what is no id: more than any has.
const MOST_SHOWN: usize = 200;

/// Characters of an id that are shown at least.
const LEAST_CHARS: usize = 8;

/// The session that `word` names, archived or not.
///
/// # Errors
/// [`Exit::NotFound`] when there is none, [`Exit::Usage`] when there are several.
pub(crate) async fn session(client: &Client, word: &str) -> Result<SessionRecord, Failure> {
    if word == LAST {
        return newest(client).await;
    }
    if SessionId::parse(word).is_err() {
        return Err(Failure::usage(format!(
            "{:?}{} is no session: give its id, the start of it, or @last",
            word.chars().take(MOST_SHOWN).collect::<String>(),
            if word.chars().count() > MOST_SHOWN {
                "…"
            } else {
                ""
            },
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
    let mut found = ids(client).await?;
    found.retain(|id| id.starts_with(start));
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

/// Every session's id, archived or not.
async fn ids(client: &Client) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    all_sessions::each(client, |session| ids.push(session.id)).await?;
    Ok(ids)
}

/// What to call these sessions: the start of each id that names it and no other session there is,
/// listed or not.
///
/// # Errors
/// Whatever the client says.
pub(crate) async fn short_ids(
    client: &Client,
    sessions: &[SessionRecord],
) -> Result<Vec<String>, Failure> {
    let all = Starts::of(ids(client).await?);
    Ok(sessions
        .iter()
        .map(|session| all.shortest(&session.id))
        .collect())
}

/// Ids in order: those that share most with one are beside it.
struct Starts {
    sorted: Vec<String>,
}

impl Starts {
    fn of(mut ids: Vec<String>) -> Self {
        ids.sort_unstable();
        Self { sorted: ids }
    }

    /// The shortest start of `id`, of at least [`LEAST_CHARS`], that no other begins with.
    fn shortest(&self, id: &str) -> String {
        let before = self.sorted.partition_point(|other| other.as_str() < id);
        let after = self.sorted.partition_point(|other| other.as_str() <= id);
        let beside = [before.checked_sub(1), Some(after)];
        let needed = beside
            .into_iter()
            .filter_map(|place| self.sorted.get(place?))
            .map(|other| shared(id, other) + 1)
            .max();
        id.chars()
            .take(needed.unwrap_or(0).max(LEAST_CHARS))
            .collect()
    }
}

fn shared(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_far_as_it_takes_to_tell_it_from_all_others() {
        let ids = [
            "aaaabbbbcd",
            "aaaabbbbce",
            "aaaazzzz",
            "x",
            "xy",
            "yyyyyyyyyyy",
        ];
        let all = Starts::of(ids.map(str::to_owned).to_vec());
        let shown = ids.map(|id| all.shortest(id));
        assert_eq!(
            shown,
            [
                "aaaabbbbcd",
                "aaaabbbbce",
                "aaaazzzz",
                "x",
                "xy",
                "yyyyyyyy"
            ]
        );
        assert_eq!(
            all.shortest("aaaabbbbzzzz"),
            "aaaabbbbz",
            "one that is gone"
        );
        assert_eq!(Starts::of(Vec::new()).shortest("abcdefghij"), "abcdefgh");
    }
}
