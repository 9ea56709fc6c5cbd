// Signals: one listener for each, whatever the number of those who want to hear of it.

/** Who listens to a signal, for all who are to hear. It goes with the signal. */
class Ear {
  readonly callbacks = new Set<() => void>()

  constructor(readonly signal: AbortSignal) {
    signal.addEventListener('abort', this, { once: true })
  }

  handleEvent(): void {
    ears.delete(this.signal)
    const callbacks = [...this.callbacks]
    this.callbacks.clear()
    for (const callback of callbacks) callback()
  }
}

const ears = new WeakMap<AbortSignal, Ear>()

/** Calls `callback` when the signal is aborted, which it is not yet. Returns what takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let ear = ears.get(signal)
  if (ear === undefined) ears.set(signal, (ear = new Ear(signal)))
  const { callbacks } = ear
  callbacks.add(callback)
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return
    signal.removeEventListener('abort', ear)
    ears.delete(signal)
  }
}
