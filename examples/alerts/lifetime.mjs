// When a process of the alert center has to end.

/**
 * Aborted on SIGTERM; when the process that has started this one says so or is gone; and on Ctrl-C,
 * unless that process is there: it ends both of its processes, in order.
 * @returns {AbortSignal}
 */
export function lifetime() {
  const controller = new AbortController()
  const end = () => controller.abort()
  process.on('SIGTERM', end)
  process.on('disconnect', end)
  // That may have been before this was called.
  if (process.connected === false) end()
  process.on('SIGINT', () => {
    if (!process.connected) end()
  })
  return controller.signal
}
