//! The exact bytes of an output event.

use coven_http::client::Client;
use coven_http::wire::Output;

use crate::failure::Failure;

/// The bytes of one output event. Its text is exact unless it shows a U+FFFD, which may stand for
/// what is not UTF-8: then the bytes themselves are asked for.
///
/// # Errors
/// When the daemon cannot give them.
pub(crate) async fn exact(client: &Client, id: &str, part: &Output) -> Result<Vec<u8>, Failure> {
    if !part.data.contains(char::REPLACEMENT_CHARACTER) {
        return Ok(part.data.clone().into_bytes());
    }
    let wanted = usize::try_from(part.bytes).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut output = client.output(id, part.offset).await?;
    while bytes.len() < wanted {
        let Some(more) = output.next().await? else {
            break;
        };
        bytes.extend_from_slice(&more);
    }
    bytes.truncate(wanted);
    Ok(bytes)
}
