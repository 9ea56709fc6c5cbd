// Connects to the server, shows its answers, and reconnects when it is lost.

import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'ringpost'
import * as vscode from 'vscode'
import { Add, Ready, Watch, WhoAreYou } from './contract.mjs'

const RETRY_MS = 100

const ended = new AbortController()
let running

export function activate({ subscriptions }) {
  const item = vscode.window.createStatusBarItem('answers')
  subscriptions.push(item)
  const show = (text) => {
    item.text = `Ringpost: ${text}`
    item.show()
  }
  show('connecting')
  running = stayConnected(show, ended.signal)
}

/** The editor waits for the returned promise, so the connection closes gracefully. */
export function deactivate() {
  ended.abort()
  return running
}

async function stayConnected(show, signal) {
  while (!signal.aborted) {
    try {
      const client = await connect('editor-example', { signal })
      await talk(client, show, signal).finally(() => client.close())
    } catch (error) {
      // While there is no server, the message about the last one stays visible.
      if (error.code !== 'ERR_NO_SERVER') show(`${error.code}, reconnecting`)
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
  }
}

/** Ends by throwing: when the server is lost, or when the extension is deactivated. */
async function talk(client, show, signal) {
  const { sum } = await client.request(Add, { a: 19, b: 23 }, { signal, timeoutMs: 1000 })
  const { pid } = client.requestSync(WhoAreYou, undefined, { timeoutMs: 1000 })
  client.notify(Ready, { editor: vscode.env.appName })
  show(`19 + 23 = ${sum}, answered by process ${pid}`)
  await client.request(Watch, undefined, { signal, timeoutMs: Infinity })
}
