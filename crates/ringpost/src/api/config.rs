//! How clients and servers are configured.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Code, Engine, Error, ListenOptions, ListenerId, Options, Result, WaitPolicy};

pub use ipc_core::{CONNECT_TIMEOUT_DEFAULT, TIMEOUT_DEFAULT};

/// How a client connects and behaves.
///
/// ```
/// use std::time::Duration;
/// use ringpost::{ClientConfig, CrcMode, Options, WaitPolicy};
///
/// let options = Options { crc: CrcMode::Header, ..Options::default() };
/// let config = ClientConfig::new()
///     .options(options) // all at once, before single ones
///     .directory("/run/user/1000/app")
///     .token("secret")
///     .timeout(Duration::from_secs(1))
///     .connect_timeout(Duration::from_millis(200))
///     .give_up_after(Duration::from_secs(60))
///     .wait_policy(WaitPolicy::NONE);
/// assert_eq!(config.options.crc, CrcMode::Header);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What is negotiated with the server: transport, lanes, limits, the token.
    pub options: Options,
    /// When a request is given up unless it says otherwise.
    pub timeout: Duration,
    /// When connecting is given up; of a client that goes on trying, when one attempt is.
    pub connect_timeout: Duration,
    /// How long a server is waited for that is not there when a client connects first; `None`: not
    /// at all. This and what follows is for clients of tokio: those of the other APIs have one
    /// session and end with it.
    pub wait_for_server: Option<Duration>,
    /// Whether there is another session when one is lost.
    pub reconnect: bool,
    /// How long to try to have another one before the client closes.
    pub give_up_after: Duration,
    /// What becomes of messages while there is no session.
    pub while_away: WhileAway,
    /// How long to poll before sleeping.
    pub wait_policy: WaitPolicy,
}

/// What becomes of requests, streams and one-way messages while a client has no session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileAway {
    /// They wait for the next one: a request as long as its timeout allows, a one-way message as
    /// its lane's [`Overflow`](crate::Overflow) says, and all together within
    /// [`Bounds::backlog_max`](crate::Bounds).
    #[default]
    Wait,
    /// They fail with [`Code::NoServer`](crate::Code::NoServer).
    Fail,
}

/// How a server listens and behaves.
///
/// ```
/// use ringpost::{ListenOptions, ServerConfig};
///
/// let listen = ListenOptions { connections_max: 8, ..ListenOptions::default() };
/// let config = ServerConfig::new().token("secret").listen(listen);
/// assert_eq!(config.listen.connections_max, 8);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What is negotiated with clients: transport, lanes, limits, the token.
    pub options: Options,
    /// Limits for clients that connect.
    pub listen: ListenOptions,
    /// Whether to take the name over from the server that has it, if there is one.
    pub take_over: bool,
    /// A socket that was handed to this process, to listen at instead of one of its own.
    pub socket: Option<Arc<OwnedFd>>,
    /// When a request to a client is given up unless it says otherwise.
    pub timeout: Duration,
    /// How long to poll before sleeping.
    pub wait_policy: WaitPolicy,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            options: Options::default(),
            timeout: TIMEOUT_DEFAULT,
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            wait_for_server: None,
            reconnect: true,
            give_up_after: Duration::MAX,
            while_away: WhileAway::Wait,
            wait_policy: WaitPolicy::DEFAULT,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            options: Options::default(),
            listen: ListenOptions::default(),
            take_over: false,
            socket: None,
            timeout: TIMEOUT_DEFAULT,
            wait_policy: WaitPolicy::DEFAULT,
        }
    }
}

