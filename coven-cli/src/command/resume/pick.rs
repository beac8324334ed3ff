//! Which of the sessions that are listed are meant.

use std::collections::BTreeSet;
use std::io;

use coven_http::wire::SessionRecord;

use crate::failure::Failure;
use crate::output;

/// Asks the person at the terminal which of the sessions, in the order they were listed in.
///
/// # Errors
/// When the answer is none of those it can be, or nothing can be asked.
pub(super) fn ask(sessions: Vec<SessionRecord>) -> Result<Vec<SessionRecord>, Failure> {
    output::print("Resume which? Their numbers, or all; Enter for none: ")?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))?;
    let chosen = numbers(&answer, sessions.len())?;
    Ok((1..)
        .zip(sessions)
        .filter(|(number, _)| chosen.contains(number))
        .map(|(_, session)| session)
        .collect())
}

/// The numbers that an answer names, of 1 to `most`.
fn numbers(answer: &str, most: usize) -> Result<BTreeSet<usize>, Failure> {
    let words = answer.split([' ', ',', '\t', '\r', '\n']);
    let mut chosen = BTreeSet::new();
    for word in words.filter(|word| !word.is_empty()) {
        match word.parse() {
            Ok(number) if (1..=most).contains(&number) => {
                chosen.insert(number);
            }
            _ if word.eq_ignore_ascii_case("all") => chosen.extend(1..=most),
            _ => {
                return Err(Failure::usage(format!(
                    "{word:?} is none of them, and nothing was resumed; answer with numbers of 1 \
                     to {most}, or all"
                )));
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_some_or_all_or_none() {
        for (answer, expected) in [
            ("\n", &[][..]),
            ("", &[]),
            ("2\n", &[2]),
            ("3, 1\r\n", &[1, 3]),
            ("all\n", &[1, 2, 3]),
            (" ALL ", &[1, 2, 3]),
        ] {
            let chosen = numbers(answer, 3).unwrap();
            assert!(chosen.iter().eq(expected), "{answer:?}: {chosen:?}");
        }
        for answer in ["0", "4", "-1", "x", "1 5", "1-2", "99999999999999999999"] {
            assert!(numbers(answer, 3).is_err(), "{answer:?}");
        }
    }
}
