import type { PassOp } from '../device/commands.ts';
import type { DeviceBuffer, DeviceProgram } from '../device/device.ts';
import { checkF32, checkInteger, checkObject, invalidArgument } from '../errors.ts';
import type { Point, StateName, Term, Update } from '../optimizers/optimizer.ts';
import type { RuleProgram } from '../optimizers/rule-program.ts';
import { checkDirection } from '../random/direction.ts';

/** @throws ERR_ZEROTH_ARGUMENT unless this is a direction with a coefficient that f32 holds: what is queued must be possible to do. */
export function checkTerm(term: Term): void {
  checkObject('term', term, '{ direction, coefficient }');
  checkDirection(term.direction);
  checkF32('coefficient', term.coefficient);
  const { space } = term.direction;
  if (space) checkF32('coefficient, scaled,', term.coefficient * space.largestScale);
}

/** @throws ERR_ZEROTH_ARGUMENT unless this is a list of terms. */
export function checkPoint(point: Point): void {
  if (!Array.isArray(point))
    invalidArgument('point', 'an array of { direction, coefficient }, empty for θ itself', point);
  point.forEach(checkTerm);
}

/** @throws ERR_ZEROTH_ARGUMENT unless the device, which computes in f32, can do this update with any gradient, 0 included. */
export function checkUpdate(update: Update, lr: number): void {
  checkF32('lr', lr);
  const decay = (name: string, beta: number) => checkF32(name, beta, { min: 0, below: 1 });
  switch (update.kind) {
    case 'plain':
      break;
    case 'momentum':
      decay('beta', update.beta);
      break;
    case 'frozenAdam':
      decay('beta1', update.beta1);
      break;
    case 'adam': {
      const { beta1, beta2, epsilon, t } = update;
      decay('beta1', beta1);
      decay('beta2', beta2);
      checkF32('epsilon', epsilon, { above: 0 });
      checkInteger('t', t, 1);
      checkF32(`lr / (1 − beta1^t) at t = ${t}`, lr / (1 - beta1 ** t));
      break;
    }
    case 'traced': {
      const { program, scalars } = update;
      const [, ...names] = program.scalars;
      if (scalars.length !== names.length) invalidArgument('scalars', `a number for each of ${names}`, scalars);
      names.forEach((name, i) => {
        checkF32(name, scalars[i]);
      });
      break;
    }
    default:
      invalidArgument('update', 'kind plain, momentum, adam, frozenAdam or traced', (update as { kind: unknown }).kind);
  }
}

/** Where the states of a rule are, and its program. */
export interface RuleMemory {
  of(name: StateName): DeviceBuffer;
  /** One for each lane of the device. */
  programsOf(program: RuleProgram): readonly DeviceProgram[];
}

/** One update inside a pass. */
export function passOp(
  update: Update,
  terms: readonly Term[],
  lr: number,
  memory: RuleMemory,
  dense?: { readonly buffer: DeviceBuffer; readonly coefficient: number },
): PassOp {
  const state = (name: StateName) => memory.of(name);
  const gradient = { terms, dense: dense?.buffer, denseCoefficient: dense?.coefficient };
  switch (update.kind) {
    case 'plain':
      return { kind: 'add', terms, dense: dense?.buffer, denseCoefficient: dense && -lr * dense.coefficient };
    case 'momentum':
      return { kind: 'momentum', ...gradient, lr, beta1: update.beta, m: state('m') };
    case 'adam':
      return { ...gradient, ...update, lr, m: state('m'), v: state('v') };
    case 'frozenAdam':
      return { kind: 'frozenAdam', ...gradient, lr, beta1: update.beta1, m: state('m'), v: state('p') };
    case 'traced': {
      const { program, scalars } = update;
      const traced = {
        programs: memory.programsOf(program),
        states: program.states.map(state),
        scalars: [lr, ...scalars],
      };
      return { kind: 'traced', ...gradient, traced };
    }
  }
}

/** Checks what an update is made of. @throws ERR_ZEROTH_ARGUMENT */
export function checkTerms(update: Update, terms: readonly Term[], lr: number): void {
  terms.forEach(checkTerm);
  if (update.kind !== 'plain') return;
  for (const { direction, coefficient } of terms) checkTerm({ direction, coefficient: -lr * coefficient });
}

/** The same of a dense gradient and its coefficient. @throws ERR_ZEROTH_ARGUMENT */
export function checkDense(update: Update, { coefficient = 1 }: { readonly coefficient?: number }, lr: number): void {
  checkF32('coefficient', coefficient);
  if (update.kind === 'plain') checkF32('lr · coefficient', lr * coefficient);
}
