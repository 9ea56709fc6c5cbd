// W3C trace context, carried and not interpreted: as text in JavaScript, as bytes on the way.

/** `00-<trace id>-<parent id>-<flags>` as the 26 bytes it stands for; checked before. */
export function traceBytes(traceparent: string): Uint8Array {
  return Buffer.from(traceparent.replaceAll('-', ''), 'hex')
}

export function traceText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 26).toString('hex')
  return `${hex.slice(0, 2)}-${hex.slice(2, 34)}-${hex.slice(34, 50)}-${hex.slice(50)}`
}
