//! Whether peers are there, and leaving them in good order.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Code, Engine, Error, LinkId, Result};

use super::client::Client;
use super::groups::GroupId;
use super::server::Server;
use super::sessions::ClientState;
use super::shared::{Shared, State};
use super::waits::Topic;

impl Client {
    /// Waits for an answer of the server's engine, which it gives when it is next driven. Returns
    /// how long that took. [`Code::Feature`](crate::Code::Feature): the server is too old to know
    /// this.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # use ringpost::Result;
    /// # async fn example(client: &Client) -> Result<()> {
    /// println!("{:?} to the server and back", client.ping().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ping(&self) -> Result<Duration> {
        let link = self.with(|client| client.present())?;
        self.owner().shared().ping(link).await
    }

    /// Whether what was sent lies unread at the server for longer than
    /// [`Bounds::unresponsive_after`](crate::Bounds::unresponsive_after): its process is stopped,
    /// or its runtime is blocked.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # fn example(client: &Client) {
    /// if client.is_unresponsive() {
    ///     eprintln!("process {} does not read", client.peer().pid);
    /// }
    /// # }
    /// ```
    pub fn is_unresponsive(&self) -> bool {
        let group = self.owner().group;
        self.owner().shared().with(|state| {
            state.client(group).session().is_some_and(|link| state.engine.is_unresponsive(link))
        })
    }

    /// Waits until the server is unresponsive. Returns `false` if the client is closed instead.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # async fn example(client: &Client) {
    /// while client.unresponsive().await {
    ///     eprintln!("process {} does not read", client.peer().pid);
    ///     client.responsive().await;
    /// }
    /// # }
    /// ```
    pub async fn unresponsive(&self) -> bool {
        self.until_so(Engine::is_unresponsive).await
    }

    /// Waits until there is a server that is not unresponsive. Returns `false` if the client is
    /// closed instead. See [`Self::unresponsive`].
    pub async fn responsive(&self) -> bool {
        self.until_so(|engine, link| !engine.is_unresponsive(link)).await
    }

    /// Waits until the server is about to leave: what is in flight has its outcome there, and all
    /// else goes to the next session. A client with one session fails new requests with
    /// [`Code::Closed`](crate::Code::Closed) from then on. Returns `false` if the client is closed
    /// instead.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # async fn example(client: &Client) {
    /// if client.leaving().await {
    ///     println!("process {} is about to leave", client.peer().pid);
    /// }
    /// # }
    /// ```
    pub async fn leaving(&self) -> bool {
        let (_, before) = self.with(|client| client.leaving());
        let group = self.owner().group;
        let found = self.owner().shared().until(Topic::Group(group), |state| {
            let client = state.client(group);
            let (is_leaving, leaves) = client.leaving();
            let is_over = client.state() == ClientState::Closed || state.over;
            (is_leaving || leaves > before || is_over).then_some(is_leaving || leaves > before)
        });
        found.await
    }

    /// Whether the server is about to leave, or has left and there is no other yet; see
    /// [`Self::leaving`].
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # fn example(client: &Client) {
    /// assert!(!client.is_leaving());
    /// # }
    /// ```
    pub fn is_leaving(&self) -> bool {
        self.with(|client| client.leaving().0)
    }

    /// Closes it once all that is in flight in either direction has ended, or after
    /// `drain`. New requests of either side fail with [`Code::Closed`](crate::Code::Closed)
    /// meanwhile.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::tokio::Client;
    /// # async fn example(client: &Client) {
    /// client.close_gracefully(Duration::from_secs(5)).await;
    /// # }
    /// ```
    pub async fn close_gracefully(&self, drain: Duration) {
        let group = self.owner().group;
        let leave = |state: &mut State| {
            let client = state.client(group);
            let (session, current) = (client.drain(), client.current());
            let Some(link) = session else {
                state.end_client(group);
                return current.into_iter().for_each(|link| state.close(link));
            };
            let is_announced = state.engine.leave(link);
            state.engine.quiesce(link);
            if !is_announced {
                state.dispatcher.close_when_idle(link);
            }
        };
        self.owner().shared().close_gracefully(group, drain, leave).await;
    }

    /// Waits until something is so of a session. Returns `false` if the client is closed instead.
    async fn until_so(&self, is_so: impl Fn(&Engine, LinkId) -> bool) -> bool {
        let group = self.owner().group;
        let found = self.owner().shared().until(Topic::Group(group), |state| {
            let client = state.client(group);
            if client.state() == ClientState::Closed || state.over {
                return Some(false);
            }
            let link = state.client(group).session()?;
            is_so(&state.engine, link).then_some(true)
        });
        found.await
    }
}

impl Server {
    /// Waits for an answer of a client's engine, as [`Client::ping`] does.
    ///
    /// ```
    /// # use ringpost::tokio::Server;
    /// # use ringpost::{LinkId, Result};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// println!("{:?} to the client and back", server.ping(link).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ping(&self, link: LinkId) -> Result<Duration> {
        self.owner().shared().ping(link).await
    }

    /// Whether what was sent lies unread at a client, see [`Client::is_unresponsive`]. When
    /// that changes, it is a [`Change`](crate::Change).
    ///
    /// ```
    /// # use ringpost::tokio::Server;
    /// # use ringpost::LinkId;
    /// # fn example(server: &Server, link: LinkId) {
    /// if server.is_unresponsive(link) {
    ///     eprintln!("a client does not read");
    /// }
    /// # }
    /// ```
    pub fn is_unresponsive(&self, link: LinkId) -> bool {
        self.owner().shared().with(|state| state.engine.is_unresponsive(link))
    }

    /// Releases the name at once and informs all clients, which send no new requests then and close
    /// their connections once theirs are answered. Handlers that run go on. Returns when the last
    /// connection is closed; those that are left after `drain` are closed as by [`Self::close`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::tokio::Server;
    /// # async fn example(server: &Server) {
    /// server.close_gracefully(Duration::from_secs(5)).await;
    /// # }
    /// ```
    pub async fn close_gracefully(&self, drain: Duration) {
        let group = self.owner().group;
        let leave = |state: &mut State| {
            state.retire_listener(group);
            for link in state.dispatcher.groups.links(group) {
                state.engine.leave(link);
            }
        };
        self.owner().shared().close_gracefully(group, drain, leave).await;
    }
}

impl Shared {
    async fn ping(self: &Arc<Self>, link: LinkId) -> Result<Duration> {
        let number = self.with(|state| state.engine.ping(link))?;
        let answered =
            self.until(Topic::Link(link), |state| match state.dispatcher.last_pong(link) {
                Some((answered, took)) if answered >= number => Some(Ok(took)),
                _ if state.over || !state.engine.is_open(link) => Some(Err(over())),
                _ => None,
            });
        answered.await
    }

    /// Lets `leave` begin, and closes what is left of a client or server after `drain`.
    async fn close_gracefully(
        self: &Arc<Self>,
        group: GroupId,
        drain: Duration,
        leave: impl FnOnce(&mut State),
    ) {
        self.with(leave);
        let over = |state: &mut State| {
            let group = state.dispatcher.groups.get(group);
            (state.over || (group.links == 0 && !group.retires)).then_some(())
        };
        // What is left then is closed all the same.
        let _ = ::tokio::time::timeout(drain, self.until(Topic::Group(group), over)).await;
        self.close(group).await;
    }
}

fn over() -> Error {
    Error::new(Code::Closed, "the connection is over")
}
