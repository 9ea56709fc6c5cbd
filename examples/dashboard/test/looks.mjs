// What states look like, without a browser.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cameraLook, connectionLook, postureLook } from '../page/looks.mjs'

const connection = (isOpen, silentMs) => connectionLook({ isOpen, silentMs })
const camera = (status, picture = 1) => cameraLook({ status, picture }, true)

const LOOKS = {
  connection: [
    ...[connection(true, 0), connection(true, 4_000), connection(false, 0)],
    ...[connection(false, 4_000), connectionLook(undefined)],
  ],
  camera: [
    camera(null),
    ...['live', 'late', 'gone'].map((producer) => camera({ producer, camera: 'live' })),
    ...[camera({ producer: 'live', camera: 'lost' }), cameraLook({ status: null }, false)],
  ],
  posture: [
    postureLook(null),
    ...['upright', 'leaning', 'slouched', 'away'].map((state) => postureLook({ state })),
  ],
}

for (const [what, looks] of Object.entries(LOOKS)) {
  test(`${what}: each state has words of its own, and each color a shape of its own`, () => {
    assert.equal(new Set(looks.map(({ words }) => words)).size, looks.length)
    const pairs = new Set(looks.map(({ look, shape }) => `${look} ${shape}`))
    const of = (member) => new Set(looks.map((each) => each[member])).size
    assert.deepEqual([of('look'), of('shape')], [pairs.size, pairs.size])
  })
}

test('a person is told after three seconds without a connection, and not before', () => {
  assert.deepEqual([connection(false, 2_900).notice, connection(true, 2_900).notice], ['', ''])
  assert.match(connection(false, 3_000).notice, /cannot be reached/)
  assert.match(connection(true, 3_000).notice, /does not respond/)
})

test('what was received last is taken for true as long as there is a connection', () => {
  const status = { producer: 'live', camera: 'live' }
  assert.equal(cameraLook({ status, picture: 1 }, true).placeholder, '')
  assert.equal(cameraLook({ status, picture: 1 }, false).words, 'Unknown')
})

test('there is a placeholder whenever there is no picture', () => {
  const placeholders = LOOKS.camera.filter(({ words }) => words !== 'Live')
  for (const { words, placeholder } of placeholders) assert.notEqual(placeholder, '', words)
  assert.notEqual(camera({ producer: 'live', camera: 'live' }, null).placeholder, '')
})
