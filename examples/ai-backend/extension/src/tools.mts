// What the model may do in this window: read and edit files of the workspace, through the editor, so
// that it sees what was not saved yet. It gets to no other file.

import { realpath } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'
import * as vscode from 'vscode'
import type { Edit } from '../../client/tools.mjs'

export async function readFile(path: string): Promise<string> {
  return (await open(path)).getText()
}

/** As if it were typed: it can be undone, and is saved as the editor saves. */
export async function applyEdit(edit: Edit, signal: AbortSignal): Promise<boolean> {
  const document = await open(edit.path)
  const at = document.getText().indexOf(edit.old)
  if (at === -1 || edit.old === '') return false
  signal.throwIfAborted()
  const [from, to] = [document.positionAt(at), document.positionAt(at + edit.old.length)]
  const changes = new vscode.WorkspaceEdit()
  changes.replace(document.uri, new vscode.Range(from, to), edit.new)
  return vscode.workspace.applyEdit(changes)
}

/** A file by its path in the workspace. */
async function open(path: string): Promise<vscode.TextDocument> {
  for (const { uri } of vscode.workspace.workspaceFolders ?? []) {
    const file = vscode.Uri.joinPath(uri, path)
    // Links are followed first: one may lead out.
    const places = await Promise.all([realpath(uri.fsPath), realpath(file.fsPath)]).catch(() => null)
    if (places !== null && isInside(...places)) return vscode.workspace.openTextDocument(file)
  }
  throw Object.assign(new Error(`there is no file "${path}" in the workspace`), { code: 'ENOENT' })
}

function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file)
  return path !== '' && !isAbsolute(path) && path.split(sep)[0] !== '..'
}
