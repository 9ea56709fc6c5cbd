// What should be heard, worked out anew: each frame from the commands before it, by formulas rather
// than step by step as the audio process does it.

import { readFileSync } from 'node:fs'

const RATE = 44_100
const [ATTACK, RELEASE, SMOOTH] = [220, 4_410, 441]
const CLICK = 882
const KIND = { noteOn: 1, noteOff: 2, parameter: 3, tempo: 4 }

/** A level over time: a target from each frame on, approached by so much in each frame. */
class Curve {
  #pieces
  #up
  #down

  constructor(initial, up, down = up) {
    this.#pieces = [{ from: 0, level: initial, target: initial }]
    this.#up = up
    this.#down = down
  }

  to(frame, target) {
    this.#pieces.push({ from: frame, level: this.at(frame - 1), target })
  }

  at(frame) {
    const { from, level, target } = this.#pieces.findLast((piece) => piece.from <= frame) ?? this.#pieces[0]
    const steps = frame - from + 1
    if (target > level) return Math.min(target, level + steps / this.#up)
    return Math.max(target, level - steps / this.#down)
  }
}

/** Frames `0` to `length` of commands that were carried out at `frame`, in order. */
export function render(commands, length) {
  const gain = new Curve(1, SMOOTH)
  const overtone = new Curve(0, SMOOTH)
  const voices = new Map()
  const tempos = []
  for (const { frame, action } of commands) {
    const { kind, target, value } = action
    if (kind === KIND.parameter) [gain, overtone][target].to(frame, value)
    if (kind === KIND.tempo) tempos.push({ frame, beat: value && Math.round((60 * RATE) / value) })
    if (kind !== KIND.noteOn && kind !== KIND.noteOff) continue
    if (!voices.has(target)) voices.set(target, { curve: new Curve(0, ATTACK, RELEASE), begins: [] })
    const { curve, begins } = voices.get(target)
    // A key that is silent begins its wave anew.
    const isSilent = curve.at(frame - 1) === 0
    if (kind === KIND.noteOn && isSilent) begins.push(frame)
    curve.to(frame, kind === KIND.noteOn ? value : 0)
  }
  const clicks = clicksOf(tempos, length)
  return Int16Array.from({ length }, (_, frame) => {
    const octave = overtone.at(frame)
    let sum = 0
    for (const [key, { curve, begins }] of voices) {
      const level = curve.at(frame)
      if (level === 0) continue
      const begin = begins.findLast((begin) => begin <= frame)
      const angle = 2 * Math.PI * 440 * 2 ** ((key - 69) / 12) * ((frame - begin) / RATE)
      sum += level * (Math.sin(angle) + octave * Math.sin(2 * angle))
    }
    const click = clicks.findLast((click) => click <= frame)
    const since = frame - click
    if (since < CLICK) sum += 2 * (1 - since / CLICK) * Math.sin((2 * Math.PI * 1_500 * since) / RATE)
    const heard = gain.at(frame) * 0.1 * sum
    return Math.round(Math.max(-1, Math.min(1, heard)) * 32_767)
  })
}

/** The frames at which beats begin. */
function clicksOf(tempos, length) {
  return tempos.flatMap(({ frame, beat }, index) => {
    const end = tempos[index + 1]?.frame ?? length
    const count = beat === 0 ? 0 : Math.ceil((end - frame) / beat)
    return Array.from({ length: count }, (_, number) => frame + number * beat)
  })
}

/** The frames of a file with one channel of 16 bits. */
export function readWav(path) {
  const bytes = readFileSync(path)
  const [format, channels, rate, bits] = [bytes.readUInt16LE(20), bytes.readUInt16LE(22), bytes.readUInt32LE(24), bytes.readUInt16LE(34)]
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 36, 40) !== 'data') {
    throw new Error(`${path} is no plain WAV file`)
  }
  if (format !== 1 || channels !== 1 || rate !== RATE || bits !== 16) {
    throw new Error(`${path}: ${[format, channels, rate, bits]}`)
  }
  const length = bytes.readUInt32LE(40) / 2
  return Int16Array.from({ length }, (_, frame) => bytes.readInt16LE(44 + frame * 2))
}
