import { connect, createServer } from 'ringpost'
const role = process.argv[2]
if (role === 'server') {
  const s = await createServer('t1', { directory: process.argv[3], transport: 'socket' })
  s.handle('echo', (x) => x)
  console.log('up')
} else {
  const c = await connect('t1', { directory: process.argv[3], transport: 'socket' })
  for (let k = 0; k < 20; k++) {
  const all = await Promise.all(Array.from({length: 1000}, (_, i) => c.request('echo', {i, t: 'x'.repeat(i % 300)})))
  if (!all.every(({i}, at) => i === at)) console.log('wrong') }
  console.log('fine')
  await c.close()
}
