//! What a client and a server have in common. The examples show a server.

use std::time::Duration;

use ipc_core::{Corrupt, EngineStats, RemoteError, Result, Sent, Time};

use super::client::Client;
use super::server::Server;
use super::{Request, Stopper, Ticket};
use crate::api::{Arrival, Reply, Subscription};

macro_rules! common {
    ($endpoint:ident) => {
        impl $endpoint {
            /// Calls `listener` for each one-way message of that name, in addition to its handler
            /// and to other listeners.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// server.on("tick", |event| println!("{} bytes", event.payload.len()));
            /// # Ok(())
            /// # }
            /// ```
            pub fn on<L>(&mut self, event: &str, listener: L) -> Subscription
            where
                L: FnMut(&Request<'_>) + Send + 'static,
            {
                self.endpoint.listen(event, false, listener)
            }

            /// As [`Self::on`], for the next message only.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// server.once("ready", |event| println!("{:?} is ready", event.link));
            /// # Ok(())
            /// # }
            /// ```
            pub fn once<L>(&mut self, event: &str, listener: L) -> Subscription
            where
                L: FnMut(&Request<'_>) + Send + 'static,
            {
                self.endpoint.listen(event, true, listener)
            }

            /// Removes what [`Self::on`] or [`Self::once`] added; a second call does nothing.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// let ticks = server.on("tick", |_| {});
            /// server.off(ticks);
            /// # Ok(())
            /// # }
            /// ```
            pub fn off(&mut self, subscription: Subscription) {
                self.endpoint.dispatcher.router.stop_listening(subscription);
            }

            /// Accepts requests and one-way messages of this name compressed: unpacking them takes
            /// up to 64 times what the peer has put in.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// server.accept_compressed("document");
            /// # Ok(())
            /// # }
            /// ```
            pub fn accept_compressed(&mut self, name: &str) {
                self.endpoint.accept_compressed(name);
            }

            /// As [`Self::turn`], but `read` is called with one-way messages that lie in one frame
            /// where they lie, instead of a handler with a copy. Longer ones go to their handlers.
            ///
            /// ```
            /// # use std::time::Duration;
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// let mut image = vec![0; 1 << 16];
            /// server.turn_in_place(Duration::from_secs(1), |arrival| {
            ///     let len = arrival.body.len();
            ///     arrival.body.copy_to(&mut image[..len])
            /// })?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn turn_in_place(
                &mut self,
                timeout: Duration,
                read: impl FnMut(Arrival<'_>) -> Result<(), Corrupt>,
            ) -> Result<bool> {
                self.endpoint.turn_in_place(Time::now() + timeout, read)
            }

            /// Answers a request later than its handler; see
            /// [`Answer::Later`](crate::blocking::Answer::Later).
            ///
            /// ```
            /// # use ringpost::blocking::{Server, Ticket};
            /// # use ringpost::{Reply, Result};
            /// # fn example(server: &mut Server, ticket: &Ticket) -> Result<()> {
            /// server.answer(ticket, Ok(&Reply::bytes("done")))?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn answer(
                &mut self,
                ticket: &Ticket,
                answer: Result<&Reply, &RemoteError>,
            ) -> Result<Sent> {
                self.endpoint.answer(ticket, answer)
            }

            /// Whether the caller still waits for this answer, as of now: long work sees a cancel
            /// without a turn.
            ///
            /// ```
            /// # use ringpost::blocking::{Server, Ticket};
            /// # fn example(server: &mut Server, ticket: &Ticket) {
            /// if !server.is_awaited(ticket) {
            ///     return; // it was cancelled
            /// }
            /// # }
            /// ```
            pub fn is_awaited(&mut self, ticket: &Ticket) -> bool {
                self.endpoint.is_awaited(ticket)
            }

            /// What makes this server return from its wait, from another thread.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// let stopper = server.stopper();
            /// std::thread::spawn(move || stopper.stop());
            /// # Ok(())
            /// # }
            /// ```
            pub fn stopper(&self) -> Stopper {
                self.endpoint.stopper()
            }

            /// The counters of the engine.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// assert_eq!(server.engine_stats().lost_wakeups, 0);
            /// # Ok(())
            /// # }
            /// ```
            pub fn engine_stats(&self) -> EngineStats {
                self.endpoint.engine.stats()
            }

            /// One-way messages of the peer without a handler.
            ///
            /// ```
            /// # use ringpost::blocking::{Answer, Server};
            /// # use ringpost::{CallOptions, LinkId, Result};
            /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
            /// assert_eq!(server.unhandled(), 0);
            /// # Ok(())
            /// # }
            /// ```
            pub fn unhandled(&self) -> u64 {
                self.endpoint.unhandled()
            }
        }
    };
}

common!(Client);
common!(Server);
