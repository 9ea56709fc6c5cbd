// Faults in the examples. `by` names the test of the example that has to catch each: one of CHECKS in
// ci/mutations.mjs.

const CONTRACT = { file: 'examples/alerts/contract.mjs', by: 'alerts_delivery' }
const CENTRE = { file: 'examples/alerts/centre.mjs', by: 'alerts_delivery' }
const WATCHER = { file: 'examples/alerts/watcher.mjs', by: 'alerts_delivery' }
const STATE = { file: 'examples/alerts/state.mjs', by: 'alerts_state' }
const LIFETIME = { file: 'examples/alerts/lifetime.mjs', by: 'alerts_program' }
const COMMANDS = { file: 'examples/perception/producer/src/commands.rs', by: 'perception_commands' }
const PRODUCER = { file: 'examples/perception/producer/src/main.rs', by: 'perception_program' }
const FRAMES = { file: 'examples/perception/api/frames.mts', by: 'perception_recovery' }
const COMMANDER = { file: 'examples/perception/api/commander.mts', by: 'perception_recovery' }
const HTTP = { file: 'examples/perception/api/http.mts', by: 'perception_serving' }
const AUDIO = { file: 'examples/audio/synth/src/audio.rs', by: 'audio_playing' }
const CONTROL = { file: 'examples/audio/control.mts', by: 'audio_trouble' }
const BROWSER = { file: 'examples/dashboard/server/browser.mts', by: 'dashboard_streams' }
const GUARD = { file: 'examples/dashboard/server/guard.mts', by: 'dashboard_guard' }
const SOURCE = { file: 'examples/dashboard/server/source.mts', by: 'dashboard_streams' }
const CHAT = { file: 'examples/ai-backend/backend/src/chat.rs', by: 'ai_backend_life' }
const TOOLS = { file: 'examples/ai-backend/backend/src/tools.rs', by: 'ai_backend_tools' }
const COUNTERS = { file: 'examples/ai-backend/backend/src/counters.rs', by: 'ai_backend_serving' }
const BACKEND = { file: 'examples/ai-backend/backend/src/backend.rs', by: 'ai_backend_serving' }
const BACKEND_MAIN = { file: 'examples/ai-backend/backend/src/main.rs', by: 'ai_backend_life' }
const WINDOW = { file: 'examples/ai-backend/client/backend.mts', by: 'ai_backend_life' }
const LOOKS = { file: 'examples/dashboard/page/looks.mjs', by: 'dashboard_looks' }

