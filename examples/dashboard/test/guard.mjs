// Who is let in, and what is answered to everyone else.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import { Place, tokenOf } from './helpers.mjs'

/** What becomes of a stream: the status it is refused with, or `open`. */
function outcome(socket) {
  return new Promise((resolve) => {
    socket.once('open', () => resolve('open'))
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode))
  })
}

test('a stream needs our origin, our host, our path and the token of the link', async (t) => {
  const place = new Place(t)
  const at = await place.dashboard()
  const { port, link } = at
  const token = tokenOf(link)
  const wrong = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
  const localhost = `localhost:${port}`
  const cases = [
    [{}, 'open'],
    [{ origin: `http://${localhost}`, headers: { host: localhost } }, 'open'],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: `https://127.0.0.1:${port}` }, 403],
    [{ origin: `http://127.0.0.1:${port + 1}` }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: '' }, 403],
    [{ headers: { host: `evil.example:${port}` } }, 403],
    [{ headers: { host: '127.0.0.1' } }, 403],
    [{ path: '/' }, 404],
    [{ path: `/stream?token=${token}` }, 404],
    [{ token: wrong }, 401],
    [{ token: '' }, 401],
    [{ token: `${token}${token}` }, 401],
    [{ token: null }, 401],
  ]
  for (const [options, expected] of cases) {
    const what = JSON.stringify(options).replaceAll(token, '<token>')
    assert.equal(await outcome(place.stream(at, options)), expected, what)
  }
})

test('there are only so many pages at once', async (t) => {
  const place = new Place(t)
  const at = await place.dashboard({ browsersMax: 2 })
  const [first] = [place.stream(at), place.stream(at)]
  await once(first, 'open')
  assert.equal(await outcome(place.stream(at)), 503)
  first.close()
  await once(first, 'close')
  assert.equal(await outcome(place.stream(at)), 'open')
})

test('pages are served to those who ask this host for them, and protect themselves', async (t) => {
  const { port } = await new Place(t).dashboard()
  const ask = async (path, { method = 'GET', host = `127.0.0.1:${port}` } = {}) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers: { host }, agent: false })
    asked.end()
    const [response] = await once(asked, 'response')
    response.resume()
    return response
  }
  for (const path of ['/', '/main.mjs', '/page.css', '/icon.svg', '/?a=b']) {
    const { statusCode, headers } = await ask(path)
    assert.equal(statusCode, 200, path)
    assert.match(headers['content-security-policy'], /^default-src 'none'; .*frame-ancestors 'none'/)
    assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['referrer-policy'], 'no-referrer')
    assert.equal(headers['cache-control'], 'no-store')
    const foreign = Object.keys(headers).filter((name) => name.startsWith('access-control-'))
    assert.deepEqual(foreign, [])
  }
  for (const [path, options, status] of [
    ['/', { host: `evil.example:${port}` }, 403],
    ['/', { host: `127.0.0.1:${port + 1}` }, 403],
    ['/', { method: 'POST' }, 405],
    ['/', { method: 'OPTIONS' }, 405],
    ['/index.html', {}, 404],
    ['/../run.mjs', {}, 404],
    ['/%2e%2e/run.mjs', {}, 404],
    ['/stream', {}, 404],
  ]) {
    const { statusCode, headers } = await ask(path, options)
    assert.equal(statusCode, status, `${path} ${JSON.stringify(options)}`)
    assert.equal(headers['x-content-type-options'], 'nosniff')
  }
})

test('it listens at one address of the loopback interface alone', async (t) => {
  const { port } = await new Place(t).dashboard()
  // All of 127.0.0.0/8 leads to this machine: a server that listened everywhere would be there.
  const elsewhere = net.connect({ host: '127.0.0.2', port })
  const [error] = await once(elsewhere, 'error')
  assert.equal(error.code, 'ECONNREFUSED')
})

test('a browser that breaks the rules is closed, and no other', async (t) => {
  const place = new Place(t)
  await place.producer()
  const at = await place.dashboard()
  const other = place.stream(at)
  await once(other, 'message')
  for (const [word, expected] of [
    ['errors', 1008],
    ['cameras', 1008],
    ['', 1008],
    [Buffer.from('status'), 1008],
    ['x'.repeat(17), 1009],
    ['x'.repeat(1 << 20), 1009],
  ]) {
    const socket = place.stream(at)
    await once(socket, 'open')
    // No errors were sent yet, so that none can have been shown.
    socket.send(word)
    const [code] = await once(socket, 'close')
    assert.equal(code, expected, `${word.slice(0, 10)}`)
  }
  other.send('status')
  await once(other, 'message')
})
