// What a bundle for browsers gets in place of the library.

throw new Error(
  'ringpost needs Node.js and does not run in a browser: build for Node.js (esbuild: --platform=node), ' +
    'and give an editor extension a "main" and no "browser" in its package.json.',
)
