// What a command is. Its help, the reading of its words and their completion come from this.

import { parseArgs } from 'node:util'
import { UsageError } from './usage.mjs'

/** How a word can go on: names of what is there, or one of these. Nothing: a file, or anything. */
export type Completed = 'server' | 'topic' | readonly string[]

export interface Option {
  short?: string
  /** What stands for its value in the help. Without it, it is there or not. */
  value?: string
  completed?: Completed
  /** What it does, in lines that fit behind its name. */
  about: string
}

export type Options = Record<string, Option>

/** What was typed. */
export interface Given<O extends Options> {
  values: { [Name in keyof O]: O[Name] extends { value: string } ? string | undefined : boolean }
  words: string[]
}

export interface Command<O extends Options = any> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** The words behind its name. */
  readonly synopsis: string
  /** The help between the usage and the options. */
  readonly about: string
  /** How its words can go on, by position. */
  readonly completed?: readonly (Completed | undefined)[]
  readonly options: O
  /** The meaning of each exit code that is not shared by all. */
  readonly exits: string
  /** Does it, and returns the exit code. */
  readonly run: (given: Given<O>) => Promise<number>
}

const HELP: Options = { help: { short: 'h', about: 'print this text' } }

/** Checks that the types of a command's options are those that it gets. */
export function command<const O extends Options>(made: Command<O>): Command<O> {
  return made
}

/** All options of a command. */
export const optionsOf = ({ options }: Command): Options => ({ ...options, ...HELP })

export function helpOf(command: Command): string {
  const { name, synopsis, about, exits } = command
  const all = Object.entries(optionsOf(command)).map(([long, { short, value, about }]) => {
    const flag = [short && `-${short}`, `--${long}`].filter(Boolean).join(', ')
    return [value ? `${flag} ${value}` : flag, about]
  })
  const parts = [
    `usage: ringpost ${name} ${synopsis}`,
    about,
    `options\n${listed(all)}`,
    `exit code: ${exits}`,
  ]
  return parts.join('\n\n')
}

/** Names and what they mean, in two columns. */
export function listed(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  const indented = `\n${' '.repeat(width + 4)}`
  return rows
    .map(([name, about]) => `  ${name.padEnd(width)}  ${about.replaceAll('\n', indented)}`)
    .join('\n')
}

/** Reads the words of a command and does it. */
export async function perform(command: Command, words: string[]): Promise<number> {
  const options = Object.entries(optionsOf(command)).map(([name, { short, value }]) => {
    const type = value ? { type: 'string' } : { type: 'boolean', default: false }
    return [name, { ...type, ...(short && { short }) }]
  })
  const { values, positionals } = parsed(words, Object.fromEntries(options) as Parsed)
  if (values.help) {
    console.log(helpOf(command))
    return 0
  }
  return command.run({ values, words: positionals })
}

type Parsed = NonNullable<Parameters<typeof parseArgs>[0]>['options']

function parsed(args: string[], options: Parsed) {
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
    return { values: values as Record<string, any>, positionals }
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}

/** An integer from 1 on, out of an option. */
export function whole(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= 1 && number <= 2 ** 31) return number
  throw new UsageError(`--${option} must be an integer from 1 to 2,147,483,648, got '${value}'`)
}

/** One of some words, out of an option. */
export function oneOf<Word extends string>(
  option: string,
  words: readonly Word[],
  value: string,
): Word {
  if (words.includes(value as Word)) return value as Word
  throw new UsageError(`--${option} must be one of ${words.join(', ')}, got '${value}'`)
}
