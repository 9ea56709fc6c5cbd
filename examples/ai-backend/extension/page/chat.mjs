// Shows the chat, and passes on what is typed.

/* global acquireVsCodeApi */
const extension = acquireVsCodeApi()
const [chat, form, prompt, cancel, send] = ['chat', 'ask', 'prompt', 'cancel', 'send'].map((id) =>
  document.getElementById(id),
)
const EMPTY = 'Ask something, or try /read followed by the path of a file of this workspace.'

addEventListener('message', ({ data }) => {
  const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 20
  if (data.kind === 'more') chat.querySelector('article:last-child .text')?.append(data.text)
  else showAll(data)
  if (atEnd) chat.scrollTop = chat.scrollHeight
})
form.addEventListener('submit', (event) => {
  event.preventDefault()
  ask()
})
prompt.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  ask()
})
addEventListener('keydown', ({ key }) => {
  if (key === 'Escape' && !cancel.hidden) extension.postMessage({ kind: 'cancel' })
})
cancel.addEventListener('click', () => extension.postMessage({ kind: 'cancel' }))
extension.postMessage({ kind: 'ready' })
prompt.focus()

function ask() {
  const text = prompt.value.trim()
  if (text === '' || send.hidden) return
  extension.postMessage({ kind: 'ask', text })
  prompt.value = ''
}

function showAll({ shown, isAnswering }) {
  chat.replaceChildren(...(shown.length > 0 ? shown.map(article) : [element('p', 'empty', EMPTY)]))
  chat.ariaBusy = String(isAnswering)
  chat.scrollTop = chat.scrollHeight
  const hadFocus = document.activeElement === (isAnswering ? send : cancel)
  cancel.hidden = !isAnswering
  send.hidden = isAnswering
  if (hadFocus) (isAnswering ? cancel : send).focus()
}

function article({ role, text, note, failed }) {
  const made = element('article', role)
  made.ariaLabel = role === 'user' ? 'You' : 'Backend'
  made.append(element('div', 'text', text))
  if (note !== undefined) made.append(element('small', failed ? 'failed' : 'note', note))
  return made
}

function element(tag, name, text = '') {
  const made = document.createElement(tag)
  made.className = name
  // As text: what a model says is no HTML.
  made.textContent = text
  return made
}
