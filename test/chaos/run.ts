/**
 * Kills, stops and cuts off workers and brokers while rows are published, and compares what comes out, bit by bit, with one
 * process without a broker. Prints one table; ends with 1 when a row was lost, came twice or came out differently.
 *
 *   npm run chaos                        20 seeds of each kind: about a quarter of an hour
 *   npm run chaos -- --short             one of each
 *   npm run chaos -- --seeds 5 --kind 'kill broker'
 */
import process from 'node:process';
import { natsServerPath } from '../nats/nats-server.ts';
import { Brokers } from './brokers.ts';
import { CutNetwork } from './cut-network.ts';
import { KINDS, type Kind, Trial, type TrialResult } from './trial.ts';

const args = process.argv.slice(2);
const flag = (name: string): string | undefined => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
};
const seeds = args.includes('--short') ? 1 : Number(flag('--seeds') ?? 20);
const only = flag('--kind');
const from = Number(flag('--from') ?? 1);
const kinds = KINDS.filter((kind) => only === undefined || kind === only);
if (natsServerPath === undefined || kinds.length === 0 || !(seeds >= 1)) {
  process.stderr.write(
    natsServerPath === undefined
      ? 'chaos: there is no nats-server: apt-get install nats-server\n'
      : `chaos: it takes --short, --seeds N, --from N, and --kind with one of '${KINDS.join("', '")}'\n`,
  );
  process.exit(2);
}

process.stdout.write(
  '| what goes wrong | trials | faults | rows | lost | twice | different | repeated by the broker | fenced | statistics | s a trial |\n',
);
process.stdout.write('|---|---|---|---|---|---|---|---|---|---|---|\n');
let failed = false;
for (const kind of kinds) {
  const results: TrialResult[] = [];
  const networks = kind === 'cut network' ? [CutNetwork.open(0), CutNetwork.open(1)] : [];
  if (networks.includes(undefined)) {
    process.stdout.write(`| ${kind} | not run: no network namespaces here (needs root and ip) |\n`);
    failed ||= process.env.CI === 'true';
    continue;
  }
  const brokers = await brokersOf(kind);
  try {
    for (let seed = from; seed < from + seeds; seed++) {
      const result = await Trial.run(brokers, kind, seed, networks as CutNetwork[]);
      // only a cluster that loses its leader was seen to break its word
      const repeated = kind === 'lose leader' ? 0 : result.repeated;
      const isRight = result.lost + result.twice + result.different + repeated === 0 && result.statistics;
      if (!isRight) process.stderr.write(`chaos: ${kind}, seed ${seed}: ${JSON.stringify(result)}\n`);
      failed ||= !isRight;
      results.push(result);
    }
  } finally {
    for (const network of networks) network?.remove();
    await brokers.remove();
  }
  process.stdout.write(`${lineOf(kind, results)}\n`);
}
process.exitCode = failed ? 1 : 0;

function brokersOf(kind: Kind): Promise<Brokers> {
  if (kind === 'lose leader') return Brokers.three();
  return Brokers.one(kind === 'cut network' ? '0.0.0.0' : undefined);
}

function lineOf(kind: Kind, results: readonly TrialResult[]): string {
  const sum = (of: (result: TrialResult) => number) => results.reduce((total, result) => total + of(result), 0);
  const equal = results.filter(({ statistics }) => statistics).length;
  const cells = [
    ...[results.length, sum(({ faults }) => faults), sum(({ rows }) => rows).toLocaleString('en')],
    ...[sum(({ lost }) => lost), sum(({ twice }) => twice), sum(({ different }) => different)],
    sum(({ repeated }) => repeated),
    ...[sum(({ fenced }) => fenced), `${equal} of ${results.length} bit-equal`],
    (sum(({ ms }) => ms) / results.length / 1_000).toFixed(1),
  ];
  return `| ${kind} | ${cells.join(' | ')} |`;
}
