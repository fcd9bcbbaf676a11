/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{vmm,main,renderer,build,tests}/**/*.test.{ts,tsx}'],
  transform: {
    '^.+\\.(ts|tsx|mjs)$': [
      '@swc/jest',
      {
        jsc: { target: 'es2024', parser: { syntax: 'typescript', tsx: true }, transform: { react: { runtime: 'automatic' } } },
        module: { type: 'commonjs' },
      },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(assemblyscript|binaryen|long)/)'],
  maxWorkers: 2,
  // Hosts are busy at times; what hangs is found all the same.
  testTimeout: 60_000,
};
