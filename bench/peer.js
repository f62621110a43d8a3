// Finds a Python that has torch, and runs the peer scripts with it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// The first is how PyTorch is meant to be run, and what the targets are about. Small work, or a busy machine, may favour another, so all are shown.
const SETTINGS = [
  { label: 'all cores', env: {} },
  { label: 'all cores, passive wait', env: { OMP_WAIT_POLICY: 'passive' } },
  { label: 'one core', env: { PEER_THREADS: '1', OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' } },
];

/** A command that runs Python with torch, or undefined. */
export function findPython() {
  const candidates = [process.env.PYTHON, 'python3', '/usr/bin/python3', 'python'].filter(Boolean);
  return candidates.find((python) => spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0);
}

/** One result of the script for each setting. @throws Error with what Python wrote when it fails. */
export function runPeer(python, { script, args }) {
  const path = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
  return SETTINGS.map(({ label, env }) => {
    const result = spawnSync(python, [path, ...args], { encoding: 'utf8', env: { ...process.env, ...env } });
    if (result.status !== 0) throw new Error(`${script} ${args.join(' ')} failed: ${result.stderr || result.error}`);
    return { setting: label, ...JSON.parse(result.stdout) };
  });
}
