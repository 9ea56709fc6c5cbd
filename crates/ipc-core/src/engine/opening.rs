//! Listening for connections, and asking for one.

use std::time::Duration;

use super::connecting::Handshaking;
use super::directory::Places;
use super::host::{Event, Host, LinkId, ListenerId};
use super::listener::Listener;
use super::options::{ListenOptions, Options};
use super::os::poller::Source;
use super::os::socket::{Handed, HandshakeSocket};
use super::{Engine, Entry, leftovers, too_many};
use crate::error::{Code, Error, Result};
#[cfg(doc)]
use crate::handshake::Transport;
use crate::handshake::{Features, Hello, Policy, VERSION_MAX, VERSION_MIN};
use crate::time::Time;

/// How often an engine whose attempts to connect fail again and again searches for leftovers.
const CLEARING_INTERVAL: Duration = Duration::from_secs(1);

impl Engine {
    /// Serves `name`: clients come as [`Event::Accepted`](super::host::Event::Accepted).
    pub fn listen(
        &mut self,
        name: &str,
        options: &Options,
        listen: &ListenOptions,
    ) -> Result<ListenerId> {
        self.listen_for(name, options, listen, false, None)
    }

    /// As [`Self::listen`], at a socket that another process listens at and has handed to this one,
    /// like systemd with socket activation: clients wait in its queue while no server runs. It has
    /// to be a Unix stream socket bound to where clients look for the name, or else this fails with
    /// [`Code::InvalidArgument`]. Its file is never removed, and if it goes, the name is lost;
    /// such a name is not handed over by [`Self::take_over`]. The descriptor stays the caller's.
    pub fn listen_at(
        &mut self,
        name: &str,
        options: &Options,
        listen: &ListenOptions,
        socket: Handed<'_>,
    ) -> Result<ListenerId> {
        self.listen_for(name, options, listen, false, Some(socket))
    }

    /// As [`Self::listen`], but messages longer than one frame of the agreed rings are never agreed
    /// on, nor is [`Transport::Socket`], for hosts that can neither assemble messages nor make
    /// system calls for each.
    pub fn listen_in_one_piece(
        &mut self,
        name: &str,
        options: &Options,
        listen: &ListenOptions,
    ) -> Result<ListenerId> {
        self.listen_for(name, options, listen, true, None)
    }

    fn listen_for(
        &mut self,
        name: &str,
        options: &Options,
        listen: &ListenOptions,
        in_one_piece: bool,
        handed: Option<Handed<'_>>,
    ) -> Result<ListenerId> {
        options.check()?;
        listen.check()?;
        let policy = policy(options, listen, in_one_piece)?;
        let places = Places::of(options)?;
        self.clear_leftovers(&places, Time::now());
        let (claim, socket) = places.listen(name, handed)?;
        let listener = Listener::new(claim, socket, policy, *listen, options.bounds);
        let key = self.listeners.insert(listener).map_err(|_| too_many())?;
        let watched = self
            .listeners
            .get(key)
            .map(|listener| self.poller.watch(&listener.socket, Source::Listener(key)));
        if let Some(Err(error)) = watched {
            self.listeners.remove(key);
            return Err(error);
        }
        self.publish_status(key);
        self.watch_files(key);
        tracing::debug!(name, "listening");
        Ok(ListenerId(key))
    }

    /// Removes what dead servers have left.
    fn clear_leftovers(&mut self, places: &Places, now: Time) {
        self.cleared_at = Some(now);
        let removed = leftovers::clear(places);
        self.stats.servers_reclaimed += removed.servers;
        self.stats.segments_reclaimed += removed.segments;
    }

    /// Stops accepting and gives the name up; connections stay, and clients that were let in, and
    /// may have sent something already, still become one. Behind the last of them comes
    /// [`Event::Retired`], at once if there is none.
    pub fn retire_listener(&mut self, listener: ListenerId, host: &mut impl Host) {
        self.stop_listening(listener, |connecting| !connecting.is_welcomed());
        self.finish_retiring(listener, host);
    }

