//! Calling callbacks with what has come. Nothing is locked meanwhile.

use std::ffi::CString;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipc_core::{LinkId, Time, WatchId};

use super::Shared;
use crate::callbacks::{Callback, EventFn, ReplyFn, RequestFn, view};
use crate::error::Error;
use crate::inbox::{Happening, Outcome, Payload};
use crate::server::Request;

impl Shared {
    /// Calls whom it concerns what has come. Returns whether anyone was called.
    pub(super) fn dispatch(self: &Arc<Self>) -> Result<bool, Error> {
        let mut has_called = false;
        while let Some(happening) = self.next()? {
            has_called |= match happening {
                Happening::Event { link, name, payload } => self.event(link, &name, &payload)?,
                Happening::Request { link, name, message, payload } => {
                    let request = Request { shared: Arc::clone(self), link, message };
                    self.request(request, &name, &payload)?
                }
                Happening::Settled { callback, outcome, .. } => {
                    settle(callback, outcome);
                    true
                }
                Happening::Closed { link } => self.closed(link)?,
                Happening::Ready { watch } => self.ready(watch)?,
            };
        }
        Ok(has_called)
    }

    fn next(&self) -> Result<Option<Happening>, Error> {
        let mut state = self.lock()?;
        let next = state.inbox.queue.pop_front();
        if next.is_none() && std::mem::take(&mut state.inbox.is_held) {
            for link in state.engine.links() {
                state.engine.resume(link);
            }
        }
        Ok(next)
    }

    fn event(&self, link: LinkId, name: &str, payload: &Payload) -> Result<bool, Error> {
        // Who subscribes in a callback hears the events that come after this one.
        let newest = self.lock()?.inbox.subscriptions;
        let c_name = CString::new(name).unwrap_or_default();
        let event = view(payload, c_name.as_ptr());
        let (mut last, mut has_called) = (0, false);
        // Looked up one by one, because a callback may end other subscriptions, or the connection
        // with all of them, and free their data.
        while let Some((id, callback)) = self.listener(link, name, last + 1..=newest)? {
            if let Callback { function: Some(function), data } = callback {
                // SAFETY: the program's own function, called with what it is declared to take.
                unsafe { function(data, &raw const event) };
            }
            (last, has_called) = (id, true);
        }
        Ok(has_called)
    }

    /// The oldest subscription to an event among those with these numbers.
    fn listener(
        &self,
        link: LinkId,
        event: &str,
        numbers: RangeInclusive<u64>,
    ) -> Result<Option<(u64, Callback<EventFn>)>, Error> {
        let state = self.lock()?;
        let link = state.inbox.links.get(&link);
        let mut listeners = link.into_iter().flat_map(|link| &link.listeners);
        let found = listeners.find(|one| numbers.contains(&one.id) && *one.event == *event);
        Ok(found.map(|one| (one.id, one.callback)))
    }

    fn request(&self, request: Request, name: &str, payload: &Payload) -> Result<bool, Error> {
        let callback: Option<Callback<RequestFn>> = {
            let state = self.lock()?;
            let link = state.inbox.links.get(&request.link);
            let server = link.and_then(|link| link.server);
            let methods = server.and_then(|server| state.inbox.servers.get(&server));
            methods.and_then(|methods| methods.get(name).copied())
        };
        // Its connection or its server is over.
        let Some(Callback { function: Some(function), data }) = callback else { return Ok(false) };
        let name = CString::new(name).unwrap_or_default();
        let (message, request) = (view(payload, name.as_ptr()), Box::into_raw(Box::new(request)));
        // SAFETY: as above. The request is the program's from here on.
        unsafe { function(data, request, &raw const message) };
        Ok(true)
    }

    fn closed(&self, link: LinkId) -> Result<bool, Error> {
        let (callback, ended) = {
            let mut state = self.lock()?;
            let Some(link) = state.inbox.links.get_mut(&link) else { return Ok(false) };
            (link.on_closed, link.ended.replace(None))
        };
        let Some(Callback { function: Some(function), data }) = callback else { return Ok(false) };
        let error = ended.flatten().map(Error::from);
        let error = error.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: as above.
        unsafe { function(data, error) };
        Ok(true)
    }

    fn ready(&self, watch: WatchId) -> Result<bool, Error> {
        let now = Time::now();
        let callback = self.lock()?.watches.callback(watch);
        let Some(Callback { function: Some(function), data }) = callback else { return Ok(false) };
        // SAFETY: as above.
        unsafe { function(data) };
        self.lock()?.watches.called(watch, now);
        Ok(true)
    }
}

/// Calls the one who waits for the outcome of a request.
pub fn settle(callback: Callback<ReplyFn>, outcome: Outcome) {
    let Callback { function: Some(function), data } = callback else { return };
    match outcome {
        Ok(payload) => {
            let reply = view(&payload, std::ptr::null());
            // SAFETY: the program's own function, called with what it is declared to take.
            unsafe { function(data, &raw const reply, std::ptr::null()) };
        }
        Err(error) => {
            let error = Error::from(error);
            // SAFETY: as above.
            unsafe { function(data, std::ptr::null(), &raw const error) };
        }
    }
}
