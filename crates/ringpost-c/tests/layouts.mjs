// What the C programs and run.mjs share. layouts.h is printed from it: ringpost layout --c

import { layout, text } from 'ringpost'

export const Position = layout({ id: 'u32', x: 'f64', label: text(8) })
