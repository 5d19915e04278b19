import { describe, expect } from 'vitest';
import { subscribe } from '../server/clients.ts';
import { besideBystander, mib } from './beside-bystander.ts';
import { fault } from './fault.ts';

describe('Subscribers', () => {
  fault('subscriber-never-reads', async (run) => {
    let goneMs = 0;
    // a tenth of the times suffices to see that they hold
    const limits = run.full ? {} : { cutAfterMs: 1_000, heartbeatMs: 500, conflateAfterMs: 300 };
    const load = { perSecond: 50, rowsPerPush: run.full ? 200 : 400 };
    const { memory } = await besideBystander(run, { limits, ...load, watchMemory: true }, async (scene) => {
      const { client } = await subscribe(scene.server, 'c', '?include=z,raw');
      const start = performance.now();
      client.socket.pause();
      while ((await scene.counters()).evicted === 0) await scene.rows(1_000);
      goneMs = performance.now() - start;
    });
    const heldBytes = memory.mostBytes - memory.beforeBytes;
    expect(goneMs).toBeLessThan(25_000);
    expect(heldBytes).toBeLessThan(1_048_576);
    run.seen(`gone after ${(goneMs / 1_000).toFixed(0)} s, ${mib(heldBytes)} held`);
  });
});
