import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { cpuLimit } from '../../lib/device/cpu-limit.ts';

const none = Number.POSITIVE_INFINITY;
const limitIn = (files: Readonly<Record<string, string>>) =>
  cpuLimit((file) => (Object.hasOwn(files, file) ? files[file] : undefined));

const self = '/proc/self/cgroup';
const root = '/sys/fs/cgroup';
const v1 = (folder: string, quota: string, period = '100000\n') => ({
  [`${folder}/cpu.cfs_quota_us`]: quota,
  [`${folder}/cpu.cfs_period_us`]: period,
});

describe('the processor time that control groups grant', () => {
  it.each<[string, Record<string, string>, number]>([
    ['no files at all', {}, none],
    ['no group', { [self]: '' }, none],
    ['a line that is none', { [self]: 'nonsense\n0:/\n0::relative\n', [`${root}/cpu.max`]: '100000 100000\n' }, none],
    ['a container of its own', { [self]: '0::/\n', [`${root}/cpu.max`]: '200000 100000\n' }, 2],
    ['a part of a processor', { [self]: '0::/\n', [`${root}/cpu.max`]: '1000 100000\n' }, 1],
    ['one and a half', { [self]: '0::/\n', [`${root}/cpu.max`]: '150000 100000\n' }, 2],
    ['another period', { [self]: '0::/\n', [`${root}/cpu.max`]: '150000 50000\n' }, 3],
    ['no limit', { [self]: '0::/\n', [`${root}/cpu.max`]: 'max 100000\n' }, none],
    ['a group without the file', { [self]: '0::/a.slice/b.scope\n' }, none],
    ['a group', { [self]: '0::/a/b\n', [`${root}/a/b/cpu.max`]: '400000 100000\n' }, 4],
    [
      'a group inside a smaller one',
      { [self]: '0::/a/b:c\n', [`${root}/a/b:c/cpu.max`]: '400000 100000\n', [`${root}/a/cpu.max`]: '300000 100000\n' },
      3,
    ],
    [
      "a container that knows the machine's path of it",
      { [self]: '0::/docker/0123\n', [`${root}/cpu.max`]: '200000 100000\n' },
      2,
    ],
    [
      'a group above what is mounted',
      { [self]: '0::/../../a\n', [`${root}/cpu.max`]: '200000 100000\n', '/sys/a/cpu.max': '100000 100000\n' },
      2,
    ],
    [
      'the first version',
      { [self]: '4:memory:/m\n3:cpu,cpuacct:/a\n0::/\n', ...v1(`${root}/cpu,cpuacct/a`, '250000\n') },
      3,
    ],
    ['the first version, alone', { [self]: '1:cpu:/a\n', ...v1(`${root}/cpu`, '50000\n', '25000\n') }, 2],
    ['the first version without a limit', { [self]: '1:cpu:/\n', ...v1(`${root}/cpu`, '-1\n') }, none],
    ['no period', { [self]: '1:cpu:/\n', [`${root}/cpu/cpu.cfs_quota_us`]: '50000\n' }, none],
    ['another controller', { [self]: '2:cpuset:/\n3:cpuacct:/\n', ...v1(`${root}/cpu`, '50000\n') }, none],
    [
      'both versions at once',
      { [self]: '1:cpu:/\n0::/\n', ...v1(`${root}/cpu`, '200000\n'), [`${root}/unified/cpu.max`]: 'max 100000\n' },
      2,
    ],
    ...['', '\n', 'max', '0 100000', '100000 0', '-1 100000', '1e5 1e5', 'NaN NaN', '100000'].map(
      (text): [string, Record<string, string>, number] => [
        `a file of ${JSON.stringify(text)}`,
        { [self]: '0::/\n', [`${root}/cpu.max`]: text },
        none,
      ],
    ),
  ])('of %s', (_, files, limit) => {
    expect(limitIn(files)).toBe(limit);
  });

  it('is a whole number of processors from 1 on, or no limit, whatever stands in the files', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('max 1', '1 1', '9999999 3', '0::/', '1:cpu:/a/../b', '-1'));
    fc.assert(
      fc.property(fc.array(text), text, (lines, contents) => {
        const limit = cpuLimit((file) => (file === self ? lines.join('\n') : contents));
        expect(limit === none || (Number.isSafeInteger(limit) && limit >= 1)).toBe(true);
      }),
    );
  });

  it('is what a device takes no more threads than, unless it is told', async () => {
    vi.doMock('../../lib/device/cpu-limit.ts', () => ({ cpuLimit: () => 1 }));
    const { openDevice } = await import('../../lib/device/device.ts');
    await using granted = openDevice();
    await using told = openDevice({ threads: 2 });
    expect([granted.threads, told.threads]).toEqual([1, 2]);
    vi.doUnmock('../../lib/device/cpu-limit.ts');
  });
});
