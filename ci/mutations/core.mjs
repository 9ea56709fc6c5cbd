// Faults in the core, each planted alone: `by` names what has to catch it, one of CHECKS in
// ci/mutations.mjs.

export const CORE = [
  {
    what: 'positions are stored without Release',
    file: 'crates/ipc-core/src/sync.rs',
    from: 'PUBLISH: Ordering = Ordering::Release',
    to: 'PUBLISH: Ordering = Ordering::Relaxed',
    by: 'models',
  },
  {
    what: 'positions are loaded without Acquire',
    file: 'crates/ipc-core/src/sync.rs',
    from: 'OBSERVE: Ordering = Ordering::Acquire',
    to: 'OBSERVE: Ordering = Ordering::Relaxed',
    by: 'models',
  },
  {
    what: 'no fence between publish and the load of the arming',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: 'fence(SeqCst);\n        let armed',
    to: 'let armed',
    by: 'models',
  },
  {
    what: 'no fence between arming and the last poll',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: '| interest.0);\n        fence(SeqCst);',
    to: '| interest.0);',
    by: 'models',
  },
  {
    what: 'every arming has the same number',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: 'wrapping_add(1 << Interest::BITS)',
    to: 'wrapping_add(0) | 4',
    by: 'models',
  },
  {
    what: 'a release does not ring',
    file: 'crates/ipc-core/src/lanes/mod.rs',
    from: '(false, true) => Interest::SPACE',
    to: '(false, true) => return false',
    by: 'models',
  },
  {
    what: 'a side that waits for data is not rung when space comes with it',
    file: 'crates/ipc-core/src/lanes/mod.rs',
    from: 'Interest::DATA.and(Interest::SPACE),',
    to: 'Interest::SPACE,',
    by: 'models',
  },
  {
    what: 'only the first of two lanes is published',
    file: 'crates/ipc-core/src/lanes/mod.rs',
    from: 'self.dirty & 1 << index != 0',
    to: 'self.dirty.trailing_zeros() as usize == index',
    by: 'models',
  },
  {
    what: 'only the first of two lanes gives space back',
    file: 'crates/ipc-core/src/lanes/mod.rs',
    from: 'ring.release() | any',
    to: 'any || ring.release()',
    by: 'models',
  },
  {
    what: 'the published word is loaded after the positions',
    file: 'crates/ipc-core/src/lanes/mod.rs',
    from: 'self.seen = published;',
    to: '',
    by: 'models',
  },
  {
    what: 'a frame is shown before it is written',
    file: 'crates/ipc-core/src/ring/producer.rs',
    from: 'let Some(offset) = self.reserve(len)? else { return Ok(false) };\n',
    to: 'let Some(offset) = self.reserve(len)? else { return Ok(false) };\n        self.region.store_write(self.write.wrapping_add(frame_len(len) as u64));\n',
    by: 'models',
  },
  {
    what: 'room is taken for a frame alone, not for its pad',
    file: 'crates/ipc-core/src/ring/producer.rs',
    from: 'self.has_room(need + padding)?',
    to: 'self.has_room(need)?',
    by: 'models',
  },
  {
    what: 'space is never given back',
    file: 'crates/ipc-core/src/ring/consumer.rs',
    from: 'self.region.store_read(self.read);',
    to: '',
    by: 'models',
  },
  {
    what: 'space is given back before it was read',
    file: 'crates/ipc-core/src/ring/consumer.rs',
    from: 'self.region.store_read(self.read);',
    to: 'self.region.store_read(self.write_seen);',
    by: 'models',
  },
  {
    what: 'a link polls before it arms, and not after',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: `        let arming = self.armings.get().wrapping_add(1 << Interest::BITS);
        self.armings.set(arming);
        own.store_armed(arming | interest.0);
        fence(SeqCst);
        if poll() {`,
    to: `        let found = poll();
        let arming = self.armings.get().wrapping_add(1 << Interest::BITS);
        self.armings.set(arming);
        own.store_armed(arming | interest.0);
        fence(SeqCst);
        if found {`,
    by: 'models',
  },
  {
    what: 'a link does not poll again when it has armed',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: 'if poll() {',
    to: 'if false && poll() {',
    by: 'models',
  },
  {
    what: 'what is found after arming is taken for nothing',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: `            self.disarm(own);
            return false;`,
    to: `            self.disarm(own);
            return true;`,
    by: 'models',
  },
  {
    what: 'a link is disarmed again before it sleeps',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: `            return false;
        }
        true`,
    to: `            return false;
        }
        self.disarm(own);
        true`,
    by: 'models',
  },
  {
    what: 'a link that is awake again stays armed, and is rung for',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: `            self.disarm(own);
            return false;`,
    to: '            return false;',
    by: 'unit',
  },
  {
    what: 'an engine blocks when it sleeps to some of its links',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: 'nap.whole &= asleep',
    to: 'nap.whole |= asleep',
    by: 'models',
  },
  {
    what: 'a link with news leaves the list of those an engine is awake to',
    file: 'crates/ipc-core/src/doorbell.rs',
    from: '        !asleep\n',
    to: '        false\n',
    by: 'models',
  },
  {
    what: 'a real link polls before it arms, and not after',
    file: 'crates/ipc-core/src/engine/link/mod.rs',
    from: 'let is_asleep = self.carrier.arm(for_space, || self.poll());',
    to: `let found = self.poll();
        let is_asleep = self.carrier.arm(for_space, || found);`,
    by: 'asleep',
  },
  {
    what: 'a link that waits for room does not ask to be woken for it',
    file: 'crates/ipc-core/src/engine/link/mod.rs',
    from: 'let for_space = self.writing.is_waiting();',
    to: 'let for_space = false;',
    by: 'asleep',
  },
  {
    what: 'a side blocks whatever its engine returns',
    file: 'crates/ringpost/src/blocking/endpoint.rs',
    from: 'if self.engine.arm() {',
    to: 'if self.engine.arm() || true {',
    by: 'asleep',
  },
  {
    what: 'slots: a request in a slot that was never used has been answered',
    file: 'crates/ipc-core/src/session/slots.rs',
    from: 'None => true,',
    to: 'None => false,',
    by: 'session',
  },
  {
    what: 'slots: a deadline that passed is forgotten when another is added',
    file: 'crates/ipc-core/src/session/slots.rs',
    from: `        if window.is_some() {
            self.set_stream(id, window);
        }
        self.due = self.due.min(deadline);
        Ok(())`,
    to: `        if window.is_some() {
            self.set_stream(id, window);
        }
        self.due = deadline;
        Ok(())`,
    by: 'session',
  },
  {
    what: 'slots: a stream that has ended is counted for ever',
    file: 'crates/ipc-core/src/session/slots.rs',
    from: 'self.streams_live -= u32::from(before.is_some());',
    to: 'drop(before);',
    by: 'session',
  },
  {
    what: 'credit: what was read is not given back',
    file: 'crates/ipc-core/src/session/stream.rs',
    from: 'self.grants = self.consumed + self.window;',
    to: 'self.grants = self.received.min(self.window) + self.window;',
    by: 'session',
  },
  {
    what: 'credit: more is granted than was read',
    file: 'crates/ipc-core/src/session/stream.rs',
    from: 'self.grants = self.consumed + self.window;',
    to: 'self.grants = self.consumed + 2 * self.window;',
    by: 'session',
  },
  {
    what: 'credit: what has come is granted again before it was read',
    file: 'crates/ipc-core/src/session/stream.rs',
    from: 'self.grants = self.consumed + self.window;',
    to: 'self.grants = self.received + self.window;',
    by: 'session',
  },
  {
    what: 'credit: the last item before it is used up is too long',
    file: 'crates/ipc-core/src/session/stream.rs',
    from: 'let any = self.credit() > 0;',
    to: 'let any = self.credit() >= item_cost(len);',
    by: 'session',
  },
  {
    what: 'credit: a grant is written for every item',
    file: 'crates/ipc-core/src/session/stream.rs',
    from: '>= self.window / u64::from(GRANTS_PER_WINDOW);',
    to: '>= 1;',
    by: 'session',
  },
  {
    what: 'items: an error is reported twice',
    file: 'crates/ringpost/src/api/flows.rs',
    from: 'FlowEnd::Ended(Err(error)) => Reading::Failed(error),',
    to: `FlowEnd::Ended(Err(error)) => {
                let code = error.code();
                self.end = FlowEnd::Ended(Err(ipc_core::Error::new(code, "again")));
                Reading::Failed(error)
            }`,
    by: 'api',
  },
  {
    what: 'items: of two ends the last holds',
    file: 'crates/ringpost/src/api/flows.rs',
    from: 'if matches!(flow.end, FlowEnd::Open) {',
    to: 'if true {',
    by: 'api',
  },
  {
    what: 'items: the end of one stream is not forgotten with it',
    file: 'crates/ringpost/src/api/flows.rs',
    from: 'self.0.remove(&key)',
    to: 'self.0.get_mut(&key).and(None)',
    by: 'api',
  },
  {
    what: 'items: a reader gives nothing back',
    file: 'crates/ringpost/src/tokio/stream.rs',
    from: 'engine.consumed(link, self.key.taken(), id, cost);',
    to: '',
    by: 'tokio_api',
  },
  {
    what: 'items: those of a task are put on top of what waits for room',
    file: 'crates/ringpost/src/tokio/stream.rs',
    from: 'credit > 0 && !engine.want_drain(link, self.draft.lane)',
    to: 'credit > 0',
    by: 'tokio_api',
  },
  {
    what: 'items: those of a thread are put on top of what waits for room',
    file: 'crates/ringpost/src/blocking/stream.rs',
    from: 'credit > 0 && !self.endpoint.engine.want_drain(link, lane)',
    to: 'credit > 0',
    by: 'tokio_api',
  },
  {
    what: 'items: those of a thread wait for room that they do not ask for',
    file: 'crates/ringpost/src/blocking/stream.rs',
    from: '!self.endpoint.engine.want_drain(link, lane)',
    to: 'self.endpoint.engine.queued(link, lane) == 0',
    by: 'blocking',
  },
  {
    what: 'items: those of an iterator are not sent once there is room',
    file: 'crates/ringpost/src/blocking/dispatcher.rs',
    from: 'Event::Granted { .. } | Event::Drained { .. } => self.sources.wake(),',
    to: 'Event::Granted { .. } => self.sources.wake(), Event::Drained { .. } => {}',
    by: 'blocking',
  },
  {
    what: 'items: those of an iterator outlive their reader',
    file: 'crates/ringpost/src/blocking/sources.rs',
    from: 'None => return Progress::Over,',
    to: 'None => return Progress::Waiting,',
    by: 'typed',
  },
  {
    what: 'items: each is read into memory made for it',
    file: 'crates/ringpost/src/blocking/stream.rs',
    from: 'self.endpoint.dispatcher.recycle(payload);',
    to: 'drop(payload);',
    by: 'allocations',
  },
  {
    what: 'items: each arrives in memory made for it',
    file: 'crates/ringpost/src/blocking/dispatcher.rs',
    from: 'let mut payload = self.buffers.get_of(body.len());',
    to: 'let mut payload = vec![0; body.len()];',
    by: 'allocations',
  },
  {
    what: 'real time: a full lane makes a system call',
    file: 'crates/ipc-core/src/engine/link/reservation.rs',
    from: `            None => {
                self.writing.refused += 1;`,
    to: `            None => {
                std::thread::yield_now();
                self.writing.refused += 1;`,
    by: 'realtime',
  },
  {
    what: 'real time: a message that is too long costs memory',
    file: 'crates/ipc-core/src/engine/link/reservation.rs',
    from: 'if len > max {\n',
    to: 'if len > max {\n            std::hint::black_box(Box::new(len));\n',
    by: 'realtime',
  },
  {
    what: 'real time: a connection that is over makes a system call',
    file: 'crates/ringpost/src/realtime/mod.rs',
    from: 'Err(Refusal::Closed | Refusal::Unnamed) => Err(TrySendError::Closed),',
    to: `Err(Refusal::Closed | Refusal::Unnamed) => {
                std::thread::yield_now();
                Err(TrySendError::Closed)
            }`,
    by: 'realtime',
  },
  {
    what: 'real time: a name makes a system call',
    file: 'crates/ringpost/src/realtime/mod.rs',
    from: 'Ok(Taken::Other) => Err(TryRecvError::MaintenanceNeeded),',
    to: `Ok(Taken::Other) => {
                std::thread::yield_now();
                Err(TryRecvError::MaintenanceNeeded)
            }`,
    by: 'realtime',
  },
  {
    what: 'real time: a broken peer makes a system call',
    file: 'crates/ringpost/src/realtime/mod.rs',
    from: `            Err(corrupt) => {
                self.broken = Some(corrupt);
                Err(TryRecvError::Closed)`,
    to: `            Err(corrupt) => {
                std::thread::yield_now();
                self.broken = Some(corrupt);
                Err(TryRecvError::Closed)`,
    by: 'realtime',
  },
  {
    what: 'real time: a loan in the ring makes a system call',
    file: 'crates/ringpost/src/realtime/loan.rs',
    from: 'self.link.engine.reserved_pointer(self.link.link, &self.reservation)',
    to: `std::thread::yield_now();
        self.link.engine.reserved_pointer(self.link.link, &self.reservation)`,
    by: 'realtime',
  },
  {
    what: 'alike: a checksum is not looked at',
    file: 'crates/ipc-core/src/engine/link/alike.rs',
    from: 'found == self.sealed,',
    to: 'true,',
    by: 'unit',
  },
  {
    what: 'alike: answers come that nothing waits for',
    file: 'crates/ipc-core/src/session/receiving.rs',
    from: 'kind if kind.is_answer() => self.calls.is_live(id),',
    to: 'kind if kind.is_answer() => true,',
    by: 'host',
  },
  {
    what: 'alike: what is read together is not counted against the others',
    file: 'crates/ipc-core/src/lanes/mod.rs',
    from: '        self.rings[ring].skip(len);\n        self.spend(ring, cost);',
    to: '        self.rings[ring].skip(len);',
    by: 'host',
  },
  {
    what: 'socket: a ring takes more than there is room for',
    file: 'crates/ipc-core/src/mirror/incoming.rs',
    from: 'if write.wrapping_sub(read) > capacity {',
    to: 'if write.wrapping_sub(read) > 2 * capacity {',
    by: 'mirror',
  },
  {
    what: 'socket: a peer has read what it was not sent',
    file: 'crates/ipc-core/src/mirror/incoming.rs',
    from: 'advanced > write.wrapping_sub(self.read[ring]) ||',
    to: '',
    by: 'mirror',
  },
  {
    what: 'socket: a part of a frame is shown',
    file: 'crates/ipc-core/src/mirror/incoming.rs',
    from: 'if flags & PUBLISHED != 0 {',
    to: 'if true {',
    by: 'mirror',
  },
  {
    what: 'socket: the rest of a closed lap is not left out',
    file: 'crates/ipc-core/src/mirror/outgoing.rs',
    from: 'self.pad = if ends_lap {',
    to: 'self.pad = if false {',
    by: 'mirror',
  },
  {
    what: 'socket: space is told of with every message',
    file: 'crates/ipc-core/src/mirror/outgoing.rs',
    from: 'place.capacity as u64 / TOLD_PART',
    to: '8',
    by: 'mirror',
  },
  {
    what: 'socket: a peer is rung once and never again',
    file: 'crates/ipc-core/src/mirror/mod.rs',
    from: 'self.armings = self.armings.wrapping_add(ARMED + 1);',
    to: '',
    by: 'mirror',
  },
  {
    what: 'socket: what the socket did not take is not sent later',
    file: 'crates/ipc-core/src/engine/os/stream.rs',
    from: 'self.watching.set_writing(socket, waits);',
    to: '',
    by: 'stream',
  },
  {
    what: 'socket: a side closes before all was sent',
    file: 'crates/ipc-core/src/engine/link/life.rs',
    from: '!self.has_backlog() && !self.bell.has_unsent()',
    to: '!self.has_backlog()',
    by: 'stream',
  },
  {
    what: 'yield: a contended core is given up all the same',
    file: 'crates/ipc-core/src/engine/wait_policy.rs',
    from: '        if self.is_here() {\n            return false;\n        }\n',
    to: '',
    by: 'unit',
  },
  {
    what: 'signal: one that is asked for after the end is not aborted',
    file: 'ts/connection/cancellation.ts',
    from: '      if (this.isAborted) this.#controller.abort(this.#reason)\n',
    to: '',
    by: '35-events',
  },
]
