//! Driving a session that runs, which its task does: what is typed, its terminal, its end, its title.

use bytes::Bytes;
use coven_core::{Actor, Command, InputId, Labels, Record, SessionId, TermSize, Title};

use super::{Engine, reading};
use crate::running::{Message, Request};
use crate::{Error, Unavailable, commit};

impl Engine {
    /// Whether the session takes input now, before the input is looked at.
    ///
    /// # Errors
    /// The refusal that any input would get: not found, not running, or takes none. As
    /// [`get`](Self::get) where its record cannot be read.
    pub async fn accepts_input(&self, id: &SessionId) -> Result<(), Error> {
        Ok(self.get(id).await?.session.accepts_input()?)
    }

    /// Types bytes into a session, verbatim; in a `stream` session, as one message. Accepted means
    /// on record and in the queue to the process (of one that a shim holds, with the shim, or with the
    /// next engine where this one leaves): order is kept, and two inputs are never merged into one write.
    ///
    /// What has a name is put on record and typed once, however often it is asked for, over the
    /// engine's death too: by who got no answer, and may not know whether it was accepted. The last
    /// 4,096 names of a session are known.
    ///
    /// # Errors
    /// - A refusal: not found, not running, takes no input, over 1 MiB; in a `stream` session, no
    ///   UTF-8. [`Refusal::NobodyReads`](coven_core::Refusal::NobodyReads): it runs, and something could not
    ///   be written to it, since it has closed its stdin. Nothing was recorded, and no input will be.
    /// - [`Unavailable::InputQueueFull`](crate::Unavailable::InputQueueFull): the process has not
    ///   taken 1 MiB or 4,096 inputs yet, whichever engine accepted them. Nothing was recorded; ask again.
    ///   The other reasons likewise; [`Unavailable::ShimSilent`](crate::Unavailable::ShimSilent) says what
    ///   is amiss, where that is seen.
    /// - [`Error::SendInputFailed`]: it is on record, and the process is gone, or has closed its stdin; or
    ///   it was hidden, the engine leaves, and whether it was typed is not known: ask the next one again,
    ///   under the same name.
    /// - [`Refusal::InputUndelivered`](coven_core::Refusal::InputUndelivered): it was accepted before, by
    ///   its name, and the process has not got it, or not all of it, and will not. Where it still runs, or
    ///   another session goes on with it, send it under another name.
    /// - [`Error::Internal`]: see there.
    pub async fn input(
        &self,
        id: &SessionId,
        data: Bytes,
        name: Option<InputId>,
        by: Actor,
    ) -> Result<(), Error> {
        let request = Request::Input { data, id: name };
        match self.ask(id, request, &by).await {
            Some(answer) => answer.map(drop),
            None => self.takes_no_input(id, name).await,
        }
    }

    /// Types a further prompt and submits it, the way this harness takes it.
    ///
    /// # Errors
    /// As [`input`](Self::input), and a text that cannot be typed exactly is refused.
    pub async fn submit(
        &self,
        id: &SessionId,
        text: String,
        name: Option<InputId>,
        by: Actor,
    ) -> Result<(), Error> {
        let request = Request::Submit { text, id: name };
        match self.ask(id, request, &by).await {
            Some(answer) => answer.map(drop),
            None => self.takes_no_input(id, name).await,
        }
    }

    /// Changes the size of a session's terminal.
    ///
    /// # Errors
    /// Not found, not running, no terminal; [`Error::Unavailable`]: nothing was written, ask again;
    /// [`Error::Internal`]: see there, or the system refused a size that is on record.
    pub async fn resize(&self, id: &SessionId, size: TermSize, by: Actor) -> Result<(), Error> {
        let answer = match self.ask(id, Request::Resize { size }, &by).await {
            Some(answer) => answer,
            None => self.at_rest(id, Command::Resize { size }, by).await,
        };
        answer.map(drop)
    }

    /// Has a session's program draw its screen anew, for a viewer that has not seen it being drawn:
    /// its terminal is one row off for a moment, which is not recorded. A program that has written
    /// nothing yet, or has no terminal, or does not run, is left alone. Returns at once.
    pub async fn redraw(&self, id: &SessionId) {
        self.shared.running.tell(id, Message::Redraw).await;
    }

    /// Ends a session's process and all that came of it: asks them, then ends who is left after
    /// the grace. Returns once that is under way; the exit event is the proof. It does not wait
    /// for a disk that is full.
    ///
    /// # Errors
    /// - A refusal: not found, not running, already being killed, or external.
    /// - [`Error::KillFailed`]: an earlier kill had left processes, and so did this one, which takes
    ///   some seconds to tell. Ask again. The engine looks by itself, too: the exit event comes
    ///   once nobody is left, and not before. Or all of it was ended, and the log takes nothing more of it.
    /// - [`Error::Unavailable`]: its record cannot be read, or the engine is shutting down, which
    ///   kills it too. Never because of a full disk.
    /// - [`Error::Internal`]: see there.
    pub async fn kill(&self, id: &SessionId, by: Actor) -> Result<(), Error> {
        let answer = match self.ask(id, Request::Kill, &by).await {
            Some(answer) => answer,
            None => self.at_rest(id, Command::Kill, by).await,
        };
        answer.map(drop)
    }

    /// Changes a session's title or labels; `None` leaves a part as it is.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn edit(
        &self,
        id: &SessionId,
        title: Option<Title>,
        labels: Option<Labels>,
        by: Actor,
    ) -> Result<Record, Error> {
        let request = Request::Edit {
            title: title.clone(),
            labels: labels.clone(),
        };
        match self.ask(id, request, &by).await {
            Some(answer) => answer,
            None => self.at_rest(id, Command::Edit { title, labels }, by).await,
        }
    }

    /// Asks the session's task; `None` when it has none.
    async fn ask(
        &self,
        id: &SessionId,
        request: Request,
        by: &Actor,
    ) -> Option<Result<Record, Error>> {
        let answer = self
            .shared
            .running
            .ask(id, request, Some(by.clone()))
            .await?;
        Some(match answer {
            Err(Error::Unavailable {
                reason: Unavailable::ShimSilent { .. },
            }) => {
                // Where even that cannot be told, it is not.
                let why = self.out_of_reach(id).await.ok().flatten();
                Err(Unavailable::ShimSilent { why }.into())
            }
            other => other,
        })
    }

    /// Why a session that has no task takes no input; what has a name and is on record was taken.
    async fn takes_no_input(&self, id: &SessionId, name: Option<InputId>) -> Result<(), Error> {
        self.shared.refuse_when_shutting_down()?;
        if let Some(name) = name
            && reading::has_input(&self.shared, id, name).await?
        {
            return Ok(());
        }
        let record = self.get(id).await?;
        record.session.accepts_input()?;
        Err(commit::nobody_owns(&record.session))
    }
}
