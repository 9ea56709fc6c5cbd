// A microbenchmark, and the options of all of them.

export interface MicroOptions {
  /** How long each case is measured in each repeat. */
  seconds: number
  repeats: number
  /** Only cases with these parts in their ids: `codec`, `js.pending`, `rust.ring.push-pop-64`. */
  only?: string | readonly string[]
  /** Called with the name of what is measured next. */
  step?(what: string): void
  /** Ends it: what was measured until then counts. */
  signal?: AbortSignal
}

/** What `value` of every repeat is, here and in Rust. */
export const PER_OPERATION = { name: 'per operation', unit: 'ns', better: 'less' } as const

export interface MicroCase {
  /** Below `micro.js`: the piece, and what is done with it. */
  id: string
  /** For people. */
  name: string
  settings: { size?: number; [name: string]: unknown }
  /** How often one call of `run` does it. */
  operations: number
  /** Throws unless the answer is right. Called before anything is measured. */
  prove(): void | Promise<void>
  run(): void
}

/** Operations of one call where one of them alone would be lost in the cost of the call. */
export const MANY = 64

/** Results go here, so that a compiler does not remove them as unused. */
export const kept: { value: unknown } = { value: undefined }

/** Bytes that are not all the same. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251)
}

/** Whether a case was asked for: by all of its id or by some parts of it in a row. */
export function isAsked(id: string, only: string | readonly string[] | undefined): boolean {
  return only === undefined || [only].flat().some((parts) => `.${id}.`.includes(`.${parts}.`))
}
