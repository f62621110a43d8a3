/** Zeroth: zeroth-order training at the edge of stability. This file is the whole public API. */

export type { LinearOperator } from './curvature/operator.ts';
export { Device, type DeviceOptions, openDevice } from './device/device.ts';
export { type ErrorCode, ZerothError } from './errors.ts';