export const EXAMPLES = [
  {
    ...CHAT,
    what: 'ai-backend: a chat begins anew at the next backend',
    from: 'request.items_taken()',
    to: '0',
  },
  {
    ...CHAT,
    what: 'ai-backend: an edit whose answer was lost is made again',
    from: 'was_begun && tool.changes()',
    to: 'was_begun && false',
    by: 'ai_backend_tools',
  },
  {
    ...CHAT,
    what: 'ai-backend: earlier messages call tools again',
    from: 'messages.iter().rfind(',
    to: 'messages.iter().find(',
    by: 'ai_backend_tools',
  },
  {
    ...CHAT,
    what: 'ai-backend: tokens come at no pace',
    from: 'prompt.unpaced != Some(true)',
    to: 'false',
    by: 'ai_backend_serving',
  },
  {
    ...TOOLS,
    what: 'ai-backend: a tool has more time than its chat',
    from: 'request.within(&CallOptions::new())',
    to: 'CallOptions::new()',
  },
  {
    ...COUNTERS,
    what: 'ai-backend: a cancelled request is no cancelled one',
    from: 'self.counters.cancelled.fetch_add(1, Relaxed)',
    to: 'self.counters.cancelled.fetch_add(0, Relaxed)',
  },
  {
    ...BACKEND,
    what: 'ai-backend: completions are computed that nobody waits for',
    from: 'cancellation.is_cancelled()',
    to: '{ let _ = &cancellation; false }',
  },
  {
    ...BACKEND,
    what: 'ai-backend: every protocol is understood',
    from: 'if protocol != PROTOCOL',
    to: 'if protocol == 0',
  },
  {
    ...BACKEND_MAIN,
    what: 'ai-backend: a backend that was taken over stays',
    from: 'Some(Change::TakenOver) =>',
    to: 'Some(Change::TakenOver) if false =>',
  },
  {
    ...BACKEND_MAIN,
    what: 'ai-backend: requests on their way are not waited for',
    from: 'close_gracefully(DRAIN)',
    to: 'close_gracefully(Duration::ZERO)',
  },
  {
    ...BACKEND_MAIN,
    what: 'ai-backend: the last window does not matter',
    from: 'if editors == 0',
    to: 'if editors == usize::MAX',
  },
  {
    ...WINDOW,
    what: 'ai-backend: a killed backend is not started again',
    from: '      void keepStarting(this.#program',
    to: '      void ((..._: unknown[]) => _)(keepStarting, this.#program',
  },
  {
    ...WINDOW,
    what: 'ai-backend: the next backend is not greeted',
    from: '      this.#greet().catch((error: Error) => this.#refused(error))\n',
    to: '',
  },
  {
    ...WINDOW,
    what: 'ai-backend: a backend that does not understand is kept',
    from: '=== \'ERR_PROTOCOL\') void this.close()',
    to: '=== \'ERR_PROTOCOL\') return',
  },
  {
    ...AUDIO,
    what: 'audio: a command is heard at the beginning of a period',
    from: 'self.schedule.take_due(frame)',
    to: 'self.schedule.take_due(frame | (PERIOD - 1))',
  },
  {
    ...AUDIO,
    what: 'audio: what comes too late is not counted',
    from: 'self.counters.late.add(1)',
    to: 'self.counters.late.add(0)',
  },
  {
    ...AUDIO,
    what: 'audio: the notes of a control process that was killed do not end',
    from: 'action: Action::ReleaseAll, number',
    to: 'action: Action::Sync, number',
    by: 'audio_trouble',
  },
  {
    ...AUDIO,
    what: 'audio: commands that were dropped are not missed',
    from: 'self.counters.missing.add(missing)',
    to: 'self.counters.missing.add(0)',
    by: 'audio_trouble',
  },
  {
    ...AUDIO,
    what: 'audio: the audio thread allocates',
    from: 'VecDeque::with_capacity(REPORTS)',
    to: 'VecDeque::new()',
  },
  {
    ...CONTROL,
    what: 'audio: the next audio process does not get the parameters',
    from: 'of this.#settings.values()',
    to: 'of [] as Action[]',
  },
  {
    ...BROWSER,
    what: 'dashboard: a browser that is asleep gets all there is',
    from: 'else if (this.#underway.has(kind)) ',
    to: 'else if (false) ',
  },
  {
    ...BROWSER,
    what: 'dashboard: a browser that does not answer is kept',
    from: 'setTimeout(() => socket.terminate(), timeoutMs)',
    to: 'setTimeout(() => {}, timeoutMs)',
  },
  {
    ...GUARD,
    what: 'dashboard: pages of other sites may open a stream',
    from: 'headers.origin === `http://${host}`',
    to: 'true',
  },
  {
    ...GUARD,
    what: 'dashboard: any name may lead to this server',
    from: "return this.#hosts.includes(headers.host ?? '')",
    to: 'return true',
  },
  {
    ...GUARD,
    what: 'dashboard: any token will do',
    from: 'return timingSafeEqual(digest(one), digest(other))',
    to: 'return true',
  },
  {
    ...SOURCE,
    what: 'dashboard: what was there of a producer that is gone is sent',
    from: "if (hasChanged && (isGone || camera === 'lost')) {",
    to: 'if (false) {',
  },
  {
    ...LOOKS,
    what: 'dashboard: a person is not told that there is no connection',
    from: 'if (silentMs < SILENT_MS) {',
    to: 'if (silentMs < Infinity) {',
  },
  {
    ...COMMANDS,
    what: 'perception: a command that is out of range is carried out',
    from: '    data.check()?;\n',
    to: '',
  },
  {
    ...PRODUCER,
    what: 'perception: a producer that ends leaves its frames',
    from: '        producer.remove();\n',
    to: '        drop(producer);\n',
  },
  {
    ...FRAMES,
    what: 'perception: the frames of a producer that is gone are served as fresh',
    from: "const isGone = status === 'stale'",
    to: 'const isGone = false',
  },
  {
    ...FRAMES,
    what: 'perception: a producer that hangs is not noticed',
    from: 'const stale = isGone || isTooOld',
    to: 'const stale = isGone',
  },
  {
    ...COMMANDER,
    what: 'perception: commands wait for a producer that is gone',
    from: "whileAway: 'fail'",
    to: "whileAway: 'wait'",
  },
  {
    ...HTTP,
    what: 'perception: pages of other sites may ask',
    from: 'if (!OWN_HOST.test(',
    to: 'if (false && !OWN_HOST.test(',
  },
  {
    ...CONTRACT,
    what: 'alerts: an alert goes in the lane of the stream',
    from: "  alert: 'critical',",
    to: "  alert: 'low',",
  },
  {
    ...CONTRACT,
    what: 'alerts: critical events wait for ever',
    from: 'critical: { waitMs: 1_000 }',
    to: 'critical: { waitMs: Infinity }',
  },
  {
    ...CONTRACT,
    what: 'alerts: the stream waits',
    from: "/** @type {const} */ ('dropNewest')",
    to: '({ waitMs: Infinity })',
  },
  {
    ...CENTRE,
    what: 'alerts: alerts that were dropped are not reported',
    from: "if (lane !== 'low') report(",
    to: "if (lane === 'low') report(",
  },
  {
    ...WATCHER,
    what: 'alerts: a gap is not noticed',
    from: 'this.#missed += number - this.#last - 1',
    to: 'this.#missed += 0',
  },
  {
    ...WATCHER,
    what: 'alerts: the numbers of the next centre are those of the last one',
    from: '    this.#last = NaN\n',
    to: '',
    by: 'alerts_control',
  },
  {
    ...STATE,
    what: 'alerts: the flags of a backend that is gone are believed',
    from: 'this.hasBackend ? ',
    to: 'true ? ',
  },
  {
    ...STATE,
    what: 'alerts: statistics are never too old',
    from: ', { ttlMs: this.#ttlMs })',
    to: ')',
  },
  {
    ...STATE,
    what: 'alerts: the shared state stays behind',
    from: 'this.#map.close({ remove: true })',
    to: 'this.#map.close()',
  },
  {
    ...LIFETIME,
    what: 'alerts: a process stays when the one that has started it is gone',
    from: "  process.on('disconnect', end)\n",
    to: '',
  },
]
