/** The module, decompressed. */
export declare function bytes(): Uint8Array<ArrayBuffer>

/** What the addon exports that is no function: numbers of the memory that both languages share. */
export declare const constants: Readonly<Record<string, number>>

/** What the functions of the addon with these names return. */
export declare const latencyBounds: readonly number[]
export declare const overflowDefault: readonly (number | string)[]
