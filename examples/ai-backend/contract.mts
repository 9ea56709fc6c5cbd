// What the editor and the backend share. The backend has the same in backend/src/contract.rs.

import { method, stream } from 'ringpost'

/** Where the backend is found, by all windows. */
export const NAME = 'ai-backend'
/** What both understand: a backend refuses an editor of another one, by name and number. */
export const PROTOCOL = 1

// ---- what the backend serves ----

export interface Hello {
  /** The editor's name and version, for the backend's log. */
  readonly client: string
  readonly protocol: number
}

export interface Welcome {
  /** Its version, as in its Cargo.toml or as it was started with. */
  readonly backend: string
  readonly protocol: number
  readonly pid: number
  readonly models: readonly string[]
}

export interface Message {
  readonly role: 'user' | 'assistant'
  readonly text: string
}

export interface Prompt {
  readonly messages: readonly Message[]
  readonly model?: string
  /** The same seed and messages give the same tokens. */
  readonly seed?: number
  /** Tokens after which it stops. */
  readonly maxTokens?: number
  /** Whether tokens come as fast as they are taken, in place of as fast as a model computes. */
  readonly unpaced?: boolean
}

export interface Token {
  readonly text: string
}

export interface Finished {
  readonly reason: 'stop' | 'length'
  readonly tokens: number
  /** Of tools that it has called in the editor. */
  readonly toolCalls: number
}

/** Before anything else, once a session: whether both understand each other. */
export const Greet = method<Hello, Welcome>('greet', { idempotent: true })
/** Tokens while the model computes; cancelling it stops the model. `/read <path>` and
 * `/replace <path> <old> => <new>` in a message make the model use its tools. After a lost session it
 * goes on where it was. */
export const Chat = stream<Prompt, Token, never, Finished>('chat', { resumable: true })
/** What may come next at a place in a file: asked for at each keystroke, and cancelled by the next. */
export const Complete = method<
  { readonly path: string; readonly prefix: string; readonly suffix: string },
  { readonly text: string }
>('complete', { idempotent: true })
/** A batch of files in, their vectors out: `dimensions` little-endian 32-bit floats for each file. */
export const Embed = method<
  { readonly files: readonly { readonly path: string; readonly text: string }[] },
  { readonly dimensions: number; readonly vectors: Uint8Array }
>('embed', { idempotent: true })

export interface Usage {
  readonly pid: number
  readonly backend: string
  readonly uptimeSeconds: number
  /** Windows that are connected. */
  readonly editors: number
  /** Chats, completions and batches that have ended, however that came to be. */
  readonly requests: number
  readonly cancelled: number
  readonly failed: number
  readonly tokens: number
  /** That an editor has waited, of a chat for the first token. */
  readonly meanMicros: number
  /** Since it was started. */
  readonly requestsPerSecond: number
}

export const AskUsage = method<void, Usage>('usage', { idempotent: true })

// ---- what the editor serves: tools of the model, which have the time that the chat has left ----

export const ReadFile = method<{ readonly path: string }, { readonly text: string }>(
  'workspace.readFile',
)
/** Replaces the first `old` in a file; `applied` is whether there was one. */
export const ApplyEdit = method<
  { readonly path: string; readonly old: string; readonly new: string },
  { readonly applied: boolean }
>('edit.apply')
