// The connection of this page to its server, which it makes again whenever it is lost.

const RETRY_MS = { first: 250, max: 5_000 }
/** A server that lives says something every second. */
const SILENT_MAX_MS = 35_000

export class Connection {
  #url
  #token
  #show
  #socket
  #retryMs = RETRY_MS.first
  #retry
  /** Since when there is none, or null while it is open. */
  #lostAt = performance.now()
  #heardAt = 0

  /**
   * @param {string} url
   * @param {string} token
   * @param {(data: string | ArrayBuffer) => string | Promise<string>} show Shows a message, and
   *   returns its kind when that is done: the next one of this kind comes only then.
   */
  constructor(url, token, show) {
    this.#url = url
    this.#token = token
    this.#show = show
    // A person who has just come back need not wait.
    addEventListener('online', () => this.#hurry())
    document.addEventListener('visibilitychange', () => this.#hurry())
    this.#open()
  }

  get isOpen() {
    return this.#lostAt === null
  }

  /** For how long there has been none, or no news. */
  get silentMs() {
    return performance.now() - (this.#lostAt ?? this.#heardAt)
  }

  /** Gives a server up that hangs: there may be another by now. */
  look() {
    if (this.isOpen && this.silentMs > SILENT_MAX_MS) this.#lost(this.#socket)
  }

  #open() {
    const socket = new WebSocket(this.#url, ['dashboard', `token.${this.#token}`])
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('open', () => {
      this.#lostAt = null
      this.#heardAt = performance.now()
      this.#retryMs = RETRY_MS.first
    })
    socket.addEventListener('message', ({ data }) => void this.#heard(socket, data))
    socket.addEventListener('close', () => this.#lost(socket))
  }

  async #heard(socket, data) {
    if (socket !== this.#socket) return
    this.#heardAt = performance.now()
    const kind = await this.#show(data)
    if (socket.readyState === WebSocket.OPEN) socket.send(kind)
  }

  #lost(socket) {
    // It was given up before.
    if (socket !== this.#socket || this.#retry !== undefined) return
    socket.close()
    this.#lostAt ??= performance.now()
    // Not all pages at once.
    const ms = this.#retryMs * (0.5 + Math.random() / 2)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.max)
    this.#retry = setTimeout(() => this.#again(), ms)
  }

  #again() {
    this.#retry = undefined
    this.#open()
  }

  #hurry() {
    if (this.#retry === undefined || document.hidden) return
    clearTimeout(this.#retry)
    this.#again()
  }
}
