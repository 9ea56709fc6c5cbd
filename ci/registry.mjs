// A registry of npm on the loopback, with the packages of a folder and nothing else.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

/** Serves the tarballs of a folder. Returns its address, and what ends it. */
export async function registry(folder) {
  const packages = new Map()
  const server = createServer(({ url }, response) => {
    const path = decodeURIComponent(url.split('?')[0]).slice(1)
    const found = packages.get(path)
    if (found === undefined) response.writeHead(404, { 'content-type': 'application/json' })
    response.end(found ?? '{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A process that gives up does not wait for it.
  server.unref()
  const url = `http://127.0.0.1:${server.address().port}`
  for (const file of readdirSync(folder).filter((file) => file.endsWith('.tgz'))) {
    const path = join(folder, file)
    const tarball = readFileSync(path)
    const hash = (name, encoding) => createHash(name).update(tarball).digest(encoding)
    const text = execFileSync('tar', ['-xzOf', path, 'package/package.json'], { encoding: 'utf8' })
    const manifest = JSON.parse(text)
    const { name, version } = manifest
    const integrity = `sha512-${hash('sha512', 'base64')}`
    const dist = { tarball: `${url}/files/${file}`, shasum: hash('sha1', 'hex'), integrity }
    const versions = { [version]: { ...manifest, dist } }
    packages.set(`files/${file}`, tarball)
    packages.set(name, JSON.stringify({ name, versions, 'dist-tags': { latest: version } }))
  }
  return { url, close: () => server.close() }
}
