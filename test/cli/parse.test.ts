import { describe, expect, it } from 'vitest';
import { batchSize, integerWithin, learningRate, learningRateText, numberWithin, seed } from '../../lib/cli/parse.ts';

describe('learning rates', () => {
  it('are a number or a schedule', () => {
    expect(learningRate('0.05')).toEqual([{ step: 0, lr: 0.05 }]);
    expect(learningRate('1e-4')).toEqual([{ step: 0, lr: 1e-4 }]);
    expect(learningRate('0:0.03,2000:0.05,2500:.1')).toEqual([
      { step: 0, lr: 0.03 },
      { step: 2000, lr: 0.05 },
      { step: 2500, lr: 0.1 },
    ]);
  });

  it.each([
    '',
    '0',
    '-1',
    'fast',
    'NaN',
    'Infinity',
    '0x1',
    '0.05 ',
    '1:0.05',
    '0:0.05,0:0.1',
    '0:0.05,20:0.1,10:0.2',
    '0:',
    '0:0.05,',
    '0:0.05:3',
    '0:0',
    '0:-1',
    '0.5:0.1',
  ])('refuse %j', (text) => {
    expect(() => learningRate(text)).toThrow();
  });

  it('survive being written and read', () => {
    for (const text of ['0.05', '0:0.03,2000:0.05']) expect(learningRateText(learningRate(text))).toBe(text);
  });
});

describe('numbers', () => {
  it('hold their range', () => {
    expect(numberWithin({ min: 0, below: 1 })('0')).toBe(0);
    expect(() => numberWithin({ min: 0, below: 1 })('1')).toThrow(/≥ 0 and < 1/);
    expect(() => numberWithin({ above: 0 })('0')).toThrow(/> 0/);
    expect(integerWithin(1)('12')).toBe(12);
    for (const text of ['0', '1.5', '1e300', '', 'x']) expect(() => integerWithin(1)(text)).toThrow(/integer ≥ 1/);
  });

  it('are exact for seeds of 64 bits', () => {
    expect(seed('18446744073709551615')).toBe('18446744073709551615');
    expect(seed('007')).toBe('7');
    for (const text of ['18446744073709551616', '-1', '1.5', ''])
      expect(() => seed(text)).toThrow(/18446744073709551615/);
  });

  it('are "full" or a count for batches', () => {
    expect(batchSize('full')).toBe('full');
    expect(batchSize('32')).toBe(32);
    for (const text of ['0', 'half', '-3', '2.5']) expect(() => batchSize(text)).toThrow(/full/);
  });
});
