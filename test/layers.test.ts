import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/device/native.ts';
import { circlesOf, importsIn } from './imports.ts';

/** Lowest first. A layer imports from itself and from the layers before it, types included. */
const LAYERS = [
  'errors',
  'extremes',
  'host-memory',
  'version',
  'place',
  'random',
  'graph',
  'device',
  'nn',
  'data',
  'models',
  'optimizers',
  'stability',
  'curvature',
  'params',
  'objective',
  'train',
  'report',
  'cli',
  'index',
];

const lib = join(packageRoot, 'lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const layerOf = (file: string) => file.split('/')[0].replace(/\.ts$/, '');

const imports = new Map(
  files.map((file) => [
    file,
    importsIn(readFileSync(join(lib, file), 'utf8')).map(({ target, value }) => ({
      target: target.startsWith('.') ? relative(lib, resolve(lib, dirname(file), target)) : target,
      value,
    })),
  ]),
);

/** Files of lib as paths within it, packages as they stand. */
const importsOf = (file: string): string[] => imports.get(file)!.map(({ target }) => target);

describe('the layers of lib', () => {
  it('are all named here, and each has a file', () => {
    expect([...new Set(files.map(layerOf))].sort()).toEqual([...LAYERS].sort());
  });

  it('import only from themselves and from the layers below', () => {
    const upwards = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => files.includes(target))
        .filter((target) => LAYERS.indexOf(layerOf(target)) > LAYERS.indexOf(layerOf(file)))
        .map((target) => `${file} imports ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  it('import in no circle: what a file needs while it loads has been loaded, and each can be read after those below it', () => {
    const valuesOf = (file: string) =>
      (imports.get(file) ?? []).filter(({ value }) => value).map(({ target }) => target);
    expect(circlesOf(files, valuesOf), 'circles that carry a value').toEqual([]);
    expect(
      circlesOf(files, (file) => (files.includes(file) ? importsOf(file) : [])),
      'circles of types',
    ).toEqual([]);
  });

  it('import files that exist, and packages only where they belong: the addon in device, the terminal in cli, plots in report', () => {
    const foreign = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => !files.includes(target) && !target.startsWith('node:'))
        .map((target) => `${layerOf(file)} ${target}`),
    );
    expect([...new Set(foreign)].sort()).toEqual(['cli commander', 'report @observablehq/plot', 'report linkedom']);
    const loaders = files.filter((file) =>
      /node-gyp-build|createRequire|process\.dlopen/.test(readFileSync(join(lib, file), 'utf8')),
    );
    expect(loaders).toEqual(['device/native.ts']);
  });

  it('below the device need no machine: graph, nn, data, models, optimizers, stability and curvature never reach it', () => {
    const pure = [
      'errors',
      'extremes',
      'host-memory',
      'version',
      'place',
      'random',
      'graph',
      'nn',
      'data',
      'models',
      'optimizers',
      'stability',
      'curvature',
    ];
    const reaching = files
      .filter((file) => pure.includes(layerOf(file)))
      .flatMap((file) => importsOf(file).filter((target) => files.includes(target) && !pure.includes(layerOf(target))));
    expect(reaching).toEqual([]);
  });

  it('below lib/device use the device team alone: OpenMP, whose teams may be smaller than asked for, only serves oneDNN, and is asked where it has bound us', () => {
    const native = join(packageRoot, 'native');
    const users = readdirSync(native, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(cpp|h)$/.test(file) && !file.startsWith('test/'))
      .filter((file) => /#pragma omp|<omp\.h>/.test(readFileSync(join(native, file), 'utf8')));
    expect(users.sort()).toEqual(['addon/processors.cpp', 'cpu/matmul.cpp']);
  });
});
