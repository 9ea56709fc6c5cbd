// Abort signals: one listener for each, however many callbacks there are.

/** The one listener of a signal. It lives as long as the signal. */
class Listener {
  readonly callbacks = new Set<() => void>()

  constructor(readonly signal: AbortSignal) {
    signal.addEventListener('abort', this, { once: true })
  }

  handleEvent(): void {
    listeners.delete(this.signal)
    const callbacks = [...this.callbacks]
    this.callbacks.clear()
    for (const callback of callbacks) callback()
  }
}

const listeners = new WeakMap<AbortSignal, Listener>()

/** Calls `callback` when the signal is aborted, which it is not yet. Returns what takes that
 * back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let listener = listeners.get(signal)
  if (listener === undefined) listeners.set(signal, (listener = new Listener(signal)))
  const { callbacks } = listener
  callbacks.add(callback)
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return
    signal.removeEventListener('abort', listener)
    listeners.delete(signal)
  }
}
