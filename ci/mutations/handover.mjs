// Faults in handing a name over, each planted alone: `by` names what has to catch it, as in
// core.mjs.

const ENGINE = 'crates/ipc-core/src/engine'

export const HANDOVER = [
  {
    what: 'handover: a server that ends removes files that another has by then',
    file: `${ENGINE}/claim.rs`,
    from: 'if self.lent || self.creator',
    to: 'if self.creator',
    by: 'handover',
  },
  {
    what: 'handover: any file is taken for the lock',
    file: `${ENGINE}/claim.rs`,
    from: 'let is_held = FileId::at(&path) == Some(id)\n            && ',
    to: 'let is_held = id.inode > 0\n            && ',
    by: 'handover',
  },
  {
    what: 'handover: a lock that is not held is taken for one',
    file: `${ENGINE}/claim.rs`,
    from: 'rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();\n        if is_held',
    to: 'lock.as_fd().try_clone_to_owned().is_ok();\n        if is_held',
    by: 'handover',
  },
  {
    what: 'handover: any socket that listens is taken for that of the name',
    file: `${ENGINE}/claim.rs`,
    from: 'listens_at.and_then(|path| FileId::at(&path))',
    to: 'listens_at.and_then(|_| FileId::at(&path))',
    by: 'handover',
  },
  {
    what: 'handover: the token of a new server is not asked for',
    file: 'crates/ipc-core/src/handshake/policy.rs',
    from: 'self.check_token(&token)?;',
    to: 'let _ = token;',
    by: 'unit',
  },
  {
    what: 'handover: a name is lent to two at once',
    file: `${ENGINE}/listener.rs`,
    from: 'if self.lending != Lending::Nobody {',
    to: 'if self.lending == Lending::Over {',
    by: 'handover',
  },
  {
    what: 'handover: a new server that dies keeps the name from all others',
    file: `${ENGINE}/listener.rs`,
    from: '        self.take_back(connecting);\n',
    to: '',
    by: 'handover',
  },
  {
    what: 'handover: clients that are on their way in are not waited for',
    file: `${ENGINE}/listener.rs`,
    from: 'self.lending == Lending::Over && self.welcomed == 0 && self.awaiting_hello.is_empty()',
    to: 'self.lending == Lending::Over',
    by: 'handover',
  },
  {
    what: 'handover: a new server may take as long as it likes',
    file: `${ENGINE}/handover.rs`,
    from: '            connecting.withdraw();\n',
    to: '            let _ = connecting;\n',
    by: 'handover',
  },
  {
    what: 'handover: a name that was withdrawn is taken all the same',
    file: `${ENGINE}/handover.rs`,
    from: 'return match is_silent {',
    to: 'return match true {',
    by: 'handover',
  },
  {
    what: 'handover: what could not be read counts as the end of the new server',
    file: `${ENGINE}/connecting.rs`,
    from: '            Err(_) if self.is_lending() => Received::Nothing,\n',
    to: '',
    by: 'handover',
  },
  {
    what: 'handover: clients see the old process at the other end',
    file: `${ENGINE}/handover.rs`,
    from: 'let _ = socket::listen(&listener.socket);',
    to: '',
    by: '13-handover',
  },
  {
    what: 'handover: a server that was given up is asked for ever',
    file: `${ENGINE}/handover.rs`,
    from: 'true => taking.endings < ENDINGS_MAX,',
    to: 'true => true,',
    by: '13-handover',
  },
  {
    what: 'handover: a server is not told that its name is gone',
    file: 'ts/api/server.ts',
    from: "    this.announce('takenOver')\n",
    to: '',
    by: '13-handover',
  },
  {
    what: 'handover: a tokio server is not told that its name is gone',
    file: 'crates/ringpost/src/tokio/host.rs',
    from: 'group.changes.taken_over();',
    to: '',
    by: 'tokio_api',
  },
  {
    what: 'handover: a blocking server is not told that its name is gone',
    file: 'crates/ringpost/src/blocking/dispatcher.rs',
    from: 'Event::TakenOver { .. } => self.changes.taken_over(),',
    to: 'Event::TakenOver { .. } => {}',
    by: 'blocking',
  },
]
