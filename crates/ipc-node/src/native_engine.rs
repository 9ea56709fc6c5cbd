//! The engine of an environment, as JavaScript has it: what is called rarely.

use std::os::fd::BorrowedFd;

use ipc_core::{Dialing, Engine, Error, LinkId, ListenerId, Totals, WatchId, Watcher};
use napi::bindgen_prelude::{FromNapiValue, JsObjectValue, JsValue, Object, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::binding::{Binding, Setup};
use crate::counters::{NativeEngineStats, NativeLinkStats};
use crate::inner::Inner;
use crate::options::{NativeListenOptions, NativeOptions, NativeWaiting, span};
use crate::{hot, throw};

/// The engine of one JavaScript environment.
#[napi]
pub struct NativeEngine {
    binding: &'static Binding,
}

#[napi]
impl NativeEngine {
    /// Opens the engine of this environment. `memory` is what JavaScript and the binding
    /// both look at;
    /// `deliver` is called with the extras of the runs the state counts, if they have any, in an
    /// asynchronous context `resource` stands for.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "memory: Record<'outbox' | 'state' | 'runs' | 'standing', ArrayBuffer>, \
                        deliver: (extras?: (ArrayBuffer | Uint8Array | null)[]) => void, \
                        resource: object, waiting: NativeWaiting"
    )]
    pub fn new(
        env: Env,
        memory: Object,
        deliver: Unknown,
        resource: Unknown,
        waiting: NativeWaiting,
    ) -> Result<Self> {
        let part = |name| memory.get_named_property::<Unknown>(name).map(|part| part.raw());
        let setup = Setup {
            outbox: part("outbox")?,
            state: part("state")?,
            runs: part("runs")?,
            standing: part("standing")?,
            deliver: deliver.raw(),
            resource: resource.raw(),
            wait_policy: waiting.wait_policy(),
            by_thread: waiting.by_thread,
        };
        let binding = Binding::open(env.raw(), &setup).map_err(|error| raise(env, &error))?;
        Ok(Self { binding })
    }

    /// The functions that are called for every batch: `submit()` sends what is in the outbox,
    /// `submitOutside(payload)` the same where the payload of the last record is not in it,
    /// `syncArena(memory)` says where small synchronous answers go, `requestSync()` waits for the
    /// answer to the request the state names, `settle()` takes notice of what was written into the
    /// state, and `lookAbandoned()` checks whether the reply to the request the state names is
    /// still wanted. `now()` is the monotonic clock in milliseconds, `wakeAt(ms)` asks to be called
    /// when it reads so much, `uncaught(error)` makes anything an uncaught exception, and
    /// `flushAtExit()` writes what can be written before the process ends.
    #[napi(
        catch_unwind,
        ts_return_type = "{ submit(): void, submitOutside(payload: Uint8Array): void, \
                          syncArena(memory: ArrayBuffer): void, \
                          requestSync(): number | Uint8Array, settle(): void, \
                          lookAbandoned(): void, now(): number, wakeAt(ms: number): void, \
                          uncaught(error: unknown): void, flushAtExit(): void }"
    )]
    pub fn hot(&self, env: Env) -> Result<Unknown<'static>> {
        let functions = hot::functions(self.binding);
        // SAFETY: a value of this environment, made in the scope of this call.
        #[allow(unsafe_code)]
        unsafe {
            Unknown::from_napi_value(env.raw(), functions)
        }
    }

    /// Serves a name. Returns the listener.
    #[napi(catch_unwind)]
    pub fn listen(
        &self,
        env: Env,
        name: String,
        options: NativeOptions,
        listen: NativeListenOptions,
    ) -> Result<u32> {
        let handed = listen.fd;
        let (options, listen) = (options.into_options(), listen.into_options());
        let listener = self.begin(env, |engine| match handed {
            None => engine.listen(&name, &options?, &listen?),
            Some(fd) => {
                // SAFETY: it is not -1, which the check of the option refuses. If it is not open,
                // the engine's first call fails with that.
                #[allow(unsafe_code)]
                let socket = unsafe { BorrowedFd::borrow_raw(fd) };
                engine.listen_at(&name, &options?, &listen?, socket)
            }
        })?;
        Ok(listener.0)
    }

    /// Serves a name in place of the server that does. Returns a link; what becomes of it is an
    /// event.
    #[napi(catch_unwind)]
    pub fn take_over(
        &self,
        env: Env,
        name: String,
        options: NativeOptions,
        listen: NativeListenOptions,
    ) -> Result<u32> {
        let link = self.begin(env, |engine| {
            engine.take_over(&name, &options.into_options()?, &listen.into_options()?)
        })?;
        Ok(link.0)
    }

    /// Stops accepting.
    #[napi(catch_unwind)]
    pub fn close_listener(&self, listener: u32) {
        self.binding.inner().engine.close_listener(ListenerId(listener));
    }

    /// The same, but clients that were let in still become connections; an event comes behind the
    /// last of them.
    #[napi(catch_unwind)]
    pub fn retire_listener(&self, listener: u32) {
        self.binding.inner().retire_listener(ListenerId(listener));
        self.binding.settle();
    }

    /// Connects to a name. Returns the link; what becomes of it is an event.
    #[napi(catch_unwind)]
    pub fn connect(
        &self,
        env: Env,
        name: String,
        options: NativeOptions,
        timeout_ms: f64,
    ) -> Result<u32> {
        let timeout = span(timeout_ms);
        let link =
            self.begin(env, |engine| engine.connect(&name, &options.into_options()?, timeout))?;
        Ok(link.0)
    }

    /// Connects to a name as soon as it is served; one that insists tries again whatever may pass
    /// with time. Returns the link; what becomes of it is an event.
    #[napi(catch_unwind)]
    pub fn dial(
        &self,
        env: Env,
        name: String,
        options: NativeOptions,
        attempt_timeout_ms: f64,
        timeout_ms: f64,
        insists: bool,
    ) -> Result<u32> {
        let (timeout, attempt_timeout) = (span(timeout_ms), span(attempt_timeout_ms));
        let dialing = Dialing { timeout, attempt_timeout, insists };
        let link =
            self.begin(env, |engine| engine.dial(&name, &options.into_options()?, dialing))?;
        Ok(link.0)
    }

    /// Closes a connection, because its server `leaves` or not; its end is an event.
    #[napi(catch_unwind)]
    pub fn close(&self, env: Env, link: u32, leaves: bool) -> Result<()> {
        self.binding.submit(None).map_err(|error| raise(env, &error))?;
        self.binding.inner().close(LinkId(link), leaves);
        self.binding.settle();
        Ok(())
    }

    /// Ends a connection that JavaScript cannot go on with; its end is an event, if it is still
    /// open.
    #[napi(catch_unwind)]
    pub fn break_off(&self, link: u32) {
        self.binding.inner().break_off(LinkId(link));
        self.binding.settle();
    }

    /// Asks the peer's engine for an answer. Returns its number; the answer is an event.
    #[napi(catch_unwind)]
    pub fn ping(&self, env: Env, link: u32) -> Result<u32> {
        // Behind what is in the outbox.
        self.binding.submit(None).map_err(|error| raise(env, &error))?;
        let pinged = self.binding.inner().engine.ping(LinkId(link));
        let number = pinged.map_err(|error| raise(env, &error))?;
        self.binding.settle();
        // As much of it as an event's slot holds.
        Ok(ipc_core::id::slot_of(number))
    }

    /// Announces that this side is about to leave. Returns whether the peer knows what that means.
    #[napi(catch_unwind)]
    pub fn leave(&self, link: u32) -> bool {
        let is_announced = self.binding.inner().engine.leave(LinkId(link));
        self.binding.settle();
        is_announced
    }

    /// Takes no more requests of this side. Once nothing is in flight, there is an event.
    #[napi(catch_unwind)]
    pub fn quiesce(&self, env: Env, link: u32) -> Result<()> {
        // What is in the outbox is in flight.
        self.binding.submit(None).map_err(|error| raise(env, &error))?;
        self.binding.inner().engine.quiesce(LinkId(link));
        self.binding.settle();
        Ok(())
    }

    /// Whether nothing is in flight now.
    #[napi(catch_unwind)]
    pub fn is_idle(&self, env: Env, link: u32) -> Result<bool> {
        self.binding.submit(None).map_err(|error| raise(env, &error))?;
        Ok(self.binding.inner().engine.is_idle(LinkId(link)))
    }

    /// Gives a request up. Returns whether it was in flight.
    #[napi(catch_unwind)]
    pub fn cancel(&self, env: Env, link: u32, slot: u32, generation: u32) -> Result<bool> {
        // The request may still be in the outbox.
        self.binding.submit(None).map_err(|error| raise(env, &error))?;
        let id = ipc_core::id::join(slot, generation);
        let cancelled = self.binding.inner().engine.cancel(LinkId(link), id);
        self.binding.settle();
        Ok(cancelled)
    }

    /// This side's code for a method or event, of the epoch that the state says afterwards.
    #[napi(catch_unwind)]
    pub fn code(&self, env: Env, name: String) -> Result<u32> {
        // What is in the outbox has codes of the epoch that may end now.
        self.binding.submit(None).map_err(|error| raise(env, &error))?;
        self.binding.inner().code(&name).map_err(|error| raise(env, &error))
    }

    /// Requests and one-way messages of this name may come compressed.
    #[napi(catch_unwind)]
    pub fn accept_packed(&self, name: String) {
        self.binding.inner().inbox.packed.insert(name);
    }

    /// A published object is watched no longer.
    #[napi(catch_unwind)]
    pub fn unwatch(&self, watch: u32) {
        self.end_watch(WatchId(watch));
    }

    /// What the engine has counted.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> NativeEngineStats {
        NativeEngineStats::of(self.binding.inner().engine.stats(), self.binding.wakes_by())
    }

    /// What a connection has counted; `null` when it is over and was forgotten.
    #[napi(catch_unwind)]
    pub fn link_stats(&self, link: u32) -> Option<NativeLinkStats> {
        self.binding.inner().link_stats(LinkId(link)).map(Into::into)
    }

    /// What a connection that is over has counted is needed no longer.
    #[napi(catch_unwind)]
    pub fn forget(&self, link: u32) {
        self.binding.inner().inbox.ended.forget(LinkId(link));
    }
}

