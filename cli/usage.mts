// A mistake in a command line.

/** What was typed is not valid. The command's help says what is. */
export class UsageError extends Error {}
