/** Stable error codes. A code never changes its meaning; new failures get new codes. */
export type ErrorCode =
  | 'ERR_ZEROTH_ARGUMENT'
  | 'ERR_ZEROTH_SHAPE'
  | 'ERR_ZEROTH_TRACE'
  | 'ERR_ZEROTH_LOSS'
  | 'ERR_ZEROTH_PROGRAM'
  | 'ERR_ZEROTH_NATIVE'
  | 'ERR_ZEROTH_DEVICE'
  | 'ERR_ZEROTH_DISPOSED'
  | 'ERR_ZEROTH_ABORTED'
  | 'ERR_ZEROTH_DATA'
  | 'ERR_ZEROTH_MEMORY'
  | 'ERR_ZEROTH_FILE'
  | 'ERR_ZEROTH_SAFETENSORS'
  | 'ERR_ZEROTH_LOG'
  | 'ERR_ZEROTH_CHECKPOINT'
  | 'ERR_ZEROTH_DIVERGED'
  | 'ERR_ZEROTH_STEP_SIZE'
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
export function shown(value: unknown, depth = 0): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) {
    if (depth > 2) return '[…]';
    const first = value.slice(0, 8).map((element) => shown(element, depth + 1));
    return `[${first.join(', ')}${value.length > 8 ? ', …' : ''}]`;
  }
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function';
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`;
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'object';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Throws `ERR_ZEROTH_ARGUMENT` in one uniform form: which argument, what was expected, what was received. */
export function invalidArgument(name: string, expected: string, received: unknown): never {
  throw new ZerothError('ERR_ZEROTH_ARGUMENT', `${name}: expected ${expected}, received ${shown(received)}.`);
}

/** Bounds of a number; absent ones do not bind. */
export interface NumberRange {
  readonly above?: number;
  readonly min?: number;
  readonly below?: number;
  readonly max?: number;
}

/** Whether a value is a finite number within a range. */
export function isWithin(value: unknown, { above, min, below, max }: NumberRange): value is number {
  return (
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (above === undefined || value > above) &&
    (min === undefined || value >= min) &&
    (below === undefined || value < below) &&
    (max === undefined || value <= max)
  );
}

/** A range for people, to stand after "a number": ` ≥ 0 and < 1`; nothing where nothing binds. */
export function rangeText({ above, min, below, max }: NumberRange): string {
  const bounds = [
    above !== undefined ? `> ${above}` : '',
    min !== undefined ? `≥ ${min}` : '',
    below !== undefined ? `< ${below}` : '',
    max !== undefined ? `≤ ${max}` : '',
  ].filter(Boolean);
  return bounds.length > 0 ? ` ${bounds.join(' and ')}` : '';
}

/** A finite number, optionally bounded. Returns it, and 0 for −0, which JSON gives back as 0: keep what is returned. */
export function checkNumber(name: string, value: unknown, range: NumberRange = {}): number {
  if (!isWithin(value, range)) invalidArgument(name, `a finite number${rangeText(range)}`, value);
  return value + 0;
}

/**
 * A number that the devices take, which compute in f32: what it becomes there is finite and within the range, too. So a β that f32 rounds
 * to 1 is not below 1. Returns it, unrounded, as `checkNumber` does.
 */
export function checkF32(name: string, value: unknown, range: NumberRange = {}): number {
  const number = checkNumber(name, value, range);
  const rounded = Math.fround(number);
  if (!isWithin(rounded, range))
    invalidArgument(name, `a finite number${rangeText(range)} in f32, where this is ${rounded}`, value);
  return number;
}

/** A number ≥ 0 that f32 holds, and that is 0 there only if it is 0: what was asked to be small is not to be nothing. Returns it. */
export function checkScale(name: string, value: unknown, max?: number): number {
  const number = checkF32(name, value, { min: 0, max });
  return number === 0 ? number : checkF32(name, number, { above: 0 });
}

/** Largest finite number in f32, the arithmetic of the devices. */
export const MAX_F32 = 3.4028234663852886e38;

/** An object (not null, not an array): programs without types pass anything. */
export function checkObject(name: string, value: unknown, expected: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) invalidArgument(name, expected, value);
}

/** All names of a type, in the order to list them: one that is missing does not compile. */
export type Names<Options> = { readonly [Name in keyof Options]-?: true };

/** Options: an object with none but the known names, so that a misspelt one is refused and does not silently leave its default. */
export function checkOptions<Options extends object>(name: string, value: Options, known: Names<Options>): void {
  const names = Object.keys(known);
  checkObject(name, value, `{ ${names.join(', ')} }`);
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(known, key));
  if (unknown === undefined) return;
  throw new ZerothError(
    'ERR_ZEROTH_ARGUMENT',
    `${name}: expected none but ${names.join(', ')}; received the unknown name ${shown(unknown)}.`,
  );
}

/** A safe integer within [min, max]. Returns it, and 0 for −0. */
export function checkInteger(name: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    invalidArgument(name, `an integer from ${min} to ${max}`, value);
  }
  return (value as number) + 0;
}
