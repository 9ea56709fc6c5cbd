import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist/', 'nats/dist/', 'site/dist/', '.cache/', 'native/*.d.ts', 'native/wasm.js', 'node_modules/', 'target/', 'docs/', 'benches/peers/uds.mjs', 'benches/peers/expert.mjs'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './nats/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // Values of any shape are what a codec takes and gives.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Places in arrays and slots are known to be filled where `!` says so.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // What a signal was aborted with is passed on, whatever it is.
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      // Codecs are plain objects whose functions need no `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/restrict-template-expressions': 'off',
      // What may come to wait for something is a promise from the start.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'no-console': 'off',
      'no-dupe-keys': 'error',
      'prefer-const': 'error',
    },
  },
  { files: ['**/*.mjs', '**/*.js'], ...tseslint.configs.disableTypeChecked },
  // Type tests use contracts only as types.
  { files: ['__test__/types/**'], rules: { '@typescript-eslint/no-unused-vars': 'off' } },
  {
    // The limits of CONTRIBUTING.md, in product code; ci/limits.mjs has those of Rust, and the width.
    files: ['ts/**', 'cli/**', 'ci/**', 'conformance/**', 'nats/src/**'],
    rules: { 'max-lines': ['error', 500], 'max-lines-per-function': ['error', 70] },
  },
)
