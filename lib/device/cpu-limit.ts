import { readFileSync } from 'node:fs';

/** Where the two versions of control groups are mounted. */
const MOUNTS = {
  v2: ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'],
  v1: ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct'],
} as const;

/**
 * How many processors' time the control groups of this process grant it, rounded up; Infinity without a limit. A container may see all
 * processors of its machine and get the time of two: threads beyond those only wait for each other.
 *
 * @param read the text of a file, undefined where there is none.
 */
export function cpuLimit(read: (file: string) => string | undefined = textOf): number {
  let limit = Number.POSITIVE_INFINITY;
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const version = controllers === '' ? 'v2' : controllers.split(',').includes('cpu') ? 'v1' : undefined;
    if (version === undefined) continue;
    // A group gets no more than those that it is in. Inside a container its path may be the machine's, and then only the root is there.
    for (const mount of MOUNTS[version])
      for (const group of withAncestors(path)) limit = Math.min(limit, limitOf(`${mount}${group}`, version, read));
  }
  return limit;
}

/** `/a/b` → `/a/b`, `/a` and the root. */
function withAncestors(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '');
  if (names.includes('..')) return ['']; // it lies outside what is mounted here
  return Array.from({ length: names.length + 1 }, (_, i) =>
    names
      .slice(0, names.length - i)
      .map((name) => `/${name}`)
      .join(''),
  );
}

function limitOf(folder: string, version: 'v1' | 'v2', read: (file: string) => string | undefined): number {
  if (version === 'v2') {
    const [quota, period] = (read(`${folder}/cpu.max`) ?? '').trim().split(/\s+/);
    return processorsOf(quota, period);
  }
  return processorsOf(read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`));
}

/** Microseconds of processor time in each period, as the kernel writes them: `max`, −1 and what is not there are no limit. */
function processorsOf(quota: string | undefined, period: string | undefined): number {
  const [time, each] = [quota, period].map((text) => (/^\d+$/.test(text?.trim() ?? '') ? Number(text) : 0));
  return time > 0 && each > 0 ? Math.ceil(time / each) : Number.POSITIVE_INFINITY;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
