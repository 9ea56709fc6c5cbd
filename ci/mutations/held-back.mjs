// Faults in what is held back until there is room for it: in rings, set aside, or in the inbox.

export const HELD_BACK = [
  {
    what: 'held back: a request that was cancelled makes no room for another',
    file: 'crates/ipc-core/src/engine/link/receiving.rs',
    from: '            self.reading.is_freed = true;\n',
    to: '',
    by: 'held_back',
  },
  {
    what: 'held back: a request that has expired makes no room for another',
    file: 'crates/ipc-core/src/engine/link/mod.rs',
    from: '            self.reading.is_freed = true;\n',
    to: '',
    by: 'held_back',
  },
  {
    what: 'held back: what work has read of cancellations makes no room',
    file: 'crates/ipc-core/src/engine/link/receiving.rs',
    from: '        let result = self.read_controls(host);\n        self.reading.go_on_where_freed();\n',
    to: '        let result = self.read_controls(host);\n',
    by: 'held_back',
  },
  {
    what: 'held back: what has expired counts for the other clients',
    file: 'crates/ipc-core/src/engine/link/mod.rs',
    from: '        self.count_work();\n        self.commit();\n',
    to: '        self.commit();\n',
    by: 'held_back',
  },
  {
    what: 'held back: what was dropped makes no room',
    file: 'crates/ipc-core/src/engine/link/writing.rs',
    from: '        self.go_on_where_uncrowded();\n',
    to: '',
    by: 'held_back',
  },
  {
    what: 'held back: a host that takes nothing is given what was unpacked',
    file: 'crates/ipc-core/src/engine/link/receiving.rs',
    from: 'if self.reading.gate == Gate::Closed {',
    to: 'if false {',
    by: 'held_back',
  },
  {
    what: 'inbox: others use up what a synchronous request needs',
    file: 'crates/ipc-node/src/inbox.rs',
    from: 'RUNS_SHARED: usize = RUNS_MAX as usize / 2',
    to: 'RUNS_SHARED: usize = RUNS_MAX as usize',
    by: '20-request',
  },
  {
    what: 'inbox: after a synchronous request in a handler a full arena stays full',
    file: 'crates/ipc-node/src/inbox.rs',
    from: 'if (count..self.run_count).all(|later| self.link_of(later) != link) {',
    to: 'if self.run_count == count {',
    by: '20-request',
  },
]
