//! Inputs that wait until their process reads.

use bytes::Bytes;
use coven_core::limits::MAX_INPUT_BYTES;

use super::shims;
use super::world::{World, me, within};
use crate::Hosting;

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_message_there_may_be_reaches_a_stream_session() {
    // Each of its bytes is six in JSON.
    let longest = Bytes::from(vec![1; MAX_INPUT_BYTES]);
    let script = "read prompt; echo ready; head -c 6000000 >/dev/null; echo read";
    for hosting in [Hosting::InProcess, shims::hosting()] {
        let world = World::with(|options| options.hosting = hosting).await;
        let id = world.launch_in("stream", script).await;
        world.until(&id, "ready").await;
        let typed = world.engine.input(&id, longest.clone(), None, me());
        within(typed).await.unwrap();
        world.until(&id, "\nread\n").await;
    }
}
