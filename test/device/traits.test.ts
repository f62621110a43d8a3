import { describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compositeOps } from '../../lib/graph/ops/composite.ts';
import { ELEMENT_BYTES } from '../../lib/graph/plan/format.ts';
import { lowerings } from '../../lib/graph/plan/lowerings.ts';

describe('a device says what it likes', () => {
  for (const threads of [1, 2, 3]) {
    it(`when it is opened, on ${threads} threads`, async () => {
      const device = openDevice({ threads });
      const { traits } = device;
      await device.dispose();
      expect(traits.lanes).toBe(threads);
      expect(traits.laneExamples).toBeGreaterThan(0);
      // What the arena itself begins at.
      expect(traits.alignment).toBe(64);
      expect(traits.elementBytes).toEqual(ELEMENT_BYTES);
      expect(traits.composites).toEqual(Object.keys(compositeOps).filter((name) => name in lowerings));
    });
  }
});
