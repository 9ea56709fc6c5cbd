//! The connections of a pool, and which of them is to be used: decisions only, with the time as an
//! argument. `C` is the connection itself.

use std::cmp::Reverse;
use std::time::Duration;

use ipc_core::Time;

/// How long a server is left alone that could not be connected to.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Members<C> {
    pub servers: Vec<Server>,
    members: Vec<Member<C>>,
    id_next: u64,
    limits: Limits,
}

/// How many connections there are to each server.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub min: usize,
    pub max: usize,
    pub idle_timeout: Duration,
}

/// A server, and all its connections together.
pub(super) struct Server {
    pub name: Box<str>,
    pub size: usize,
    pub in_flight: usize,
    pub made: u64,
    /// No connection is made before this.
    retry_at: Time,
}

pub(super) struct Member<C> {
    pub id: u64,
    pub server: usize,
    pub client: C,
    /// Requests and streams that share it.
    pub in_flight: usize,
    /// One user has it for itself.
    pub is_leased: bool,
    /// It has a session, so that what it is given is sent at once.
    pub is_open: bool,
    idle_since: Time,
}

impl<C> Member<C> {
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.is_leased
    }
}

impl<C> Members<C> {
    pub fn new(names: impl IntoIterator<Item = Box<str>>, limits: Limits) -> Self {
        let server = |name| {
            let (size, in_flight, made, retry_at) = (0, 0, 0, Time::default());
            Server { name, size, in_flight, made, retry_at }
        };
        let servers = names.into_iter().map(server).collect();
        Self { servers, members: Vec::new(), id_next: 0, limits }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member<C>> {
        self.members.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn get(&mut self, id: u64) -> Option<&mut Member<C>> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    // ---- choosing ----

    /// The one that is to be shared next: with the least in flight, of the least busy server.
    pub fn next_shared(&mut self) -> Option<&mut Member<C>> {
        let servers = &self.servers;
        let shared = self.members.iter_mut().filter(|member| !member.is_leased);
        shared.min_by_key(|member| {
            (!member.is_open, member.in_flight, servers[member.server].in_flight)
        })
    }

    /// The one that is to be leased next: nobody uses it, and of those the one that was used last,
    /// so that the others become old.
    pub fn next_leased(&mut self) -> Option<&mut Member<C>> {
        let servers = &self.servers;
        let idle = self.members.iter_mut().filter(|member| member.is_idle() && member.is_open);
        idle.min_by_key(|member| (servers[member.server].in_flight, Reverse(member.idle_since)))
    }

    /// The server that another connection is to be made to: the least busy one.
    pub fn next_server(&self, now: Time) -> Option<usize> {
        let room = self
            .servers
            .iter()
            .enumerate()
            .filter(|(_, server)| server.size < self.limits.max && server.retry_at <= now);
        let least_busy = room.min_by_key(|(_, server)| (server.in_flight, server.size));
        least_busy.map(|(server, _)| server)
    }

    /// The server that has fewer connections than it is to have.
    pub fn lacking(&self, now: Time) -> Option<usize> {
        let lacks = |server: &Server| server.size < self.limits.min && server.retry_at <= now;
        self.servers.iter().position(lacks)
    }

    /// Whether any server may have another connection, now or after its pause.
    pub fn has_room(&self) -> bool {
        self.servers.iter().any(|server| server.size < self.limits.max)
    }

    // ---- using ----

    /// Adds a connection that is made of its id. Returns that.
    pub fn add(&mut self, server: usize, client: impl FnOnce(u64) -> C, now: Time) -> u64 {
        self.id_next += 1;
        self.servers[server].size += 1;
        self.servers[server].made += 1;
        self.members.push(Member {
            id: self.id_next,
            server,
            client: client(self.id_next),
            in_flight: 0,
            is_leased: false,
            is_open: false,
            idle_since: now,
        });
        self.id_next
    }

    /// A use begins.
    pub fn begin(&mut self, id: u64, is_exclusive: bool) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else { return };
        if is_exclusive {
            member.is_leased = true;
        } else {
            member.in_flight += 1;
        }
        self.servers[member.server].in_flight += 1;
    }

    /// A use ends.
    pub fn end(&mut self, id: u64, is_exclusive: bool, now: Time) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else { return };
        if is_exclusive {
            member.is_leased = false;
        } else {
            member.in_flight -= 1;
        }
        member.idle_since = now;
        self.servers[member.server].in_flight -= 1;
    }

    /// A server could not be connected to.
    pub fn failed(&mut self, server: usize, now: Time) {
        self.servers[server].retry_at = now + RETRY_PAUSE;
    }

    pub fn remove(&mut self, id: u64) -> Option<Member<C>> {
        let place = self.members.iter().position(|member| member.id == id)?;
        let member = self.members.swap_remove(place);
        let server = &mut self.servers[member.server];
        server.size -= 1;
        server.in_flight -= member.in_flight + usize::from(member.is_leased);
        Some(member)
    }

