//! `POST /api/v1/internal/lifecycle/shutdown`: stop this daemon process, and no other.

use coven::Code;
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{CONTRACT, ShutdownBody, ShutdownCapabilities, ShutdownReply};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let asked: ShutdownBody = call.body.json(limits::MAX_SHUTDOWN_BODY_BYTES).await?;
    if asked.api_version != CONTRACT || asked.daemon != call.app.daemon {
        return Err(Error::other_daemon());
    }
    let permit = call.app.hold_permit();
    call.app.stop().begin(asked.sessions);
    // The end of the connection says that the stop is complete.
    call.switch.hold(permit?);
    let reply = ShutdownReply {
        ok: true,
        api_version: CONTRACT.to_owned(),
        capabilities: ShutdownCapabilities {
            structured_errors: true,
        },
        daemon: call.app.daemon.clone(),
    };
    Ok(Reply::json(StatusCode::ACCEPTED, &reply))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Stops the daemon process that the body names; its sessions go on, unless the body has `\"sessions\":\"end\"`. The connection ends once it has.")
        .body::<ShutdownBody>()
        .answer::<ShutdownReply>(202, "It stops.")
        .errors(&[
            Code::InvalidRequest,
            Code::PayloadTooLarge,
            Code::DaemonIdentityMismatch,
        ])
}
