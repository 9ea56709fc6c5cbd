// Documents that are written for the repository, as the site shows them.

import { documentOf, linkOf } from './pages.mjs'

/** Changes what markdown-it has read, before it is rendered. */
export function readAsInRepository(markdown) {
  markdown.core.ruler.push('repository', (state) => {
    const document = documentOf(state.env)
    state.tokens = state.tokens.flatMap((token) => {
      for (const child of token.children ?? []) adapt(child, document)
      adapt(token, document)
      return token.type === 'fence' ? named(token, state) : [token]
    })
  })
}

function adapt(token, document) {
  if (token.type === 'link_open') token.attrSet('href', linkOf(document, token.attrGet('href')))
  if (/^html_/.test(token.type)) {
    // Without the dot, Vite looks for a package.
    token.content = token.content.replaceAll(/src="(?=\w+\/)/g, 'src="./')
  }
}

/** A block that is a file of its own has its name above it. */
function named(fence, state) {
  const [language, file] = fence.info.split(' ')
  // The vectors of PROTOCOL.md have a language of their own, and rustdoc reads more behind a comma.
  if (language === 'golden') fence.info = 'txt'
  fence.info = fence.info.replace(/^rust,.*/, 'rust')
  if (file === undefined) return [fence]
  const name = new state.Token('html_block', '', 0)
  name.content = `<p class="file-name">${state.md.utils.escapeHtml(file)}</p>\n`
  return [name, fence]
}
