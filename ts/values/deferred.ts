// A promise and what settles it. `Promise.withResolvers()` is newer than the oldest Node there is.

export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (reason: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // What nobody waits for any more is no failure of the program's.
    this.promise.catch(() => {})
  }
}
