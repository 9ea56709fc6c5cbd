// The site of the documents. Nothing in it is fetched at run time: the search index, the styles and
// the scripts are its own files, and the fonts are those of the reader's system.

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { readAsInRepository } from '../markdown.mjs'
import { anchorOf, exampleFolders, GUIDES, pageOf, ROOT } from '../pages.mjs'

const guides = GUIDES.map(([name, text]) => ({ text, link: `/guide/${name}` }))
const examples = exampleFolders().map((name) => ({ text: name, link: `/examples/${name}/` }))

export default defineConfig({
  title: 'Ringpost',
  description: 'Shared-memory IPC between processes on one machine, from TypeScript, Rust, C and Python.',
  lang: 'en-US',
  head: [['link', { rel: 'icon', href: '/favicon.svg' }]],
  srcDir: ROOT,
  srcExclude: ['target/**', 'crates/!(ringpost-c)/**', 'benches/**', '.cache/**', 'coverage/**'],
  rewrites: (path) => pageOf(path) ?? path,
  outDir: fileURLToPath(new URL('../dist', import.meta.url)),
  cacheDir: `${ROOT}/.cache/vitepress`,
  // Those are not pages of VitePress; ci/site.mjs looks whether they are there.
  ignoreDeadLinks: [/^\/(api|rust)\//],
  vite: { publicDir: fileURLToPath(new URL('../public', import.meta.url)) },
  markdown: {
    anchor: { slugify: anchorOf },
    config: readAsInRepository,
  },
  themeConfig: {
    logo: '/favicon.svg',
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/guide/start', activeMatch: '^/guide/' },
      { text: 'TypeScript API', link: '/api/', target: '_self' },
      { text: 'Rust API', link: '/rust/ringpost/', target: '_self' },
      { text: 'Changelog', link: '/changelog' },
    ],
    sidebar: [
      { text: 'Guide', items: guides },
      {
        text: 'In depth',
        items: [
          { text: 'Installing', link: '/docs/installing' },
          { text: 'Runtimes', link: '/docs/runtimes' },
          { text: 'Bundlers', link: '/docs/bundlers' },
          { text: 'Codecs', link: '/docs/codecs' },
          { text: 'Ports between processes', link: '/docs/messageport' },
          { text: 'Shipping an extension', link: '/docs/editors' },
          { text: 'Language servers', link: '/docs/language-servers' },
          { text: 'Services and containers', link: '/docs/service' },
          { text: 'C', link: '/crates/ringpost-c/' },
          { text: 'Python', link: '/python/' },
          { text: 'Other machines', link: '/nats/' },
        ],
      },
      {
        text: 'Figures',
        items: [
          { text: 'Measuring', link: '/docs/measuring' },
          { text: 'Benchmarks', link: '/docs/benchmarks' },
          { text: 'What was tried for speed', link: '/docs/performance' },
        ],
      },
      { text: 'Examples', items: [{ text: 'All examples', link: '/examples/' }, ...examples] },
      {
        text: 'Project',
        items: [
          { text: 'Overview', link: '/readme' },
          { text: 'Specification', link: '/specification' },
          { text: 'Protocol', link: '/protocol' },
          { text: 'Architecture', link: '/architecture' },
          { text: 'Contributing', link: '/contributing' },
          { text: 'Changelog', link: '/changelog' },
          { text: 'Reporting a vulnerability', link: '/security' },
        ],
      },
    ],
  },
})
