// Faults in what is seen of a server from outside, each planted alone: `by` names what has to catch
// it, as in core.mjs.

const STATUS = 'crates/ipc-core/src/engine/status'

export const STATUS_FAULTS = [
  {
    what: 'status: nothing orders the odd stamp before the words',
    file: `${STATUS}/layout.rs`,
    from: `    words.store(at, stamp, Ordering::Relaxed);
    // Pairs with the fence of \`copy\`: a copy that has any of the new words sees the odd stamp.
    fence(Ordering::Release);`,
    to: '    words.store(at, stamp, Ordering::Relaxed);',
    by: 'models',
  },
  {
    what: 'status: there is no second look at the stamp',
    file: `${STATUS}/layout.rs`,
    from: 'stamp.is_multiple_of(2) && words.load(at, Ordering::Relaxed) == stamp',
    to: 'stamp.is_multiple_of(2)',
    by: 'models',
  },
  {
    what: 'status: sums only grow',
    file: `${STATUS}/layout.rs`,
    from: '.wrapping_sub(before[index]);',
    to: ';',
    by: 'unit',
  },
  {
    what: 'status: nothing is shown once all is quiet',
    file: `${STATUS}/pulse.rs`,
    from: 'due => due + COARSE_TICK,',
    to: '_ => Time::NEVER,',
    by: '92-status',
  },
  {
    what: 'status: an engine that sleeps does not say so',
    file: `${STATUS}/pulse.rs`,
    from: 'status.store(ASLEEP_AT, now.as_nanos());',
    to: 'let _ = status;',
    by: '92-status',
  },
  {
    what: 'status: a file that was removed is not put back',
    file: 'crates/ipc-core/src/engine/maintenance.rs',
    from: 'Outcome::Done => self.keep_status(key, now.get()),',
    to: 'Outcome::Done => {}',
    by: '92-status',
  },
  {
    what: 'inspect: as many rows are read as are claimed',
    file: 'crates/ipc-core/src/inspect/server.rs',
    from: '.unwrap_or(ROWS).min(ROWS)',
    to: '.unwrap_or(ROWS)',
    by: '92-status',
  },
  {
    what: 'top: a server that was idle seems to have worked all that time',
    file: 'cli/rates.mts',
    from: 'atMs - Math.min(shownAgoMs, WRITTEN_EVERY_MS)',
    to: 'atMs - shownAgoMs',
    by: '93-top',
  },
  {
    what: 'top: the next server of a name goes on where the last one was',
    file: 'cli/rates.mts',
    from: 'return was.pid === server.pid && was.startedAtMs === server.startedAtMs',
    to: 'return true',
    by: '93-top',
  },
  {
    what: 'top: a signal leaves the terminal as it is',
    file: 'cli/screen.mts',
    from: '    this.close()\n    process.kill(process.pid, signal)',
    to: '    process.off(signal, this.#signalled)\n    process.kill(process.pid, signal)',
    by: '93-top',
  },
]