    /// Reports that a listener which is gone has let no clients in that are not connected yet.
    pub(super) fn finish_retiring(&mut self, listener: ListenerId, host: &mut impl Host) {
        let is_admitting = self.entries.iter().any(|(_, entry)| {
            matches!(entry, Entry::Handshaking { listener: Some(of), .. } if *of == listener.0)
        });
        if !is_admitting {
            host.event(Event::Retired { listener });
        }
    }

    /// Stops accepting and gives the name up; connections stay.
    pub fn close_listener(&mut self, listener: ListenerId) {
        self.stop_listening(listener, |_| true);
    }

    fn stop_listening(&mut self, listener: ListenerId, drops: impl Fn(&Handshaking) -> bool) {
        if let Some(listener) = self.listeners.remove(listener.0) {
            self.poller.forget(&listener.socket);
            if let Some(watch) = listener.maintenance.watch() {
                self.poller.forget(watch);
            }
        }
        let orphaned = self.entries.iter_mut().filter_map(|(key, entry)| match entry {
            Entry::Handshaking { listener: Some(of), connecting, .. }
                if *of == listener.0 && drops(connecting) =>
            {
                Some(key)
            }
            _ => None,
        });
        for key in orphaned.collect::<Vec<_>>() {
            self.drop_handshake(key);
        }
    }

    /// Connects to the server of that name. The outcome is [`Event::Connected`] or
    /// [`Event::Closed`], at the latest when `timeout` has passed; what is known at once to be
    /// impossible is an error here.
    ///
    /// [`Event::Connected`]: super::host::Event::Connected
    /// [`Event::Closed`]: super::host::Event::Closed
    pub fn connect(&mut self, name: &str, options: &Options, timeout: Duration) -> Result<LinkId> {
        options.check()?;
        let places = Places::of(options)?;
        let now = Time::now();
        let connecting = self.begin(name, options, &places, now, now + timeout)?;
        self.start_handshake(connecting, None, options.bounds, now).map(LinkId)
    }

    /// Takes a client's first step.
    pub(super) fn begin(
        &mut self,
        name: &str,
        options: &Options,
        places: &Places,
        now: Time,
        deadline: Time,
    ) -> Result<Handshaking> {
        let (doors, unseen) = places.doors(name)?;
        let hello = Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            offered: options.client_features(),
            required: Features(0),
            crc: options.crc,
            rings: options.rings,
            limits: options.limits.possible(),
            engine: self.id,
            token: options.token.clone().unwrap_or_default(),
        };
        let socket =
            HandshakeSocket::new().map_err(|cause| Error::system("creating a socket", cause))?;
        Handshaking::connect(socket, name.into(), doors, hello, deadline).map_err(|error| {
            if error.code() != Code::NoServer {
                return error;
            }
            let cleared = |at| now.saturating_since(at) < CLEARING_INTERVAL;
            if !self.cleared_at.is_some_and(cleared) {
                self.clear_leftovers(places, now);
            }
            not_served(name, places, &unseen)
        })
    }
}

/// What a server offers to its clients.
pub(super) fn policy(
    options: &Options,
    listen: &ListenOptions,
    in_one_piece: bool,
) -> Result<Policy> {
    let mut features = options.server_features()?;
    if in_one_piece {
        features.0 &= !Features::SOCKET.0;
    }
    Ok(Policy {
        features,
        crc: options.crc,
        rings: options.rings,
        rings_max: listen.rings_max,
        in_one_piece,
        limits: options.limits.possible(),
        token: options.token.clone(),
    })
}

#[cold]
fn not_served(name: &str, places: &Places, unseen: &[String]) -> Error {
    let mut message = format!("no server is named \"{name}\" in {}", places.shown());
    for reason in unseen {
        message += &format!("; not searched: {reason}");
    }
    Error::new(Code::NoServer, message)
}
