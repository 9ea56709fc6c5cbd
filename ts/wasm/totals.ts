// Sums of what connections have counted, and histograms, which the module keeps by numbers.

import type * as binding from '../../native/binding.js'
import type { WasmEngine } from './engine.js'
import { theModule, type Module } from './module.js'

/** What is no longer reachable in JavaScript is forgotten in the module. */
const forgotten = new FinalizationRegistry<{ module: Module; method: string; number: number }>(
  ({ module, method, number }) => module.call(method, number),
)

export class NativeHistogram implements binding.NativeHistogram {
  readonly #module = theModule()
  readonly #number = this.#module.call('histogramNew') as number

  constructor() {
    const [module, number] = [this.#module, this.#number]
    forgotten.register(this, { module, method: 'histogramForget', number })
  }

  record(ms: number): void {
    this.#module.call('histogramRecord', this.#number, ms)
  }

  merge(other: binding.NativeHistogram): void {
    this.#module.call('histogramMerge', this.#number, (other as NativeHistogram).#number)
  }

  summary(): binding.NativeLatency {
    return this.#module.call('histogramSummary', this.#number) as binding.NativeLatency
  }

  buckets(): binding.NativeBuckets {
    return this.#module.call('histogramBuckets', this.#number) as binding.NativeBuckets
  }
}

export class NativeTotals implements binding.NativeTotals {
  /** That of the first engine whose connections are added: another copy of the package may have
   * made it. */
  #module: Module | undefined
  #number = 0

  add(engine: binding.NativeEngine, link: number): void {
    if (this.#module === undefined) this.#begin((engine as unknown as WasmEngine).module)
    this.#call('totalsAdd', link)
  }

  copy(): NativeTotals {
    const copy = new NativeTotals()
    const number = this.#call('totalsCopy') as number
    copy.#keep(this.#module!, number)
    return copy
  }

  stats(): binding.NativeLinkStats {
    return this.#call('totalsStats') as binding.NativeLinkStats
  }

  traffic(): binding.NativeTraffic {
    return this.#call('totalsTraffic') as binding.NativeTraffic
  }

  buckets(): binding.NativeBuckets {
    return this.#call('totalsBuckets') as binding.NativeBuckets
  }

  #call(method: string, ...args: unknown[]): unknown {
    if (this.#module === undefined) this.#begin(theModule())
    return this.#module!.call(method, this.#number, ...args)
  }

  #begin(module: Module): void {
    this.#keep(module, module.call('totalsNew') as number)
  }

  #keep(module: Module, number: number): void {
    this.#module = module
    this.#number = number
    forgotten.register(this, { module, method: 'totalsForget', number })
  }
}
