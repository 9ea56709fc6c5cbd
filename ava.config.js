// Every file is a process of its own, so that what it configures, and what it kills, is its own.
module.exports = {
  files: ['dist/__test__/*.mjs'],
  workerThreads: false,
  timeout: '60s',
}