/// The builder methods that both have.
macro_rules! common {
    ($config:ident) => {
        impl $config {
            /// The defaults.
            ///
            /// ```
            /// use ringpost::{ClientConfig, TIMEOUT_DEFAULT};
            ///
            /// assert_eq!(ClientConfig::new().timeout, TIMEOUT_DEFAULT);
            /// ```
            pub fn new() -> Self {
                Self::default()
            }

            /// Sets all that is negotiated with the other side at once.
            ///
            /// ```
            /// use ringpost::{ClientConfig, CrcMode, Options};
            ///
            /// let options = Options { crc: CrcMode::Full, ..Options::default() };
            /// assert_eq!(ClientConfig::new().options(options).options.crc, CrcMode::Full);
            /// ```
            #[must_use]
            pub fn options(mut self, options: Options) -> Self {
                self.options = options;
                self
            }

            /// Sets the directory where both sides meet; see [`Options::directory`].
            ///
            /// ```
            /// use std::path::Path;
            /// use ringpost::ServerConfig;
            ///
            /// let config = ServerConfig::new().directory("/run/app");
            /// assert_eq!(config.options.directory.as_deref(), Some(Path::new("/run/app")));
            /// ```
            #[must_use]
            pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
                self.options.directory = Some(directory.into());
                self
            }

            /// Sets a secret that both sides have to know.
            ///
            /// ```
            /// use ringpost::{ClientConfig, ServerConfig};
            ///
            /// let server = ServerConfig::new().token("secret");
            /// let client = ClientConfig::new().token("secret");
            /// assert_eq!(server.options.token, client.options.token);
            /// // It is not shown where a configuration is.
            /// assert!(format!("{:?}", client.options).contains("token: Some(\"(hidden)\")"));
            /// ```
            #[must_use]
            pub fn token(mut self, token: impl Into<Vec<u8>>) -> Self {
                self.options.token = Some(token.into());
                self
            }

            /// Sets when a request is given up unless it says otherwise.
            ///
            /// ```
            /// use std::time::Duration;
            /// use ringpost::ClientConfig;
            ///
            /// let config = ClientConfig::new().timeout(Duration::from_millis(200));
            /// assert_eq!(config.timeout, Duration::from_millis(200));
            /// ```
            #[must_use]
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.timeout = timeout;
                self
            }

            /// Sets how long to poll before sleeping.
            ///
            /// ```
            /// use ringpost::{ServerConfig, WaitPolicy};
            ///
            /// // Sleeps at once, for a process that is not to use a processor for its latency.
            /// let config = ServerConfig::new().wait_policy(WaitPolicy::NONE);
            /// ```
            #[must_use]
            pub fn wait_policy(mut self, wait_policy: WaitPolicy) -> Self {
                self.wait_policy = wait_policy;
                self
            }
        }

        impl From<Options> for $config {
            fn from(options: Options) -> Self {
                Self { options, ..Self::default() }
            }
        }

        impl From<&Options> for $config {
            fn from(options: &Options) -> Self {
                options.clone().into()
            }
        }
    };
}

common!(ClientConfig);
common!(ServerConfig);

impl ClientConfig {
    /// Sets when connecting is given up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringpost::ClientConfig;
    ///
    /// let config = ClientConfig::new().connect_timeout(Duration::from_secs(2));
    /// assert_eq!(config.connect_timeout, Duration::from_secs(2));
    /// ```
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Waits so long for a server that is not there yet, and takes it as soon as it is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringpost::ClientConfig;
    ///
    /// let config = ClientConfig::new().wait_for_server(Duration::from_secs(10));
    /// assert_eq!(config.wait_for_server, Some(Duration::from_secs(10)));
    /// ```
    #[must_use]
    pub fn wait_for_server(mut self, timeout: Duration) -> Self {
        self.wait_for_server = Some(timeout);
        self
    }

    /// Sets whether there is another session when one is lost.
    ///
    /// ```
    /// use ringpost::ClientConfig;
    ///
    /// assert!(ClientConfig::new().reconnect);
    /// assert!(!ClientConfig::new().reconnect(false).reconnect);
    /// ```
    #[must_use]
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Sets after how much time without a session the client closes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringpost::ClientConfig;
    ///
    /// let config = ClientConfig::new().give_up_after(Duration::from_secs(60));
    /// assert_eq!(config.give_up_after, Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn give_up_after(mut self, span: Duration) -> Self {
        self.give_up_after = span;
        self
    }

    /// Sets what becomes of messages while there is no session.
    ///
    /// ```
    /// use ringpost::{ClientConfig, WhileAway};
    ///
    /// let config = ClientConfig::new().while_away(WhileAway::Fail);
    /// assert_eq!(config.while_away, WhileAway::Fail);
    /// ```
    #[must_use]
    pub fn while_away(mut self, while_away: WhileAway) -> Self {
        self.while_away = while_away;
        self
    }
}

