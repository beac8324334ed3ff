//! `GET /sessions/{id}/attach`: a WebSocket to a session's terminal.

use coven::{AttachView, Code, Refusal, Seq, SessionId};
use hyper_tungstenite::tungstenite::error::ProtocolError;
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;
use hyper_tungstenite::{is_upgrade_request, upgrade};

use crate::app::Call;
use crate::attach::{self, Attached, Named, Opening};
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::{limits, trimmed};

pub(crate) async fn get(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    if !is_upgrade_request(&call.request) {
        return Err(Refusal::invalid("Upgrade", "", "must be websocket").into());
    }
    let named = match call.idempotency_key()? {
        None => None,
        Some(key) => Some(Named {
            key,
            typed_bytes: call.query().number("typed")?.unwrap_or(0),
        }),
    };
    let shown = call.query().number("afterSeq")?.map(Seq::new);
    let attached = Attached {
        engine: call.engine().clone(),
        named,
        by: call.actor(),
        stopping: call.app.stopping(),
        heartbeat: call.app.timeouts.heartbeat,
        id,
        permit: call.app.stream()?,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::VIEWER_READ_BYTES)
        .max_message_size(Some(limits::MAX_VIEWER_MESSAGE_BYTES))
        .max_frame_size(Some(limits::MAX_VIEWER_MESSAGE_BYTES))
        .max_write_buffer_size(limits::MAX_VIEWER_BACKLOG_BYTES);
    let (response, socket) =
        upgrade(&mut call.request, Some(config)).map_err(|problem| unfit(&problem))?;
    // It holds the tail of the session's output, so it is read only for one who can be shown it.
    let view = call.engine().attach_view(&attached.id).await?;
    let opening = match shown {
        Some(after) if attached.named.is_some() => from(call, &attached.id, view, after).await?,
        Some(_) | None => Opening::Drawn(view),
    };
    call.switch.afterwards(async move {
        match socket.await {
            Ok(socket) => attach::serve(attached, opening, socket).await,
            Err(error) => tracing::debug!(%error, "attach was not taken up"),
        }
    });
    Ok(call.of_log(Reply::head(response.map(|_| ()))))
}

/// How a viewer goes on that was shown everything up to `after`, if the log still has the rest.
async fn from(call: &Call, id: &SessionId, view: AttachView, after: Seq) -> Result<Opening, Error> {
    if after > view.seq {
        // A place of another home.
        return Ok(Opening::Drawn(view));
    }
    let record = call.engine().get(id).await?;
    let missing = trimmed::after(call.engine(), &record, after).await?;
    Ok(match missing {
        None => Opening::Resumed { view, after },
        Some(_) => Opening::Drawn(view),
    })
}

/// What a WebSocket's first request lacks.
fn unfit(problem: &ProtocolError) -> Refusal {
    match problem {
        ProtocolError::MissingSecWebSocketVersionHeader => {
            Refusal::invalid("Sec-WebSocket-Version", "", "must be 13")
        }
        ProtocolError::MissingSecWebSocketKey => {
            Refusal::invalid("Sec-WebSocket-Key", "", "is required")
        }
        other => Refusal::invalid("Upgrade", "", other.to_string()),
    }
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    Doc::new(
        "A WebSocket to a session's terminal: binary frames are its bytes, both ways; text frames \
         are JSON control (docs/http.md).",
    )
    .header(
        "Idempotency-Key",
        "1 to 128 visible ASCII characters, the same whenever this viewer attaches anew: it is told \
         what was taken of what it types, and what it types again is not typed twice.",
    )
    .query("typed", Type::Integer, "With a key: which byte of all it typed comes next.")
    .query("afterSeq", Type::Integer, "With a key: the last place that it was told as `shown`.")
    .answer_empty(101, "Attached.")
    .errors(&[Code::InvalidRequest, Code::SessionNotFound])
}
