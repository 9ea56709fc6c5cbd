/**
 * Answers probes over HTTP, for those who run a service: whether it lives, whether it is ready, and
 * its metrics.
 *
 * @packageDocumentation
 */

import type { Health } from './index.js'

/** Says whether something works: `true`, now or within `timeoutMs`. Anything else says that it does
 * not, an error included. Servers, clients and pools are checks, each of as many as it has. */
export type Check = (() => boolean | Promise<boolean>) | Checked

/** What has checks of its own. */
export interface Checked {
  /** Which of them hold now. */
  health(): Health
}

/** What prints metrics, as a registry of `prom-client` does. */
export interface MetricsSource {
  /** The media type of what it prints. */
  readonly contentType: string
  /** Prints them. */
  metrics(): Promise<string>
}

/** Options of {@link serveHealth}: one of `port` and `path` is needed. */
export interface HealthOptions {
  /** A port of 127.0.0.1, or 0 for one that is free. */
  port?: number
  /** Where a Unix socket is to be, which only this user can connect to: up to 98 bytes. One that no
   * process serves any more is replaced. */
  path?: string
  /** Checks of `/healthz`, by name: what only a restart can repair. Without any, the answer alone
   * says that the process lives. */
  live?: Readonly<Record<string, Check>>
  /** Checks of `/readyz`, by name. */
  ready?: Readonly<Record<string, Check>>
  /** What `/metrics` answers with. Without it there is no such path. */
  registry?: MetricsSource
  /** Milliseconds that each check may take, and `/metrics`. One that takes longer is not called
   * again until it is done. @default 1,000 */
  timeoutMs?: number
}

/** Answers probes. It does not keep the process alive. */
export interface HealthServer extends AsyncDisposable {
  /** The port it listens at; `undefined` with a `path`. */
  readonly port: number | undefined
  /** Ends it, and its connections. Can be called twice. */
  close(): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Answers `GET` and `HEAD` of `/healthz`, `/readyz` and `/metrics`.
 *
 * The first two answer 200 if all of their checks hold and 503 otherwise, with one boolean for each
 * as JSON: `{"ok":false,"checks":{"demo.listening":true,"demo.accepting":true,"database":false}}`.
 * A request at the port whose `Host` is not `localhost`, `127.0.0.1` or `[::1]` is refused with 403,
 * because a page in a browser may have made it.
 *
 * @example
 * ```ts
 * import { serveHealth } from 'ringpost/health'
 *
 * const health = await serveHealth({
 *   port: 9_464,
 *   ready: { demo: server, database: () => database.isConnected },
 * })
 * ```
 * @throws TypeError or RangeError for wrong options. The error of Node.js where it cannot listen:
 * `EADDRINUSE` if another process does, or if what is at `path` is no socket.
 */
export declare function serveHealth(options: HealthOptions): Promise<HealthServer>
