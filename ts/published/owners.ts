// What this thread publishes is held from when it begins until it is closed: it ends with a call,
// and not whenever the garbage is collected.

const owners = new Set<object>()

export const hold = (owner: object): void => void owners.add(owner)
export const release = (owner: object): void => void owners.delete(owner)
