// A transport under measurement that is not to be trusted: its setting `fault` says what goes
// wrong.

import type { Adapter, Settings } from '../../adapter.mjs'
import { stamp } from '../../payload.mjs'
import uds from '../../adapters/uds.mjs'

let messages = 0

const lossy: Adapter = {
  serve: (address, sink, settings) => uds.serve(address, sink, settings),
  async connect(address, settings: Settings) {
    const channel = await uds.connect(address, settings)
    const { fault } = settings
    return {
      ...channel,
      send(payload) {
        const isLast = ++messages % 1000 === 0
        const isTime = messages % 100 === 0
        if (fault === 'loses' && isTime) return undefined
        if (fault === 'doubles' && isTime) void channel.send(payload.slice())
        if (fault === 'loses the last of a thousand' && isLast) return undefined
        if (fault === 'doubles the last of a thousand' && isLast) void channel.send(payload.slice())
        return channel.send(payload)
      },
      sendItem(item) {
        const isTime = item.number % 64 === 0
        if (fault === 'changes an object' && isTime) return channel.sendItem!({ ...item, line: 1 })
        return fault === 'loses an object' && isTime ? undefined : channel.sendItem!(item)
      },
      async request(payload) {
        const answer = new Uint8Array(await channel.request(payload))
        if (fault === 'answers wrongly') answer[answer.length - 1] ^= 1
        return answer
      },
      async download(count, size, _, got) {
        const item = new Uint8Array(size)
        for (let number = 0; number < count; number++) {
          stamp(item, number)
          if (fault === 'changes an item') item[size - 1] ^= 1
          if (fault !== 'loses an item' || number !== count - 1) got(item)
        }
      },
    }
  },
}
export default lossy
