// Faults in what is published, and in waiting for it: `by` names what has to catch it, one of CHECKS
// in ci/mutations.mjs.

export const PUBLISHED = [
  {
    what: 'cell: nothing orders the odd stamp before the bytes',
    file: 'crates/ipc-core/src/state_frame/cell.rs',
    from: `        fence(Ordering::Release);
        kill_point("stamp");`,
    to: '        kill_point("stamp");',
    by: 'models',
  },
  {
    what: 'cell: nothing orders the copy before the second look',
    file: 'crates/ipc-core/src/state_frame/cell.rs',
    from: `&mut into[..len]);
        fence(Ordering::Acquire);`,
    to: '&mut into[..len]);',
    by: 'models',
  },
  {
    what: 'cell: there is no second look at the stamp',
    file: 'crates/ipc-core/src/state_frame/cell.rs',
    from: `        fence(Ordering::Acquire);
        if words.load(slot + STAMP, OBSERVE) != written(number) {`,
    to: `        fence(Ordering::Acquire);
        if false {`,
    by: 'models',
  },
  {
    what: 'cell: a checksum is not looked at',
    file: 'crates/ipc-core/src/state_frame/cell.rs',
    from: '            && u64::from(checksum(value, &into[..len])) == len_and_crc >> 32;',
    to: ';',
    by: 'unit',
  },
  {
    what: 'cell: the value before a corrupt one is not found',
    file: 'crates/ipc-core/src/state_frame/cell.rs',
    from: 'Copied::Whole(value) if number > 1 =>',
    to: 'Copied::Whole(value) if number == 0 =>',
    by: 'unit',
  },
  {
    what: 'cell: a value is the newest before it is whole',
    file: 'crates/ipc-core/src/state_frame/cell.rs',
    from: '        kill_point("times");',
    to: `        words.store(self.newest, value.number, PUBLISH);
        kill_point("times");`,
    by: 'published',
  },
  {
    what: 'frame: numbers begin again after a writer without a value',
    file: 'crates/ipc-core/src/state_frame/writer.rs',
    from: `            new.store(BEFORE, number.get(), PUBLISH);
`,
    to: '',
    by: 'unit',
  },
  {
    what: 'frame: a write that takes long is not rung for',
    file: 'crates/ipc-core/src/state_frame/writer.rs',
    from: '        self.owned.ring();',
    to: `        if Time::now().saturating_since(now) < std::time::Duration::from_millis(5) {
            self.owned.ring();
        }`,
    by: 'published',
  },
  {
    what: 'head: its checksum is not looked at',
    file: 'crates/ipc-core/src/published/head.rs',
    from: 'if checksum(head, description) != u32_at(head, COVERED) {',
    to: 'if description.len() > DESCRIPTION_LEN_MAX {',
    by: 'unit',
  },
  {
    what: 'head: a file of another length is believed',
    file: 'crates/ipc-core/src/published/head.rs',
    from: `            && u64_at(head, 24) == file_len
`,
    to: '',
    by: 'unit',
  },
  {
    what: 'head: another version is read',
    file: 'crates/ipc-core/src/published/head.rs',
    from: 'if version != VERSION {',
    to: 'if version < VERSION {',
    by: 'unit',
  },
  {
    what: 'owned: a file has two writers',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: `                && !predecessor.lock(&path)?
            {`,
    to: `                && !predecessor.lock(&path).is_ok()
            {`,
    by: 'unit',
  },
  {
    what: "owned: a file says nothing of its writer's life",
    file: 'crates/ipc-core/src/published/owned.rs',
    from: '    let locked = sys::fault().and_then(|()| byte_lock::take(file, WRITER));',
    to: '    let locked = sys::fault().map(|()| true);',
    by: 'unit',
  },
  {
    what: 'owned: a file does not say that it was replaced',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: `    segment.store(SUPERSEDED, generation, PUBLISH);
`,
    to: `    let _ = (segment, generation);
`,
    by: 'unit',
  },
  {
    what: 'owned: the next writer passes for the one that is gone',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: 'byte_lock::take(&self.file, SUCCESSOR)?',
    to: 'byte_lock::take(&self.file, WRITER)?',
    by: 'unit',
  },
  {
    what: 'owned: what a dead maker has left stays',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: `                clear_leftovers(directory.path(), &name.file);
`,
    to: '',
    by: 'published',
  },
  {
    what: 'owned: the file of another writer is removed',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: 'self.creator == std::process::id() && self.is_at_its_path()',
    to: 'self.creator == std::process::id()',
    by: 'unit',
  },
  {
    what: 'owned: a ring is left out for ten times as long as readers expect',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: 'saturating_since(self.rung_at) >= RING_INTERVAL {',
    to: 'saturating_since(self.rung_at) >= 10_000 * RING_INTERVAL {',
    by: 'published',
  },
  {
    what: 'opened: a file that others may write to is read',
    file: 'crates/ipc-core/src/published/opened.rs',
    from: '    if mode == MODE {',
    to: '    if mode & 0o600 == MODE {',
    by: 'unit',
  },
  {
    what: 'opened: a link is followed',
    file: 'crates/ipc-core/src/published/opened.rs',
    from: 'access | OFlags::NOFOLLOW | ',
    to: 'access | ',
    by: 'unit',
  },
  {
    what: 'opened: a file that was replaced is read on',
    file: 'crates/ipc-core/src/published/opened.rs',
    from: 'self.segment.load(SUPERSEDED, OBSERVE) != 0 || self',
    to: 'self',
    by: 'unit',
  },
  {
    what: 'opened: a writer lives for ever',
    file: 'crates/ipc-core/src/published/opened.rs',
    from: 'byte_lock::is_taken(&self.file, WRITER).unwrap_or(false)',
    to: 'byte_lock::is_taken(&self.file, WRITER).is_ok()',
    by: 'unit',
  },
  {
    what: 'watcher: a file that comes is not noticed',
    file: 'crates/ipc-core/src/published/watcher.rs',
    from: 'is_none_or(|name| self.awaited.contains(name))',
    to: 'is_none_or(|_| false)',
    by: 'unit',
  },
  {
    what: 'watcher: the next file is not watched',
    file: 'crates/ipc-core/src/published/watcher.rs',
    from: '                if change.is_moved {',
    to: '                if change.is_moved && changed.is_empty() {',
    by: 'unit',
  },
  {
    what: 'watcher: what cannot be watched is silent',
    file: 'crates/ipc-core/src/published/watcher.rs',
    from: 'Err(cause) => failure = Some(cause),',
    to: 'Err(cause) => failure = Some(cause).filter(|cause| *cause == Errno::BADF),',
    by: 'published_faults',
  },
  {
    what: 'waiting: a leader leaves without a word',
    file: 'crates/ringpost/src/published/waiting.rs',
    from: `        state.hand_over();
`,
    to: '',
    by: 'published',
  },
  {
    what: 'waiting: who was woken for nothing sleeps on',
    file: 'crates/ringpost/src/published/waiting.rs',
    from: '        *self = Self::begun(now);',
    to: '        let _ = now;',
    by: 'waiting',
  },
  {
    what: 'waiting: tasks sleep on when their runtime ends',
    file: 'crates/ringpost/src/tokio/published.rs',
    from: '        self.0.end();',
    to: '        let _ = &self.0;',
    by: 'published',
  },
  {
    what: 'frames: a value is taken for the one before by its number',
    file: 'ts/published/state-frame.ts',
    from: 'const count = numbers[VALUES]',
    to: 'const count = numbers[NUMBER]',
    by: '59-attacks',
  },
  {
    what: 'watches: that there is no room for one is said to nobody',
    file: 'crates/ipc-node/src/inbox/watched.rs',
    from: 'unwatched.extend(failed);',
    to: 'drop((failed, &mut unwatched));',
    by: '59-attacks',
  },
  {
    what: 'topics: a slot that comes back at once is waited for again',
    file: 'crates/ipc-core/src/topic/publisher.rs',
    from: 'append_past(self.passed_over,',
    to: 'append_past(0,',
    by: 'unit',
  },
  {
    what: 'topics: a publisher whose readers file is garbage goes on in the old ring',
    file: 'crates/ipc-core/src/topic/publisher.rs',
    from: 'begun.inspect_err(|_| self.owned.take_back())?',
    to: 'begun?',
    by: 'unit',
  },
  {
    what: 'leftovers: a file is removed although a living process makes it',
    file: 'crates/ipc-core/src/published/leftovers.rs',
    from: '!byte_lock::take(&file, SUCCESSOR)? || byte_lock::is_taken(&file, WRITER)?',
    to: '!byte_lock::take(&file, SUCCESSOR)?',
    by: 'unit',
  },
  {
    what: 'leftovers: a server that died after the look counts as the one that was found',
    file: 'crates/ipc-core/src/engine/leftovers.rs',
    from: 'if id != self.lock {',
    to: 'if id != id {',
    by: 'unit',
  },
  {
    what: 'watch: who has found something does not look a last time',
    file: 'ts/published/watch.ts',
    from: '      else if (ms < AT_LAST_MS) this.#lookIn(AT_LAST_MS)\n',
    to: '',
    by: '57-topic',
  },
  {
    what: 'subscription: it keeps its process alive although nobody waits',
    file: 'ts/published/subscription.ts',
    from: '    this.#watch?.hold(this.#isWanted)\n',
    to: '',
    by: '57-topic',
  },
  {
    what: 'subscription: who asks beside a listener is never answered',
    file: 'ts/published/subscription.ts',
    from: 'if (this.#listener !== undefined) return reject(this.#isRead())',
    to: '',
    by: '57-topic',
  },
  {
    what: 'file: a writer that grows takes its name back from who has taken it over',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: 'Replaced::Own(id) => Ok(self.id == id),',
    to: 'Replaced::Own(_) => Ok(true),',
    by: 'unit',
  },
  {
    what: 'file: what was really exchanged is not looked at',
    file: 'crates/ipc-core/src/published/owned.rs',
    from: 'if FileId::at(&self.path.0).is_some_and(|found| found != predecessor.id) {',
    to: 'if false {',
    by: 'unit',
  },
]