    pub fn take_all(&mut self) -> Vec<Member<C>> {
        let ids: Vec<_> = self.members.iter().map(|member| member.id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    // ---- keeping ----

    /// Takes out what has been idle too long.
    pub fn take_old(&mut self, now: Time) -> Vec<Member<C>> {
        let mut old = Vec::new();
        while let Some(id) = self.old(now) {
            old.extend(self.remove(id));
        }
        old
    }

    fn old(&self, now: Time) -> Option<u64> {
        let is_old = |member: &&Member<C>| {
            let is_surplus = self.servers[member.server].size > self.limits.min;
            is_surplus && member.is_idle() && self.expiry(member) <= now
        };
        self.members.iter().find(is_old).map(|member| member.id)
    }

    fn expiry(&self, member: &Member<C>) -> Time {
        member.idle_since + self.limits.idle_timeout
    }

    /// When there may be something to keep again; `NEVER`: not before a connection is made or lost.
    /// As long as somebody waits for one, that includes the end of each pause.
    pub fn due(&self, now: Time, is_awaited: bool) -> Time {
        let surplus =
            self.members.iter().filter(|member| self.servers[member.server].size > self.limits.min);
        let expiries = surplus.map(|member| match member.is_idle() {
            true => self.expiry(member),
            false => now + self.limits.idle_timeout,
        });
        let wanted = if is_awaited { self.limits.max } else { self.limits.min };
        let lacking = self.servers.iter().filter(|server| server.size < wanted);
        let retries = lacking.map(|server| server.retry_at);
        expiries.chain(retries).min().unwrap_or(Time::NEVER)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_nanos(100);

    fn members(min: usize, max: usize) -> Members<()> {
        let names = ["a", "b"].map(Into::into);
        Members::new(names, Limits { min, max, idle_timeout: IDLE })
    }

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    /// Adds an open one.
    fn add(members: &mut Members<()>, server: usize, now: u64) -> u64 {
        let id = members.add(server, |_| (), at(now));
        members.get(id).unwrap().is_open = true;
        id
    }

    #[test]
    fn the_one_with_the_least_in_flight_of_the_least_busy_server_is_shared() {
        let mut members = members(0, 2);
        let [first, second] = [0, 0].map(|server| add(&mut members, server, 0));
        let other = add(&mut members, 1, 0);
        members.begin(first, false);
        let chosen = members.next_shared().unwrap().id;
        assert_eq!(chosen, other, "its server has nothing in flight");
        members.begin(other, false);
        members.begin(other, false);
        assert_eq!(members.next_shared().unwrap().id, second);
        members.begin(second, true);
        assert_eq!(members.next_shared().unwrap().id, first, "what is leased is not shared");
        members.get(first).unwrap().is_open = false;
        assert_eq!(members.next_shared().unwrap().id, other, "what is open comes first");
        members.end(second, true, at(1));
        assert_eq!(members.servers[0].in_flight, 1);
    }

    #[test]
    fn the_one_that_was_used_last_is_leased_and_only_if_nobody_uses_it() {
        let mut members = members(0, 3);
        let [first, second] = [0, 0].map(|server| add(&mut members, server, 0));
        members.begin(first, true);
        assert_eq!(members.next_leased().unwrap().id, second);
        members.begin(second, false);
        assert!(members.next_leased().is_none());
        members.end(second, false, at(5));
        members.end(first, true, at(4));
        assert_eq!(members.next_leased().unwrap().id, second);
    }

    #[test]
    fn a_connection_is_made_where_there_is_room_and_no_failure_was_just_now() {
        let mut members = members(0, 1);
        assert_eq!(members.next_server(at(0)), Some(0));
        add(&mut members, 0, 0);
        assert_eq!(members.next_server(at(0)), Some(1));
        members.failed(1, at(0));
        assert_eq!(members.next_server(at(0)), None);
        assert_eq!(members.next_server(at(0) + RETRY_PAUSE), Some(1));
    }

    #[test]
    fn what_is_idle_too_long_goes_except_for_those_there_must_be() {
        let mut members = members(1, 3);
        assert_eq!(members.lacking(at(0)), Some(0));
        let ids = [0, 0, 0].map(|server| add(&mut members, server, 0));
        assert_eq!(members.lacking(at(0)), Some(1));
        members.begin(ids[0], false);
        assert!(members.take_old(at(99)).is_empty());
        let old: Vec<_> = members.take_old(at(100)).into_iter().map(|member| member.id).collect();
        assert_eq!(old, [ids[1], ids[2]]);
        members.end(ids[0], false, at(100));
        assert!(members.take_old(at(1000)).is_empty(), "one there must be");
        add(&mut members, 1, 1000);
        assert_eq!(members.due(at(1000), false), Time::NEVER);
        add(&mut members, 1, 1000);
        assert_eq!(members.due(at(1000), false), at(1100));
    }
}