impl ServerConfig {
    /// Sets the limits for clients that connect.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringpost::{ListenOptions, ServerConfig};
    ///
    /// let hello_timeout = Duration::from_secs(1);
    /// let listen = ListenOptions { hello_timeout, ..ListenOptions::default() };
    /// assert_eq!(ServerConfig::new().listen(listen).listen.hello_timeout, hello_timeout);
    /// ```
    #[must_use]
    pub fn listen(mut self, listen: ListenOptions) -> Self {
        self.listen = listen;
        self
    }

    /// Takes the name over from the server that has it, so that no client is refused in between:
    /// that server hands its socket over with all clients that wait there, keeps its connections,
    /// and receives [`Change::TakenOver`](crate::Change::TakenOver). It has to be of the same user
    /// and have the same token. Without such a server this one just starts; of several that take a
    /// name over at once, each gets it from the one before.
    ///
    /// ```
    /// use ringpost::blocking::Server;
    /// use ringpost::{Change, ServerConfig};
    /// # let directory = format!("ringpost-over-{}", std::process::id());
    /// # let directory = std::env::temp_dir().join(directory);
    /// # let config = ServerConfig::new().directory(&directory);
    ///
    /// # let mut old = Server::bind("demo", &config)?;
    /// # std::thread::scope(|scope| {
    /// # let handing = scope.spawn(move || loop {
    /// #     old.turn(std::time::Duration::MAX)?;
    /// #     if let Some(change) = old.changes().pop() {
    /// #         return Ok::<_, ringpost::Error>(change);
    /// #     }
    /// # });
    /// // While another process serves "demo".
    /// let server = Server::bind("demo", &config.clone().take_over(true))?;
    /// # assert!(matches!(handing.join().unwrap()?, Change::TakenOver));
    /// # Ok::<(), ringpost::Error>(())
    /// # })?;
    /// # std::fs::remove_dir_all(directory).unwrap();
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[must_use]
    pub fn take_over(mut self, take_over: bool) -> Self {
        self.take_over = take_over;
        self
    }

    /// Listens at a socket that another process has made and handed to this one, like systemd with
    /// socket activation, so that clients wait in its queue while the server is started anew. It
    /// has to be bound to where clients look for the name, `<directory>/<name>.sock`, or binding
    /// fails with [`Code::InvalidArgument`](crate::Code::InvalidArgument) and says so. Its file
    /// stays when the server ends, and is not made again: if it goes, the server reports
    /// [`Change::NameLost`](crate::Change::NameLost). The crate `listenfd` takes such sockets out
    /// of the environment. Not together with [`Self::take_over`].
    ///
    /// ```
    /// use std::os::unix::net::UnixListener;
    /// use ringpost::ServerConfig;
    /// use ringpost::blocking::Server;
    /// # use std::os::unix::fs::DirBuilderExt;
    /// # let directory = format!("ringpost-handed-{}", std::process::id());
    /// # let directory = std::env::temp_dir().join(directory);
    /// # std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
    ///
    /// // What a supervisor does; a server takes it from there.
    /// let handed = UnixListener::bind(directory.join("demo.sock")).unwrap();
    /// let config = ServerConfig::new().directory(&directory).socket(handed);
    /// drop(Server::bind("demo", &config)?);
    /// assert!(directory.join("demo.sock").exists());
    /// # std::fs::remove_dir_all(directory).unwrap();
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[must_use]
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.socket = Some(Arc::new(socket.into()));
        self
    }

    /// Listens, of a server that takes no name over.
    pub(crate) fn listen_on(&self, engine: &mut Engine, name: &str) -> Result<ListenerId> {
        match &self.socket {
            Some(socket) => engine.listen_at(name, &self.options, &self.listen, socket.as_fd()),
            None => engine.listen(name, &self.options, &self.listen),
        }
    }

    /// Whether to take the name over.
    pub(crate) fn takes_over(&self) -> Result<bool> {
        if self.take_over && self.socket.is_some() {
            let message = "a name is taken over with its socket, so that no other can be given";
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(self.take_over)
    }
}
