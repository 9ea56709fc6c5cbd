// The programs of the README and of docs/messageport.md, extracted and run as printed.

import test from 'ava'
import { runsAsPrinted } from './helpers/printed.mjs'

const documents = [
  runsAsPrinted('README.md', []),
  runsAsPrinted('docs/messageport.md', ['comlink']),
]

test('each program is run by one of the sessions', (t) => {
  for (const { blocks, sessions } of documents) {
    const typed = sessions.map(({ text }) => text).join('')
    for (const { file } of blocks) {
      if (file === undefined || file.startsWith('contract')) continue
      t.true(typed.includes(`$ node ${file.replace('.mts', '.mjs')}`), file)
    }
    t.true(sessions.length > 0)
  }
})
