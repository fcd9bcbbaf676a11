/** The import rules of ARCHITECTURE.md. Each rule's comment is what the build prints when it is broken. */
const vmm = (names) => `^vmm/(${names})/`;

/** Files that name a host, or are only for tests, may use it. */
const HOSTED = '\\.(node|dom|test|test-support)\\.tsx?$|/test-[a-z-]+\\.ts$|\\.mjs$';

/** Who may import which vmm folder, besides itself. */
const layers = {
  base: '',
  wasm: 'base',
  protocol: 'base',
  cpu: 'base|wasm',
  memory: 'base',
  bus: 'base|memory',
  accel: 'base|wasm|cpu|memory|bus',
  storage: 'base',
  net: 'base',
  display: 'base|protocol',
  devices: 'base|memory|bus|storage|net|display|devices|protocol',
  snapshot: 'base|memory|bus|storage|protocol|machine',
  machine: 'base|memory|bus|devices|accel|cpu|storage|net|display|snapshot|protocol|machine',
};

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Modules must not import each other in a circle.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...Object.entries(layers).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      comment: `vmm/${layer} may import only vmm/{${allowed.split('|').join(', ')}}.`,
      severity: 'error',
      from: { path: `^vmm/${layer}/`, pathNot: '\\.test\\.tsx?$' },
      to: { path: '^(vmm|main|renderer)/', pathNot: vmm([layer, allowed].filter(Boolean).join('|')) },
    })),
    {
      name: 'pages-see-the-protocol-only',
      comment: 'renderer/ and main/ import from vmm/ only vmm/protocol (main also starts vmm/process).',
      severity: 'error',
      from: { path: '^(renderer|main)/', pathNot: '\\.test\\.tsx?$' },
      to: { path: '^vmm/', pathNot: '^vmm/(protocol|base)/' },
    },
    {
      name: 'process-and-cli-are-tops',
      comment: 'Nobody imports vmm/process or vmm/cli.',
      severity: 'error',
      from: { pathNot: '^(vmm/(process|cli)|tests|bench|build)/' },
      to: { path: '^vmm/(process|cli)/' },
    },
    {
      name: 'pure-files-have-no-host',
      comment: 'A file without a host suffix (.node.ts, .dom.ts, .main.ts, .preload.ts) must not import Node or Electron.',
      severity: 'error',
      from: { path: '^vmm/', pathNot: HOSTED },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-files-import-pure-files',
      comment: 'A pure file must not import a file that names a host.',
      severity: 'error',
      from: { path: '^vmm/', pathNot: HOSTED },
      to: { path: '\\.(node|dom|main|preload)\\.tsx?$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'devices-know-no-formats',
      comment: 'A device never imports an image format or the NAT.',
      severity: 'error',
      from: { path: '^vmm/devices/' },
      to: { path: '^vmm/(storage/formats|net/(nat|services))/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.check.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['node_modules', 'dist', 'vmm/cpu/assembly'] },
  },
};
