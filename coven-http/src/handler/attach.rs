//! `GET /sessions/{id}/attach`: a WebSocket to a session's terminal.

use coven::{Code, Refusal};
use hyper_tungstenite::tungstenite::error::ProtocolError;
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;
use hyper_tungstenite::{is_upgrade_request, upgrade};

use crate::app::Call;
use crate::attach::{self, Attached};
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;

pub(crate) async fn get(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    if !is_upgrade_request(&call.request) {
        return Err(Refusal::invalid("Upgrade", "", "must be websocket").into());
    }
    let attached = Attached {
        engine: call.engine().clone(),
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
    call.switch.afterwards(async move {
        match socket.await {
            Ok(socket) => attach::serve(attached, view, socket).await,
            Err(error) => tracing::debug!(%error, "attach was not taken up"),
        }
    });
    Ok(Reply::head(response.map(|_| ())))
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
    Doc::new(
        "A WebSocket to a session's terminal: binary frames are its bytes, both ways; text frames \
         are JSON control (docs/http.md).",
    )
    .answer_empty(101, "Attached.")
    .errors(&[Code::InvalidRequest, Code::SessionNotFound])
}
