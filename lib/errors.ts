/** Stable error codes. A code never changes its meaning; new failures get new codes. */
export type ErrorCode =
  | 'ERR_ZEROTH_ARGUMENT'
  | 'ERR_ZEROTH_SHAPE'
  | 'ERR_ZEROTH_TRACE'
  | 'ERR_ZEROTH_PROGRAM'
  | 'ERR_ZEROTH_NATIVE'
  | 'ERR_ZEROTH_DEVICE'
  | 'ERR_ZEROTH_DISPOSED'
  | 'ERR_ZEROTH_ABORTED'
  | 'ERR_ZEROTH_DATA'
  | 'ERR_ZEROTH_FILE'
  | 'ERR_ZEROTH_SAFETENSORS'
  | 'ERR_ZEROTH_LOG'
  | 'ERR_ZEROTH_CHECKPOINT'
  | 'ERR_ZEROTH_DIVERGED'
  | 'ERR_ZEROTH_USAGE';

/** Every error that Zeroth throws on purpose: a stable `code`, and a message that says what was expected, what was received and what to do. */
export class ZerothError extends Error {
  override readonly name = 'ZerothError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Shows a received value in an error message: short, unambiguous, never throwing. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(shown).join(', ')}${value.length > 8 ? ', …' : ''}]`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`;
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'object';
  return String(value);
}

/** Throws `ERR_ZEROTH_ARGUMENT` in one uniform form: which argument, what was expected, what was received. */
export function invalidArgument(name: string, expected: string, received: unknown): never {
  throw new ZerothError('ERR_ZEROTH_ARGUMENT', `${name}: expected ${expected}, received ${shown(received)}.`);
}

/** A finite number, optionally bounded; returns it. */
export function checkNumber(
  name: string,
  value: unknown,
  range: { above?: number; min?: number; below?: number; max?: number } = {},
): number {
  const { above, min, below, max } = range;
  const bounds = [
    above !== undefined ? `> ${above}` : '',
    min !== undefined ? `≥ ${min}` : '',
    below !== undefined ? `< ${below}` : '',
    max !== undefined ? `≤ ${max}` : '',
  ].filter(Boolean);
  const ok =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (above === undefined || value > above) &&
    (min === undefined || value >= min) &&
    (below === undefined || value < below) &&
    (max === undefined || value <= max);
  if (!ok) invalidArgument(name, `a finite number${bounds.length ? ` ${bounds.join(' and ')}` : ''}`, value);
  return value as number;
}

/** A safe integer within [min, max]; returns it. */
export function checkInteger(name: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    invalidArgument(name, `an integer from ${min} to ${max}`, value);
  }
  return value as number;
}
