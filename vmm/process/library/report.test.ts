import { parseConfig } from '../../protocol/config.ts';
import { impersonal } from './report.node.ts';

it('leaves out what is the person’s own', () => {
  const config = parseConfig({
    id: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11',
    name: 'Secret plans',
    notes: 'password: swordfish',
    tags: ['hush'],
    folder: 'Clients/Acme',
    kernel: { file: '/home/ada/vmlinuz', initrd: '/home/ada/initrd' },
    drives: [{ file: '/home/ada/acme.qcow2', format: 'qcow2' }],
    nics: [{ mac: '52:54:00:12:34:56' }],
  });
  const text = JSON.stringify(impersonal(config));
  for (const word of ['Secret', 'swordfish', 'hush', 'Acme', '/home', '52:54']) expect(text).not.toContain(word);
  expect(text).toContain('acme.qcow2');
  expect(text).toContain('vmlinuz');
});
