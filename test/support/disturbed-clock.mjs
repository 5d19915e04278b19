/**
 * Preloaded into a server process (`node --import`): SIGUSR2 takes the next of `STREAMNORM_DISTURB`, a list such as
 * `+1h,-1h,block`, which sets the wall clock back or forth, or blocks the event loop for two seconds.
 */
const RealDate = Date;
let shiftMs = 0;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + shiftMs] : args));
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};
const disturbances = (process.env.STREAMNORM_DISTURB ?? '').split(',');
process.on('SIGUSR2', () => {
  const next = disturbances.shift();
  if (next === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
  else shiftMs += next === '+1h' ? 3_600_000 : -3_600_000;
});
