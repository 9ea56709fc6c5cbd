//! What a client and a server have in common. The examples show a server.

use std::future::Future;

use ipc_core::EngineStats;

use super::client::Client;
use super::handler::erase_listener;
use super::request::Request;
use super::server::Server;
use crate::api::{Stats, Subscription};

macro_rules! common {
    ($endpoint:ident) => {
        impl $endpoint {
            /// Accepts requests and one-way messages of this name compressed: unpacking them takes
            /// up to 64 times what their sender has put in.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// server.accept_compressed("document");
            /// # Ok(())
            /// # }
            /// ```
            pub fn accept_compressed(&self, name: &str) {
                self.owner().accept_compressed(name);
            }

            /// Calls `listener` for each one-way message of that name from now on, in addition to
            /// its handler and to other listeners, one after the other.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// server.on("tick", |event: Request| async move {
            ///     println!("{} bytes", event.payload.len());
            /// });
            /// # Ok(())
            /// # }
            /// ```
            pub fn on<L, F>(&self, event: &str, listener: L) -> Subscription
            where
                L: Fn(Request) -> F + Send + Sync + 'static,
                F: Future<Output = ()> + Send + 'static,
            {
                self.owner().listen(event, false, erase_listener(listener))
            }

            /// As [`Self::on`], for the next message only.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// server.once("ready", |_| async { println!("ready") });
            /// # Ok(())
            /// # }
            /// ```
            pub fn once<L, F>(&self, event: &str, listener: L) -> Subscription
            where
                L: Fn(Request) -> F + Send + Sync + 'static,
                F: Future<Output = ()> + Send + 'static,
            {
                self.owner().listen(event, true, erase_listener(listener))
            }

            /// Removes what [`Self::on`] or [`Self::once`] added; a second call does nothing.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// let ticks = server.on("tick", |_| async {});
            /// server.off(ticks);
            /// # Ok(())
            /// # }
            /// ```
            pub fn off(&self, subscription: Subscription) {
                self.owner().stop_listening(subscription);
            }

            /// What it has counted, over all of its connections, those that have ended included.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// let stats = server.stats();
            /// println!("{} bytes of {} clients", stats.links.bytes_received, stats.connections);
            /// # Ok(())
            /// # }
            /// ```
            pub fn stats(&self) -> Stats {
                self.owner().stats()
            }

            /// The counters of the engine.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// assert_eq!(server.engine_stats().lost_wakeups, 0);
            /// # Ok(())
            /// # }
            /// ```
            pub fn engine_stats(&self) -> EngineStats {
                self.owner().shared().with(|state| state.engine.stats())
            }

            /// One-way messages of the peer without a handler.
            ///
            /// ```
            /// # use ringpost::tokio::{Handlers, Request, Server};
            /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
            /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
            /// assert_eq!(server.unhandled(), 0);
            /// # Ok(())
            /// # }
            /// ```
            pub fn unhandled(&self) -> u64 {
                self.owner().unhandled()
            }
        }
    };
}

common!(Client);
common!(Server);
