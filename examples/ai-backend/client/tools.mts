// What the model may do in this editor.

import type { Client } from 'ringpost'
import { ApplyEdit, ReadFile } from '../contract.mjs'

export interface Edit {
  readonly path: string
  readonly old: string
  readonly new: string
}

/** The signal says that the chat was cancelled, or has no more time. */
export interface Tools {
  /** Resolves to the text of a file. */
  readFile(path: string, signal: AbortSignal): Promise<string>
  /** Replaces the first `old` in a file; resolves to whether there was one. */
  applyEdit(edit: Edit, signal: AbortSignal): Promise<boolean>
}

/** What a tool throws is part of the chat's answer. */
export function serveTools(client: Client, tools: Tools): void {
  client.handle(ReadFile, async ({ path }, { signal }) => ({
    text: await tools.readFile(path, signal),
  }))
  client.handle(ApplyEdit, async (edit, { signal }) => ({
    applied: await tools.applyEdit(edit, signal),
  }))
}
