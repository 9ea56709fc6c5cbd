// A window of the editor, as a person uses it: with the keyboard, and by what it shows.

const TIMEOUT_MS = 60_000

export class Window {
  #name
  #page

  constructor(name, page) {
    this.#name = name
    this.#page = page
    page.setDefaultTimeout(TIMEOUT_MS)
  }

  get page() {
    return this.#page
  }

  /** Waits until the status bar has a text; resolves to its first group. */
  async shows(pattern) {
    const item = this.#page.locator('.statusbar-item', { hasText: pattern })
    try {
      await item.waitFor()
    } catch (cause) {
      const seen = await this.#page.locator('.statusbar').innerText()
      throw new Error(`window ${this.#name} shows "${seen}" instead of ${pattern}`, { cause })
    }
    const text = await item.innerText()
    console.log(`    window ${this.#name}: ${text.trim()}`)
    return pattern.exec(text)?.[1]
  }

  /** Runs a command of the palette. */
  async command(title) {
    await this.#page.keyboard.press('F1')
    const name = `AI Backend: ${title}`
    await this.#page.locator('.quick-input-widget input').fill(`>${name}`)
    await this.#page.locator('.quick-input-list .monaco-list-row.focused', { hasText: name }).waitFor()
    await this.#page.keyboard.press('Enter')
  }

  /** Waits for a notification, and closes it; resolves to the groups of the pattern. */
  async notifies(pattern) {
    const toast = this.#page.locator('.notification-toast', { hasText: pattern })
    await toast.waitFor()
    const text = await toast.locator('.notification-list-item-message').innerText()
    console.log(`    window ${this.#name}: ${text.trim()}`)
    await toast.hover()
    await toast.locator('.codicon-notifications-clear').click()
    await toast.waitFor({ state: 'detached' })
    return pattern.exec(text).groups
  }

  // ---- the chat ----

  get #chat() {
    const own = 'iframe.webview.ready[src*="extensionId=ringpost.ai-backend-example"]'
    return this.#page.frameLocator(own).frameLocator('#active-frame')
  }

  /** Opens the chat, if it is not open. */
  async openChat() {
    await this.command('Open Chat')
    await this.#chat.getByLabel('Message').waitFor()
  }

  /** Types a message and sends it. */
  async ask(text) {
    await this.#chat.getByLabel('Message').fill(text)
    await this.#chat.getByLabel('Message').press('Enter')
    await this.#chat.getByLabel('You').last().getByText(text, { exact: true }).waitFor()
  }

  /** What has come of the last answer. */
  async answer() {
    return this.#chat.locator('article.assistant:last-child .text').innerText()
  }

  /** Waits until the answer has so many characters. */
  async says(length) {
    await this.#chat.locator('article.assistant:last-child').waitFor()
    for (;;) {
      const text = await this.answer()
      if (text.length >= length) return text
    }
  }

  /** Waits until the answer has ended like this; resolves to all of it. */
  async ends(pattern) {
    const last = this.#chat.locator('article.assistant:last-child')
    await last.locator('small').waitFor()
    const note = await last.locator('small').innerText()
    if (!pattern.test(note)) throw new Error(`the answer ended with "${note}", not ${pattern}`)
    return this.answer()
  }

  async clickCancel() {
    await this.#chat.getByRole('button', { name: 'Cancel' }).click()
  }

  async pressEscape() {
    await this.#chat.getByLabel('Message').press('Escape')
  }

  /** Whether the page of the chat runs a script that has come into it by other ways. */
  async runsScript() {
    return this.#chat.locator('body').evaluate((body) => {
      const script = document.createElement('script')
      script.textContent = 'globalThis.hasRun = true'
      body.append(script)
      return globalThis.hasRun === true
    })
  }

  // ---- files ----

  get #lines() {
    return this.#page.locator('.monaco-editor .view-lines').first()
  }

  /** The text of the file that is open, as far as it is visible. */
  async text() {
    return (await this.#lines.innerText()).replaceAll('\u00a0', ' ')
  }

  /** Types into the file that is open. */
  async type(text, options) {
    await this.#lines.click()
    await this.#page.keyboard.type(text, options)
  }

  /** Waits for a completion in gray at the cursor. */
  async completes() {
    await this.#page.locator('.ghost-text-decoration, .ghost-text').first().waitFor()
  }

  async reload() {
    await this.#page.reload()
  }
}
