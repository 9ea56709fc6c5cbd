// What the extension and its server share.

import { event, method } from 'ringpost'

/** Adds numbers. */
export const Add = method('add')
/** Tells which process answers. */
export const WhoAreYou = method('who-are-you')
/** In flight for as long as both sides live. */
export const Watch = method('watch')
/** Told once an editor is ready. Nobody answers. */
export const Ready = event('ready')
