//! What the applications do with streams, and the record of it: each item comes once and in order,
//! or its stream has ended.

use super::{What, World};
use crate::error::Code;
use crate::header::{Header, Kind};
use crate::session::{Draft, control, item_cost};

/// The items of one direction.
#[derive(Default)]
pub(super) struct Flow {
    sent: Vec<Vec<u8>>,
    arrived: usize,
    read: usize,
    ended: bool,
}

fn flow_of(kind: Kind) -> usize {
    usize::from(kind == Kind::ReplyItem)
}

impl World {
    /// One of the last calls, which may still be in flight.
    fn recent_call(&mut self) -> Option<usize> {
        let recent = self.calls.len().min(8);
        (recent > 0).then(|| self.calls.len() - 1 - self.random.below(recent))
    }

    /// Whether the items of a call still mean anything to a side.
    pub(super) fn is_wanted(&self, side: usize, call: usize) -> bool {
        let of = &self.calls[call];
        if of.side == side {
            of.outcome.is_none()
        } else {
            self.sides[side].working.contains(&(of.id, call))
        }
    }

    pub(super) fn item(&mut self, side: usize) {
        let Some(call) = self.recent_call().filter(|_| self.is_open(side)) else { return };
        let of = &self.calls[call];
        let (id, lane, code, window) = (of.id, of.lane, of.code, of.window);
        let kind = if of.side == side { Kind::RequestItem } else { Kind::ReplyItem };
        let ended = of.flows[flow_of(kind)].ended;
        let wanted = self.is_wanted(side, call);
        let payload = self.payload();
        let draft = Draft { lane, code, ..self.draft(kind, id, None, None) };
        let number = self.calls[call].flows[flow_of(kind)].sent.len();
        let credit = self.sides[side].session.credit(kind, id);
        assert_eq!(credit.is_some(), wanted && window.is_some());
        let expected = if payload.len() as u64 > super::LIMITS.message_len_max {
            Err(Code::TooLarge)
        } else if !wanted {
            Ok(false)
        } else if window.is_none() || ended {
            Err(Code::InvalidArgument)
        } else if credit == Some(0) {
            Err(Code::Full)
        } else {
            Ok(true)
        };
        let sent = self.send(side, &draft, &payload, What::Item(call, kind, number));
        assert_eq!(sent, expected);
        if sent == Ok(true) {
            self.calls[call].flows[flow_of(kind)].sent.push(payload);
        }
    }

    pub(super) fn item_arrived(
        &mut self,
        side: usize,
        call: usize,
        kind: Kind,
        number: usize,
        payload: &[u8],
    ) {
        assert!(self.is_wanted(side, call), "it is not wanted");
        let flow = &mut self.calls[call].flows[flow_of(kind)];
        assert_eq!(flow.arrived, number, "lost, doubled or out of order");
        assert_eq!(flow.sent[number], payload);
        flow.arrived += 1;
    }

    /// The application reads an item.
    pub(super) fn read_item(&mut self, side: usize) {
        let Some(call) = self.recent_call().filter(|_| self.is_open(side)) else { return };
        let id = self.calls[call].id;
        let kind = if self.calls[call].side == side { Kind::ReplyItem } else { Kind::RequestItem };
        let flow = &mut self.calls[call].flows[flow_of(kind)];
        if flow.read < flow.arrived {
            let cost = item_cost(flow.sent[flow.read].len());
            flow.read += 1;
            self.sides[side].session.consumed(kind, id, cost);
        }
    }

    pub(super) fn end_items(&mut self, side: usize) {
        let Some(call) = self.recent_call().filter(|_| self.is_open(side)) else { return };
        if self.calls[call].side != side {
            return;
        }
        let of = &self.calls[call];
        let (id, lane) = (of.id, of.lane);
        let flow = &of.flows[flow_of(Kind::RequestItem)];
        let expected = of.outcome.is_none() && of.window.is_some() && !flow.ended;
        assert_eq!(self.sides[side].session.end_items(id), expected);
        if expected {
            self.calls[call].flows[flow_of(Kind::RequestItem)].ended = true;
            let header = Header::new(Kind::Control, control::END, id);
            let ring = lane as usize;
            self.put(side, ring, What::ItemsEnd(call), header, Vec::new(), Vec::new());
        }
    }

    pub(super) fn items_ended(&mut self, side: usize, what: What, id: u64) {
        let What::ItemsEnd(call) = what else { panic!("{what:?} ended items") };
        assert_eq!(id, self.calls[call].id);
        assert!(self.is_wanted(side, call));
        let flow = &self.calls[call].flows[flow_of(Kind::RequestItem)];
        assert_eq!(flow.arrived, flow.sent.len(), "an item came after the end");
    }
}
