import { parseConfig } from '../../vmm/protocol/config.ts';
import { changesBetween, issueFor, issuesOf, parseTags } from './edit.ts';

const config = parseConfig({ id: '00000000-0000-4000-8000-000000000001', name: 'vm' });

it('finds the top-level fields that changed', () => {
  expect(changesBetween(config, { ...config, memory: 64, boot: { ...config.boot } })).toEqual({ memory: 64 });
  expect(changesBetween(config, config)).toEqual({});
});

it('says what is wrong beside the field', () => {
  const bad = {
    ...config,
    memory: 0,
    drives: [{ id: 'hda', file: null, format: 'raw', bus: 'ide', media: 'disk', slot: 0, readOnly: false } as const],
  };
  const issues = issuesOf(bad);
  expect(issueFor(issues, 'memory')).toBe('must be at least 1');
  expect(issueFor(issuesOf({ ...bad, memory: 1 }), 'drives[0].file')).toBe('a hard disk needs an image file');
  expect(issueFor(issues, 'name')).toBeUndefined();
});

it('reads tags as they are typed', () => {
  expect(parseTags(' a, b ,,a')).toEqual(['a', 'b']);
});
