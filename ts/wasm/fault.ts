// Errors as the addon throws them: with a code, to be taken apart in `errors`.

/** An error of the binding. */
export function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

/** The same out of what the module says: its code, a line feed, its message. */
export function described(text: string): Error {
  const end = text.indexOf('\n')
  return fault(text.slice(0, end), text.slice(end + 1))
}

/** What cannot be had without the addon. */
export function unsupported(what: string): Error {
  return fault(
    'ERR_FEATURE',
    `${what} shared memory, and with it the addon of this platform: this process runs on the ` +
      'core in WebAssembly (see docs/installing.md)',
  )
}

/** The code of an error of Node's; where there is none, none. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

/** What a failed system call becomes. */
export function system(doing: string, error: unknown): Error {
  const code = codeOf(error)
  const { message } = error as Error
  const as = code === 'EACCES' || code === 'EPERM' ? 'ERR_ACCESS' : 'ERR_SYSTEM'
  const full = ['ENOSPC', 'EDQUOT'].includes(code!) ? 'ERR_NO_SPACE' : as
  const none = ['EMFILE', 'ENFILE'].includes(code!) ? 'ERR_NO_DESCRIPTORS' : full
  return fault(none, `${doing}: ${message}`)
}
