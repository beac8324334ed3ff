//! Every route, in the order that docs/http.md tells them.

use hyper::Method;

use super::{Reach, Route};
use crate::handler;

/// A row: its method, its path, its module, and there its handler and its documentation.
macro_rules! route {
    ($method:ident $path:literal $reach:ident, $module:ident :: $handler:ident, $doc:ident) => {
        Route {
            method: Method::$method,
            path: $path,
            reach: Reach::$reach,
            handler: |call| Box::pin(handler::$module::$handler(call)),
            doc: handler::$module::$doc,
        }
    };
}

/// Every route.
pub(crate) static TABLE: [Route; 31] = [
    route!(GET "/health" Everywhere, health::get, doc),
    route!(GET "/api-version" Everywhere, api_version::get, doc),
    route!(GET "/capabilities" Everywhere, capabilities::get, doc),
    route!(GET "/capabilities/harnesses" Everywhere, harness_scan::get, doc),
    route!(GET "/capabilities/{harnessId}" Everywhere, harness_scan::get_one, doc_one),
    route!(POST "/actions" Everywhere, actions::post, doc),
    route!(GET "/harnesses" Everywhere, harnesses::get, doc),
    route!(POST "/sessions" Everywhere, launch::post, doc),
    route!(GET "/sessions" Everywhere, list::get, doc),
    route!(POST "/sessions/external" Everywhere, external::post, doc),
    route!(GET "/sessions/{id}" Everywhere, session::get, doc),
    route!(GET "/sessions/{id}/export" Everywhere, export::get, doc),
    route!(PATCH "/sessions/{id}" Everywhere, edit::patch, doc),
    route!(DELETE "/sessions/{id}" Everywhere, delete::delete, doc),
    route!(GET "/sessions/{id}/events" Everywhere, events::get_of_session, doc_of_session),
    route!(GET "/sessions/{id}/events/stream" Everywhere, stream::get, doc),
    route!(GET "/sessions/{id}/log" Everywhere, log::get, doc),
    route!(GET "/sessions/{id}/output" Everywhere, output::get, doc),
    route!(GET "/sessions/{id}/attach" Everywhere, attach::get, doc),
    route!(POST "/sessions/{id}/input" Everywhere, input::post, doc),
    route!(POST "/sessions/{id}/submit" Everywhere, submit::post, doc),
    route!(POST "/sessions/{id}/resize" Everywhere, resize::post, doc),
    route!(POST "/sessions/{id}/kill" Everywhere, kill::post, doc),
    route!(POST "/sessions/{id}/complete" Everywhere, complete::post, doc),
    route!(POST "/sessions/{id}/archive" Everywhere, archive::post, doc),
    route!(POST "/sessions/{id}/summon" Everywhere, summon::post, doc),
    route!(GET "/events" Everywhere, events::get, doc),
    route!(GET "/events/stream" Everywhere, stream_all::get, doc),
    route!(POST "/prune" Everywhere, prune::post, doc),
    route!(GET "/openapi.json" Everywhere, openapi::get, doc),
    route!(POST "/internal/lifecycle/shutdown" Canonical, shutdown::post, doc),
];
