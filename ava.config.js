// Every file is a process of its own, so that what it configures, and what it kills, is its own. The
// timeout is for tests that hang: on a machine that is busy with other things, none may be over too soon.
module.exports = {
  files: ['dist/__test__/*.mjs', 'dist/benches/__test__/*.mjs'],
  workerThreads: false,
  timeout: '4m',
}
