// ringpost completion: the Tab key in a shell.

import { command, optionsOf, type Command, type Completed } from './command.mjs'
import { names } from './names.mjs'
import { UsageError } from './usage.mjs'

/** Each asks this command how the words that were typed can go on, so that it never is of another
 * version; where there is no answer, the shell completes files. */
const SCRIPTS = {
  bash: `# bash completion for ringpost: source this file, or install it as
# ~/.local/share/bash-completion/completions/ringpost
_ringpost() {
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" completion words -- "\${words[@]}" 2>/dev/null)
}
complete -o default -F _ringpost ringpost`,

  zsh: `#compdef ringpost
# zsh completion for ringpost: source this file, or install it as _ringpost in a folder of $fpath
_ringpost() {
  local -a found
  found=(\${(f)"$("\${words[1]}" completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
if [[ "\${funcstack[1]}" == _ringpost ]]; then _ringpost; else compdef _ringpost ringpost; fi`,

  fish: `# fish completion for ringpost: source this file, or install it as
# ~/.config/fish/completions/ringpost.fish
function __ringpost_words
  set -l words (commandline -opc) (commandline -ct)
  $words[1] completion words -- $words[2..-1] 2>/dev/null
end
complete -c ringpost -a '(__ringpost_words)'`,
}
const SHELLS = Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[]

/** Of all commands, itself included. */
export const completion = (commands: () => readonly Command[]) =>
  command({
    name: 'completion',
    summary: 'print what completes this command in a shell',
    synopsis: `${SHELLS.join(' | ')} | words -- [word ...]`,
    about: `Prints a script for a shell, which completes commands, options, and the names of servers
and topics. In bash: source <(ringpost completion bash)

  words  prints how the last word can go on, each on a line; the scripts ask this`,
    completed: [SHELLS],
    options: {},
    exits: '0, or 2 for a mistake in the command line, 4 if the program failed',
    run({ words: [what, ...words] }) {
      const shell = SHELLS.find((shell) => shell === what)
      if (shell !== undefined && words.length === 0) console.log(SCRIPTS[shell])
      else if (what === 'words') {
        for (const word of completed(commands(), words)) console.log(word)
      } else {
        const typed = [what, ...words].join(' ')
        throw new UsageError(what ? `there is no shell '${typed}'` : 'a shell is missing')
      }
      return Promise.resolve(0)
    },
  })

/** How the last of the words behind `ringpost` can go on. */
export function completed(commands: readonly Command[], words: string[]): string[] {
  const typed = words.at(-1) ?? ''
  const fits = (word: string) => word.startsWith(typed)
  const [name, ...before] = words.slice(0, -1)
  if (name === undefined) {
    return [...commands.map((command) => command.name), '--help', '--version'].filter(fits)
  }
  const command = commands.find((command) => command.name === name)
  return command === undefined ? [] : within(command, before, typed).filter(fits)
}

function within(command: Command, before: string[], typed: string): readonly string[] {
  const options = optionsOf(command)
  const optionOf = (word: string) => (word.startsWith('--') ? options[word.slice(2)] : undefined)
  const last = optionOf(before.at(-1) ?? '')
  if (last?.value) return listOf(last.completed)
  if (typed.startsWith('-')) return Object.keys(options).map((option) => `--${option}`)
  const isValue = (index: number) => optionOf(before[index - 1] ?? '')?.value !== undefined
  const place = before.filter((word, index) => !word.startsWith('-') && !isValue(index)).length
  return listOf(command.completed?.[place])
}

function listOf(completed: Completed | undefined): readonly string[] {
  if (completed === undefined) return []
  return typeof completed === 'string' ? names(completed) : completed
}
