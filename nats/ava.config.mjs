// As that of the project: each file is a process of its own, and the timeout is for tests that hang.
export default {
  files: ['dist/__test__/*.mjs'],
  workerThreads: false,
  timeout: '4m',
}
