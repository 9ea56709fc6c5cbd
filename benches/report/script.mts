// The page's script: says what one points at in a plot, and shows one series alone. Without it the
// same words come as a browser's own tooltips, a little later.

export const SCRIPT = `
for (const svg of document.querySelectorAll('.holder > .plot')) {
  const holder = svg.parentElement
  const tip = document.createElement('div')
  tip.className = 'tip'
  tip.hidden = true
  holder.append(tip)
  // Instead of the browser's own tooltips, which would come on top.
  svg.style.pointerEvents = 'none'

  const spots = [...svg.querySelectorAll('.mark title, .bar title')].map((title) => {
    const mark = title.parentElement
    return { mark, words: title.textContent, group: mark.closest('.series, .bar') }
  })
  const keys = [...svg.querySelectorAll('.key')]

  function light(group) {
    const lit = new Set(group ? [group] : [])
    const number = group?.dataset.series
    if (number !== undefined) {
      for (const one of svg.querySelectorAll('[data-series="' + number + '"]')) lit.add(one)
    }
    for (const one of svg.querySelectorAll('.series, .key, .bar')) {
      one.classList.toggle('on', lit.has(one))
    }
    svg.classList.toggle('lit', lit.size > 0)
  }

  function nearest(x, y) {
    let found
    let distance = 28
    for (const spot of spots) {
      const box = spot.mark.getBoundingClientRect()
      const dx = Math.max(box.left - x, 0, x - box.right)
      const dy = Math.max(box.top - y, 0, y - box.bottom)
      const away = spot.group === spot.mark ? dx + dy : Math.hypot(
        box.left + box.width / 2 - x, box.top + box.height / 2 - y)
      if (away < distance) [found, distance] = [spot, away]
    }
    return found
  }

  function show({ clientX: x, clientY: y }) {
    const key = keys.find((one) => {
      const box = one.getBoundingClientRect()
      return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom
    })
    const spot = key ? undefined : nearest(x, y)
    light(key ?? spot?.group)
    tip.hidden = !spot
    if (!spot) return
    tip.textContent = spot.words
    const around = holder.getBoundingClientRect()
    const box = spot.mark.getBoundingClientRect()
    const left = box.left + box.width / 2 - around.left - tip.offsetWidth / 2
    const top = box.top - around.top - tip.offsetHeight - 6
    tip.style.left = Math.max(0, Math.min(around.width - tip.offsetWidth, left)) + 'px'
    tip.style.top = top + 'px'
  }

  function hide() {
    tip.hidden = true
    light(undefined)
  }

  holder.addEventListener('pointermove', show)
  holder.addEventListener('pointerdown', show)
  holder.addEventListener('pointerleave', hide)
}
`
