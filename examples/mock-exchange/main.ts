// A mock exchange to try feeds on: npx tsx examples/mock-exchange/main.ts --port 9001 --fault gap --fault cut=20000
import { parseArgs } from 'node:util';
import { MockExchange } from './exchange.ts';

/** Each happens again and again, by default every 5 s, or as often as `=ms` says. */
const FAULTS: Record<string, (exchange: MockExchange) => void> = {
  gap: (exchange) => exchange.gap(3),
  duplicate: (exchange) => exchange.duplicate(),
  reorder: (exchange) => exchange.reorder(),
  reset: (exchange) => exchange.reset(),
  silence: (exchange) => exchange.silence(),
  cut: (exchange) => exchange.cut(),
  burst: (exchange) => void exchange.burst(5_000, 2_000),
  mute: (exchange) => {
    exchange.refuse('mute');
    exchange.cut();
  },
  busy: (exchange) => {
    exchange.refuse({ status: 503, retryAfter: '3' });
    exchange.cut();
  },
  forbidden: (exchange) => {
    exchange.refuse({ status: 403 });
    exchange.cut();
  },
  ...Object.fromEntries(
    [1000, 1001, 1008, 1012, 1013, 4401].map((code) => [
      String(code),
      (exchange: MockExchange) => exchange.close(code),
    ]),
  ),
};

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '9001' },
    every: { type: 'string', default: '50' },
    symbols: { type: 'string', default: 'btcusdt,ethusdt' },
    fault: { type: 'string', multiple: true, default: [] },
    token: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    'npx tsx examples/mock-exchange/main.ts [--host 127.0.0.1] [--port 9001] [--every 50] [--symbols a,b] [--token T]',
  );
  console.log(`  [--fault NAME[=ms]] …   again and again: ${Object.keys(FAULTS).join(' ')}`);
  process.exit(0);
}

const exchange = await MockExchange.open({
  host: values.host,
  port: Number(values.port),
  everyMs: Number(values.every),
  symbols: values.symbols.split(','),
  heartbeatMs: 1_000,
  ...(values.token && { token: values.token }),
});
for (const fault of values.fault) {
  const [name = '', ms = '5000'] = fault.split('=');
  const happen = FAULTS[name];
  if (happen === undefined) {
    console.error(`there is no fault '${name}', only ${Object.keys(FAULTS).join(', ')}`);
    process.exit(2);
  }
  setInterval(() => {
    console.log(`${new Date().toISOString()} ${name}`);
    happen(exchange);
  }, Number(ms));
}
console.log(exchange.url);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => exchange.stop().then(() => process.exit(0)));
