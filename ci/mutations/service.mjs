// Faults in what keeps services restarted and data private.

export const SERVICE = [
  {
    what: 'service: a server removes the socket of its supervisor',
    file: 'crates/ipc-core/src/engine/claim.rs',
    from: 'self.is_socket_there() && !self.inherited',
    to: 'self.is_socket_there()',
    by: 'unit',
  },
  {
    what: 'service: the socket of a supervisor is taken for that of a dead server',
    file: 'crates/ipc-core/src/engine/claim.rs',
    from: 'is_deserted(directory, name).then_some((file, id))',
    to: 'Some((file, id))',
    by: 'unit',
  },
  {
    what: 'service: a server makes the socket of its supervisor again',
    file: 'crates/ipc-core/src/engine/claim.rs',
    from: '            if self.inherited {\n                return Err(inherited::gone(&path));\n            }\n',
    to: '',
    by: 'unit',
  },
  {
    what: 'service: a socket of another name is listened at',
    file: 'crates/ipc-core/src/engine/claim/inherited.rs',
    from: 'bound.is_none() || FileId::at(&listens_at) != bound',
    to: 'false',
    by: 'unit',
  },
  {
    what: 'service: children inherit the socket that was handed over',
    file: 'crates/ipc-core/src/engine/claim/inherited.rs',
    from: '    rustix::io::fcntl_setfd(handed, FdFlags::CLOEXEC)?;\n',
    to: '',
    by: 'unit',
  },
  {
    what: 'service: the sockets of another process are taken for missing',
    file: 'ts/api/systemd.ts',
    from: 'if (Number(LISTEN_PID) !== process.pid) {',
    to: 'if (Number(LISTEN_PID) !== process.pid) return []\n  if (LISTEN_PID === LISTEN_FDS) {',
    by: '14-service',
  },
  {
    what: 'private: stacks are always sent',
    file: 'ts/values/remote-error.ts',
    from: "this.#exposesStacks ? of('stack') : undefined",
    to: "of('stack')",
    by: '44-private',
  },
  {
    what: 'private: a text that is no JSON is quoted',
    file: 'ts/values/json.ts',
    from: 'throw new SyntaxError(`a text that is no JSON ${at}`.trimEnd())',
    to: 'throw error',
    by: '44-private',
  },
  {
    what: 'private: a warning shows the properties of what was thrown',
    file: 'ts/values/report.ts',
    from: 'found.push(String(error.stack))',
    to: 'found.push(JSON.stringify({ ...error }))',
    by: '44-private',
  },
]
