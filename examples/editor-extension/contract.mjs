// The contract of the extension and its server.

import { event, method } from 'ringpost'

/** Adds two numbers. */
export const Add = method('add')
/** Returns the process id of the server. */
export const WhoAreYou = method('who-are-you')
/** Stays in flight for as long as both sides live. */
export const Watch = method('watch')
/** Sent once an editor is ready. */
export const Ready = event('ready')
