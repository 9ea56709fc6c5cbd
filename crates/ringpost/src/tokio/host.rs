//! What the engine drives the dispatcher with.

use ipc_core::{
    Body, BufferId, Corrupt, Ending, Event, Host, Kind, LinkId, Message, Readiness, Result, Totals,
};

use super::dispatcher::Dispatcher;
use super::in_flight::Wire;
use super::waits::Topic;
use crate::api::{FlowKey, Reply};

impl Host for Dispatcher {
    #[inline]
    fn readiness(&mut self, link: LinkId) -> Readiness {
        let Some(line) = self.line(link) else { return Readiness::All };
        line.events.is_full = !line.events.has_room();
        // A handler may wait for an answer, which is read whatever waits here.
        if line.events.is_full { Readiness::Answers } else { Readiness::All }
    }

    fn accepts_packed(&mut self, link: LinkId, name: &str) -> bool {
        self.groups.of(link).is_some_and(|(_, group)| group.router.accepts_packed(name))
    }

    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut payload = Vec::with_capacity(body.len());
        body.append_to(&mut payload)?;
        self.arrived(link, message, payload);
        Ok(())
    }

    fn open(&mut self, _: LinkId, message: &Message) -> BufferId {
        self.buffers.open(message.len)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.buffers.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        let payload = self.buffers.close(buffer);
        self.arrived(link, message, payload);
    }

    fn discard(&mut self, buffer: BufferId) {
        drop(self.buffers.close(buffer));
    }

    fn ended(&mut self, link: LinkId, totals: Totals) {
        if let Some((_, group)) = self.groups.of(link) {
            group.ended.add(&totals);
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Named { link, lane, code, name } => {
                if let Some((_, group)) = self.groups.of(link) {
                    group.router.named(link, lane, code, name.into());
                }
            }
            Event::Ended { link, id, ending } => {
                let Some(id) = self.ended_on(link, id) else { return };
                if ending != Ending::PeerLost || !self.outlives(link, id) {
                    self.settle(id, Err(ending.into()));
                }
            }
            Event::Abandoned { link, id } => {
                let cancelled = self.line(link).and_then(|line| line.serving.remove(&id));
                self.after.cancelled.extend(cancelled);
                self.end_flow(FlowKey::Served(link, id), Err(Ending::Cancelled.into()));
            }
            Event::ItemsEnd { link, id } => {
                self.end_flow(FlowKey::Served(link, id), Ok(Reply::default()));
            }
            Event::Granted { link, kind, id, .. } => {
                let key = self.end_on(link, kind == Kind::RequestItem, id);
                let flow = key.and_then(|key| self.flows.get(key));
                self.after.wakers.extend(flow.and_then(|flow| flow.with.writer.take()));
            }
            Event::Sent { id, error, .. } => self.was_sent(id, error.map_or(Ok(()), Err)),
            Event::Listening { .. }
            | Event::Retired { .. }
            | Event::TakenOver { .. }
            | Event::ListenerLost { .. }
            | Event::Accepted { .. } => self.server_changed(event),
            Event::Connected { link, peer } => self.opened(link, peer),
            Event::Closed { link, error, undelivered } => self.closed(link, error, undelivered),
            Event::Unreadable { link, .. } => {
                if let Some((_, group)) = self.groups.of(link) {
                    group.unhandled += 1;
                }
            }
            Event::Dropped { .. } | Event::Unread { .. } | Event::Readable => {}
            Event::Pong { link, .. }
            | Event::Unresponsive { link }
            | Event::Responsive { link }
            | Event::Leaving { link } => self.peer_changed(link, &event),
            Event::Idle { link } => {
                if self.line(link).is_some_and(|line| line.closes_when_idle) {
                    self.departing.push(link);
                }
            }
            Event::Drained { link, .. } => {
                let is_there = |wire: Wire| wire.link == link;
                let ends = self.flows.all().filter(|end| end.wire.is_some_and(is_there));
                self.after.wakers.extend(ends.filter_map(|end| end.writer.take()));
                self.wake(Topic::Link(link));
            }
        }
    }
}

impl Dispatcher {
    /// Of a server: a client has come, or something has become of the name.
    fn server_changed(&mut self, event: Event<'_>) {
        match event {
            Event::Listening { link, listener } => {
                if let Some((id, group)) = self.groups.of(link) {
                    group.listener = Some(listener);
                    self.groups.release(link);
                    self.wake(Topic::Group(id));
                }
            }
            Event::Retired { listener } => {
                if let Some((id, group)) = self.groups.listening(listener) {
                    (group.listener, group.retires) = (None, false);
                    self.wake(Topic::Group(id));
                }
            }
            Event::TakenOver { listener } => {
                if let Some((id, group)) = self.groups.listening(listener) {
                    group.changes.taken_over();
                    self.wake(Topic::Group(id));
                }
            }
            Event::ListenerLost { listener, error } => {
                if let Some((id, group)) = self.groups.listening(listener) {
                    group.changes.lost_name(error);
                    self.wake(Topic::Group(id));
                }
            }
            Event::Accepted { listener, link, peer } => {
                if let Some((id, group)) = self.groups.listening(listener) {
                    if group.retires {
                        self.leaving.push(link);
                    }
                    self.groups.adopt(link, id);
                    self.opened(link, peer);
                }
            }
            _ => {}
        }
    }
}
