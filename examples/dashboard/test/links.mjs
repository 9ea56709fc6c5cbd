// What a browser does with a link and its token.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { openPages, Place, says, tokenOf } from './helpers.mjs'

test('the token leaves the address at once; a page keeps it when it is reloaded, no other has it', async (t) => {
  const place = new Place(t)
  await place.producer()
  const { link, port } = await place.dashboard()
  const { pages: [page], noise } = await openPages(t, link, 1)
  await says(page, 'connection', 'Connected')
  assert.equal(page.url(), `http://127.0.0.1:${port}/`)
  assert.equal(await page.evaluate(() => history.length), 2)
  await page.reload()
  await says(page, 'connection', 'Connected')
  const second = await page.context().newPage()
  await second.goto(`http://127.0.0.1:${port}/`)
  await says(second, 'connection', 'No token')
  await second.getByRole('alert').filter({ hasText: 'opened by a link' }).waitFor()
  assert.deepEqual(noise, [])
})

test('a page of another site gets nothing, even if it knew the token', async (t) => {
  const { link, port } = await new Place(t).dashboard()
  const other = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>other</title>')
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.closeAllConnections())
  t.after(() => other.close())
  const { pages: [page] } = await openPages(t, `http://127.0.0.1:${other.address().port}/`, 1)
  const seen = await page.evaluate(
    async ([port, token]) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/stream`, ['dashboard', `token.${token}`])
      const opened = await new Promise((resolve) => {
        socket.onopen = () => resolve(true)
        socket.onerror = () => resolve(false)
      })
      const read = await fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false)
      return { opened, read }
    },
    [port, tokenOf(link)],
  )
  assert.deepEqual(seen, { opened: false, read: false })
})
