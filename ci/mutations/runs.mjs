// Faults in runs: messages that differ in nothing but their payload.

const RUN = { file: 'crates/ipc-core/src/engine/link/run.rs', by: 'host' }

export const RUNS = [
  {
    ...RUN,
    what: 'run: what waits is overtaken',
    from: '        if self.link.writing.is_waiting() {\n            return self.queue(payload);\n        }\n',
    to: '',
  },
  {
    ...RUN,
    what: 'run: messages that are to carry a trace do not',
    from: 'draft.trace.is_some() || ',
    to: '',
  },
  {
    ...RUN,
    what: 'run: room is offered behind what waits',
    from: '        if self.link.writing.is_waiting() {\n            return 0;\n        }\n',
    to: '',
  },
  {
    ...RUN,
    what: 'run: any number of bytes may wait',
    from: '!is_behind || !self.link.may_wait(ring)',
    to: '!is_behind',
  },
  {
    ...RUN,
    what: 'run: what waits in another lane lets this one be queued',
    from: '!self.is_item && !self.link.writing.backlogs[ring].is_empty()',
    to: '!self.is_item',
  },
  {
    ...RUN,
    what: 'run: what waits is never dropped',
    from: '        self.link.loosen(ring, start, self.header.id);\n',
    to: '        let _ = start;\n',
  },
  {
    ...RUN,
    what: 'run: items are sent without credit',
    file: 'crates/ipc-core/src/session/items.rs',
    from: '!has_ended && stream.credit() > 0',
    to: '!has_ended',
  },
  {
    ...RUN,
    what: 'run: what lay behind a payload goes with it',
    from: 'payload[len..].fill(0);',
    to: '',
  },
]
