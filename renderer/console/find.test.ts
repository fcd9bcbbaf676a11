import { findText } from './find.ts';

const screen = ['A:\\>dir', 'COMMAND  COM   command.com', '', 'été ETE'];

it('finds every place, whatever the case, in reading order', () => {
  expect(findText(screen, 'com')).toEqual([
    { row: 1, column: 0, length: 3 },
    { row: 1, column: 9, length: 3 },
    { row: 1, column: 15, length: 3 },
    { row: 1, column: 23, length: 3 },
  ]);
});

it('counts cells, and takes nothing as a pattern', () => {
  expect(findText(screen, 'ÉTÉ')).toEqual([{ row: 3, column: 0, length: 3 }]);
  expect(findText(screen, '.')).toEqual([{ row: 1, column: 22, length: 1 }]);
  expect(findText(screen, ':\\>D')).toEqual([{ row: 0, column: 1, length: 4 }]);
});

it('does not count what overlaps twice, and finds nothing for nothing', () => {
  expect(findText(['aaaa'], 'aa').map(({ column }) => column)).toEqual([0, 2]);
  expect(findText(screen, '')).toEqual([]);
});
