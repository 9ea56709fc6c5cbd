// What is done at the other end of a port, of Node.js or of ours: it obeys what it is sent.

import type { MessagePort as NodePort } from 'node:worker_threads'
import type { MessagePort } from 'ringpost/messageport'

/** What both kinds of ports can do. */
export type AnyPort = Pick<
  MessagePort,
  'on' | 'once' | 'off' | 'onmessage' | 'postMessage' | 'close' | 'start' | 'ref' | 'unref' | 'hasRef'
> &
  EventTarget

export interface Command {
  /** Posts this. */
  post?: unknown[]
  /** Closes, after that. */
  close?: boolean
  /** Answers on this port with the double of what comes there, and says when it is closed. */
  double?: AnyPort
  /** Says how many ports have come, and posts to each. */
  count?: boolean
}

export function obey(port: AnyPort): void {
  port.addEventListener('message', (event) => {
    const { data, ports } = event as unknown as { data: Command; ports: readonly AnyPort[] }
    const { post = [], close, double, count } = data
    for (const value of post) port.postMessage(value)
    if (close) port.close()
    if (count) {
      port.postMessage(ports.length)
      for (const one of ports) one.postMessage('hello')
    }
    double?.on('message', (value: number) => double.postMessage(value * 2))
    double?.on('close', () => port.postMessage('closed'))
  })
}

export const asAny = (port: MessagePort | NodePort): AnyPort => port as AnyPort

/** What the program `ports` is told to do. */
export interface PortsProgram {
  name: string
  role: 'serve' | 'connect' | 'leave' | 'unref'
}
