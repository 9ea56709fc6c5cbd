// Which documents of the repository are pages of the site, and where its other links lead. The
// documents stay where they are and are read from there: nothing is copied.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

const REPOSITORY = 'https://github.com/ringpost/ringpost'
/** Where typedoc writes the pages of the declarations, which are `/api/` of the site. */
const API = join(ROOT, 'docs/api')
/** Folders of typedoc, one for each kind of declaration. */
const KINDS = ['classes', 'functions', 'interfaces', 'types', 'variables']

/** The guides in the order in which they are read, with their titles in the sidebar. */
export const GUIDES = [
  ['start', 'Start in five minutes'],
  ['contracts', 'Contracts'],
  ['streams', 'Streams'],
  ['lanes', 'Lanes and overflow'],
  ['reconnect', 'Reconnecting and pools'],
  ['published', 'State frames, topics, maps'],
  ['editors', 'Editor extensions'],
  ['operating', 'Operating it'],
  ['security', 'Security model'],
  ['performance', 'Performance'],
  ['moving', 'Moving to Ringpost'],
]

/** The path below the site's root of a document, or undefined if it is no page. */
export function pageOf(path) {
  if (path === 'site/index.md') return 'index.md'
  const [, folder] = /^((?:examples|nats|python|crates\/ringpost-c)(?:\/[\w-]+)*)\/README\.md$/.exec(path) ?? []
  if (folder !== undefined) return `${folder}/index.md`
  const [, guide] = /^docs\/(guide\/[\w-]+\.md)$/.exec(path) ?? []
  if (guide !== undefined) return guide
  if (/^docs\/[\w-]+\.md$/.test(path)) return path
  return /^[A-Z]+\.md$/.test(path) ? path.toLowerCase() : undefined
}

/** Where a link of a document leads on the site: to a page, to the API, or into the repository. */
export function linkOf(document, link) {
  const main = `${REPOSITORY}/tree/main/`
  if (link.startsWith(main)) return linkOf('README.md', link.slice(main.length))
  if (/^([a-z]+:|#|\/)/.test(link)) return link
  const [file, anchor] = link.split('#')
  const path = posix.join(posix.dirname(document), file)
  const shown = [path, posix.join(path, 'README.md')].find((one) => pageOf(one) !== undefined)
  if (shown !== undefined && existsSync(join(ROOT, shown))) {
    return `/${pageOf(shown)}${anchor === undefined ? '' : `#${anchor}`}`
  }
  if (/^\w+\.d\.ts$/.test(path)) return declaration(basename(path, '.d.ts'), anchor)
  const kind = statSync(join(ROOT, path)).isDirectory() ? 'tree' : 'blob'
  return `${REPOSITORY}/${kind}/main/${path}`
}

/** The page of typedoc for a declaration, `Name` or `Name.member`, of an entry point. */
function declaration(module, anchor) {
  if (anchor === undefined) return `/api/modules/${module}.html`
  const [name, member] = anchor.split('.')
  const file = `${module}.${name}.html`
  const kind = KINDS.find((kind) => existsSync(join(API, kind, file)))
  if (kind === undefined) throw new Error(`${module}.d.ts declares no ${name}`)
  return `/api/${kind}/${file}${member === undefined ? '' : `#${member.toLowerCase()}`}`
}

/** The anchor of a heading, as GitHub makes it. */
export function anchorOf(heading) {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-')
}

/** The folders of examples that have a page of their own. */
export function exampleFolders() {
  const folder = join(ROOT, 'examples')
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'README.md')))
}

/** The path of a document within the repository. */
export function documentOf({ realPath, path }) {
  return relative(ROOT, realPath ?? path)
}
