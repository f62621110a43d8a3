import type { TrainEvent } from './events.ts';
import { isRecord } from './record.ts';

/**
 * The shape of each event as it stands in a log, where a number that is not finite is written as null.
 * A trailing `?` marks a field that may be absent. Fields that are not listed here pass: a newer version may have added them.
 */
type FieldKind =
  | 'string'
  | 'count'
  | 'number'
  | 'number?'
  /** A number where null stands for NaN or ±∞; read back as NaN. */
  | 'real'
  | 'real?'
  /** A number where null is a value of its own. */
  | 'number|null'
  | 'boolean'
  | 'object'
  /** { s1, s2 }, or null where they are not known. */
  | 'moments'
  /** An object of named numbers, null where one is NaN or ±∞; may be absent. */
  | 'reals?'
  /** A list of numbers, null where one is NaN or ±∞; may be absent. */
  | 'list?'
  | readonly (string | number | null)[]
  | { readonly [field: string]: FieldKind };

const STEP_SIZE = { name: 'string', options: 'object' } as const;
const DEVICE = { kind: ['cpu', 'cuda'], description: 'string', isa: 'string', threads: 'count' } as const;

const SHAPES: { readonly [Type in TrainEvent['type']]: { readonly [field: string]: FieldKind } } = {
  run: {
    format: [2],
    zeroth: 'string',
    startedAt: 'string',
    name: 'string',
    parameters: 'count',
    examples: 'count',
    steps: 'count',
    seed: 'string',
    run: 'count',
    monitor: { every: 'count', probes: 'count', auto: 'boolean', share: 'number' },
    optimizer: {
      name: 'string',
      estimator: 'string',
      rule: 'string',
      lr: 'number',
      stepSize: STEP_SIZE,
      options: { estimator: 'object', rule: 'object' },
      mu: 'number?',
      beta: 'number?',
      beta2: 'number?',
      epsilon: 'number?',
      moments: 'moments',
    },
    device: DEVICE,
    squaredNorm: 'real',
    memory: { arenaBytes: 'count', parameterBytes: 'count', displacement: ['copy', 'in-place'] },
    meta: 'object',
  },
  step: { step: 'count', loss: 'real', lr: 'real', projectedGradient: 'real?', coefficients: 'list?' },
  monitor: {
    step: 'count',
    loss: 'real',
    lr: 'real',
    trace: 'real',
    traceStdErr: 'real',
    lambdaMax: 'real',
    lambdaMaxResidual: 'real',
    lambdaMin: 'real',
    lambdaMinResidual: 'real',
    negativeTrace: 'real',
    negativeTraceStdErr: 'real',
    preconditioned: 'boolean',
    governs: ['trace', 'lambdaMax', null],
    limit: 'real',
    lower: 'real',
    upper: 'real',
    ratio: 'real',
    ratioStdErr: 'real',
    ratioMax: 'real?',
    verdict: ['below', 'close', 'at', 'beyond', 'undecided'],
    hvps: 'count',
    squaredNorm: 'real',
    diffusion: 'number|null',
    metrics: 'reals?',
  },
  warning: {
    step: 'count',
    // Codes of a newer version are read, too.
    code: 'string',
    message: 'string',
  },
  checkpoint: { step: 'count' },
  resume: {
    step: 'count',
    startedAt: 'string',
    steps: 'count',
    stepSize: STEP_SIZE,
    device: DEVICE,
    meta: 'object',
  },
  end: {
    reason: ['completed', 'aborted', 'diverged'],
    steps: 'count',
    seconds: 'number',
    stepsPerSecond: 'number',
    loss: 'number|null',
    squaredNorm: 'number|null',
    diffusion: 'number|null',
    metrics: 'reals?',
    message: 'string',
  },
};

/**
 * Checks one parsed line of a log, and turns null back into NaN where a number was not finite.
 *
 * @throws Error whose message says which field was expected to be what, and what was received.
 */
export function eventFromLine(value: unknown): TrainEvent {
  if (!isRecord(value)) throw new Error(`expected a JSON object, received ${short(value)}`);
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(SHAPES, type)) {
    throw new Error(`type: expected one of ${Object.keys(SHAPES).join(', ')}, received ${short(type)}`);
  }
  checkFields('', value, SHAPES[type as TrainEvent['type']]);
  if (type === 'run' && value.batch !== 'full' && !isCount(value.batch)) {
    throw new Error(`batch: expected an integer or "full", received ${short(value.batch)}`);
  }
  return value as unknown as TrainEvent;
}

function checkFields(path: string, record: Record<string, unknown>, shape: { readonly [field: string]: FieldKind }) {
  for (const [field, kind] of Object.entries(shape)) {
    const value = Object.hasOwn(record, field) ? record[field] : undefined;
    if (value === null && (kind === 'real' || kind === 'real?')) {
      record[field] = Number.NaN;
    } else if (kind === 'list?' && Array.isArray(value)) {
      const each = Object.fromEntries(value.map((_, i) => [String(i), 'real' as const]));
      checkFields(`${path}${field}.`, value as unknown as Record<string, unknown>, each);
    } else if (kind === 'reals?' && isRecord(value)) {
      const each = Object.fromEntries(Object.keys(value).map((name) => [name, 'real' as const]));
      checkFields(`${path}${field}.`, value, each);
    } else if (typeof kind === 'object' && !Array.isArray(kind)) {
      if (!isRecord(value)) throw new Error(`${path}${field}: expected an object, received ${short(value)}`);
      checkFields(`${path}${field}.`, value, kind as { readonly [field: string]: FieldKind });
    } else if (!fits(value, kind)) {
      throw new Error(`${path}${field}: expected ${expected(kind)}, received ${short(value)}`);
    }
  }
}

function fits(value: unknown, kind: FieldKind): boolean {
  if (typeof kind === 'object') return (kind as readonly unknown[]).includes(value);
  switch (kind) {
    case 'string':
      return typeof value === 'string';
    case 'boolean':
      return typeof value === 'boolean';
    case 'object':
      return isRecord(value);
    case 'moments':
      return value === null || (isRecord(value) && typeof value.s1 === 'number' && typeof value.s2 === 'number');
    case 'count':
      return isCount(value);
    case 'number':
    case 'real':
      return typeof value === 'number';
    case 'number?':
    case 'real?':
      return value === undefined || typeof value === 'number';
    case 'reals?':
    case 'list?':
      return value === undefined;
    case 'number|null':
      return value === null || typeof value === 'number';
  }
}

function expected(kind: FieldKind): string {
  if (Array.isArray(kind)) return `one of ${kind.map((one) => JSON.stringify(one)).join(', ')}`;
  const words = {
    string: 'a string',
    boolean: 'true or false',
    object: 'an object',
    moments: '{ s1, s2 } or null',
    'reals?': 'an object of numbers',
    'list?': 'a list of numbers',
    count: 'an integer ≥ 0',
  } as const;
  return words[kind as keyof typeof words] ?? 'a number';
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const short = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};
