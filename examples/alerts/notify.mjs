// Notifications of the desktop, through its own command, where it has one.

import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const COMMAND = 'notify-send'
/** A notification service that hangs holds up the next notification for so long. */
const TIMEOUT_MS = 2_000

/**
 * A function that shows a notification, or does nothing on a machine without the command. While one
 * is on its way, others are left out: a person can read one at a time.
 * @returns {(title: string, text: string) => void}
 */
export function notifier() {
  const command = find(COMMAND)
  let isBusy = false
  return (title, text) => {
    if (command === undefined || isBusy) return
    isBusy = true
    const args = ['--app-name=Alert center', '--urgency=critical', '--', title, text]
    // The terminal shows it, too: one that fails is no loss.
    execFile(command, args, { timeout: TIMEOUT_MS }, () => (isBusy = false))
  }
}

function find(name) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