impl NativeEngine {
    /// Watches something with the one watcher of this engine, which it attends to.
    pub(crate) fn watch(
        &self,
        env: Env,
        begin: impl FnOnce(&mut Watcher) -> WatchId,
    ) -> Result<u32> {
        let (id, checked) = self.begin_watch(begin).map_err(|error| raise(env, &error))?;
        checked.map(|()| id.0).map_err(|error| {
            self.end_watch(id);
            raise(env, &error)
        })
    }

    /// Says of which number the watch is, and whether all of it could be begun.
    fn begin_watch(
        &self,
        begin: impl FnOnce(&mut Watcher) -> WatchId,
    ) -> ipc_core::Result<(WatchId, ipc_core::Result<()>)> {
        let Inner { engine, inbox, .. } = &mut *self.binding.inner();
        if inbox.watcher.is_none() {
            let watcher = Watcher::new()?;
            engine.attend(&watcher)?;
            inbox.watcher = Some(watcher);
        }
        let watcher = inbox.watcher.as_mut().expect("made above");
        let id = begin(watcher);
        Ok((id, watcher.check(id)))
    }

    fn end_watch(&self, id: WatchId) {
        let Inner { engine, inbox, .. } = &mut *self.binding.inner();
        if let Some(watcher) = &mut inbox.watcher {
            watcher.remove(id);
            if watcher.is_empty() {
                engine.ignore(&*watcher);
                inbox.watcher = None;
            }
        }
    }

    /// Runs what begins something that the engine goes on with.
    fn begin<T>(
        &self,
        env: Env,
        work: impl FnOnce(&mut Engine) -> ipc_core::Result<T>,
    ) -> Result<T> {
        let begun = work(&mut self.binding.inner().engine).map_err(|error| raise(env, &error))?;
        self.binding.settle();
        Ok(begun)
    }

    pub(crate) fn totals(&self, link: LinkId) -> Option<Totals> {
        self.binding.inner().totals(link)
    }
}

/// Throws with the code of the error, and leaves nothing more to be thrown.
pub(crate) fn raise(env: Env, error: &Error) -> napi::Error {
    throw::throw(env.raw(), error);
    napi::Error::new(napi::Status::PendingException, String::new())
}
