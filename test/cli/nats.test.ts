import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createNormalizer } from '../../src/core/methods.ts';
import { brokerOf } from '../../src/nats/broker.ts';
import { LogNames } from '../../src/nats/log-names.ts';
import { logStatus } from '../../src/nats/log-status.ts';
import { SteadyReader } from '../../src/nats/steady-reader.ts';
import { decodePieces } from '../../src/server/log-rows.ts';
import { testBroker, withBroker } from '../nats/with-broker.ts';
import { CliProcess } from '../nats/workers.ts';
import { rowsOf } from '../server/clients.ts';
import { runCli } from './run-cli.ts';

const FEATURES = ['a', 'b'];
const names = new LogNames('streamnorm', 'ticks');

async function configFile(channel: object, nats: object = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'streamnorm-nats-config-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'streamnorm.json');
  await writeFile(
    file,
    JSON.stringify({
      nats: { lease: '900ms', checkpoint: '200ms', ...nats },
      channels: { ticks: { features: FEATURES, ...channel } },
    }),
  );
  return file;
}

/** Writes rows to a partition, as a publisher of any kind would: as JSON, `size` to a message. */
async function write(connection: NatsConnection, generation: number, partition: number, rows: number[][], size = 8) {
  const { client } = await brokerOf(connection);
  for (let i = 0; i < rows.length; i += size) {
    await client.publish(names.inSubject(generation, partition), JSON.stringify(rows.slice(i, i + size)));
  }
}

/** The first `count` rows that come out of a partition; their numbers must have neither hole nor repeat. */
async function outOf(connection: NatsConnection, partition: number, count: number): Promise<number[]> {
  const place = { stream: names.outStream, subject: names.outSubject(partition), from: 1 };
  const reader = new SteadyReader(await brokerOf(connection), place, {});
  const z: number[] = [];
  let rows = 0;
  while (rows < count) {
    for (const { data } of await reader.next()) {
      for (const { first, content } of decodePieces(data)) {
        expect(first).toBe(rows + 1);
        rows += content.rows;
        z.push(...content.z);
      }
    }
  }
  await reader.close();
  return z;
}

function expected(method: 'ewma' | 'cumulative' | 'batch', options: object, rows: number[][]): number[] {
  const data = Float64Array.from(rows.flat());
  return Array.from(
    createNormalizer(method, FEATURES, options).push(data, rows.length, new Float64Array(rows.length))!.z,
  );
}

withBroker('workers go on where one was killed with kill -9, and one that is told to go hands over', async () => {
  const { server, connection } = await testBroker();
  const config = await configFile({ method: 'ewma', halfLife: 20 }, { partitions: 4 });
  const provisioned = await runCli(['nats', 'provision', '--config', config, '--nats', server.url]);
  expect(provisioned).toMatchObject({ code: 0 });
  expect(provisioned.stderr).toMatch(/channel ticks: 4 partitions, epoch \w+/);
  const start = (name: string) => new CliProcess(['worker', '--config', config, '--nats', server.url, '--name', name]);
  const [first, second] = [start('one'), start('two')];
  await Promise.all([first.said(/partition \d: taken/), second.said(/partition \d: taken/)]);
  const rows = rowsOf(400, 2);
  const halves = [rows.slice(0, 200), rows.slice(200)];
  for (let partition = 0; partition < 4; partition++) await write(connection, 1, partition, halves[0]);
  await first.end('SIGKILL');
  for (let partition = 0; partition < 4; partition++) await write(connection, 1, partition, halves[1]);
  for (let partition = 0; partition < 4; partition++) {
    expect(await outOf(connection, partition, 400)).toEqual(expected('ewma', { halfLife: 20 }, rows));
  }
  const status = await logStatus(connection, { channel: 'ticks' });
  expect(status.partitions.map(({ owner, lag, rows }) => ({ owner, lag, rows }))).toEqual(
    Array(4).fill({ owner: 'two', lag: 0, rows: 400 }),
  );
  expect(await second.end('SIGTERM')).toBe(0);
  const handedOver = second.lines.slice(second.lines.findIndex((line) => /handing over/.test(line)));
  expect(handedOver.filter((line) => /given back/.test(line))).toHaveLength(4);
  const told = await runCli(['nats', 'status', '--config', config, '--nats', server.url]);
  expect(told.stdout).toMatch(/channel ticks: epoch \w+, generation 1, 0 workers, log .*, 0 dead letters/);
  expect(told.stdout.match(/\(nobody\) +0 +400/g)).toHaveLength(4);
  const json = await runCli(['nats', 'status', '--json', '--config', config, '--nats', server.url]);
  expect(JSON.parse(json.stdout)[0].partitions).toHaveLength(4);
});

withBroker('a window closes after its time also where nothing more comes', async () => {
  const { server, connection } = await testBroker();
  const config = await configFile({ method: 'batch', size: 100, within: '100ms' });
  await runCli(['nats', 'provision', '--config', config, '--nats', server.url]);
  const worker = new CliProcess(['worker', '--config', config, '--nats', server.url]);
  await worker.said(/taken/);
  const rows = rowsOf(5, 2);
  await write(connection, 1, 0, rows);
  expect(await outOf(connection, 0, 5)).toEqual(expected('batch', { size: 5 }, rows));
});

withBroker(
  'repartition merges statistics into fewer partitions, keeps every row, and refuses the old log',
  async () => {
    const { server, connection } = await testBroker();
    const config = await configFile({ method: 'batch', size: 8 }, { partitions: 3 });
    await runCli(['nats', 'provision', '--config', config, '--nats', server.url]);
    const worker = new CliProcess(['worker', '--config', config, '--nats', server.url]);
    await worker.said(/taken/);
    const rows = rowsOf(60, 2);
    // 20 rows each: two windows are full, one is open
    for (let partition = 0; partition < 3; partition++) {
      await write(connection, 1, partition, rows.slice(20 * partition, 20 * (partition + 1)), 5);
    }
    const change = ['nats', 'repartition', '--config', config, '--nats', server.url, '--channel', 'ticks'];
    const done = await runCli([...change, '--partitions', '2']);
    expect(done.stderr).toMatch(/channel ticks: 2 partitions, generation 2/);
    expect(done.code).toBe(0);
    await expect(write(connection, 1, 0, rows)).rejects.toThrow();
    // the open windows have gone out
    for (let partition = 0; partition < 3; partition++) expect(await outOf(connection, partition, 20)).toHaveLength(40);
    await write(connection, 2, 1, rows.slice(0, 8));
    await outOf(connection, 1, 28);
    await worker.end('SIGTERM');
    const { manager } = await brokerOf(connection);
    const state = async (partition: number) => {
      const message = await manager.streams.getMessage(names.stateStream, {
        last_by_subj: `${names.stateSubject}.manifest.2.${partition}`,
      });
      return JSON.parse(message!.string().split('\n')[1]);
    };
    // partition 0 has what 0 and 2 had, partition 1 what 1 had and one window more
    expect((await state(0)).state).toMatchObject({ samples: 40, batches: 6 });
    expect((await state(1)).state).toMatchObject({ samples: 28, batches: 4 });
    // done is done
    expect((await runCli([...change, '--partitions', '2'])).code).toBe(0);
  },
);

describe('the commands refuse, and say why', () => {
  withBroker('a channel without a log', async () => {
    const { server } = await testBroker();
    const config = await configFile({});
    const { code, stderr } = await runCli(['worker', '--config', config, '--nats', server.url]);
    expect(code).toBe(69);
    expect(stderr).toContain("channel ticks has no log on this broker: run 'streamnorm nats provision' first");
  });

  withBroker('another number of partitions, or other features, than the log has', async () => {
    const { server } = await testBroker();
    const provision = async (channel: object, nats: object) =>
      runCli(['nats', 'provision', '--config', await configFile(channel, nats), '--nats', server.url]);
    expect((await provision({}, { partitions: 2 })).code).toBe(0);
    expect((await provision({}, { partitions: 3 })).stderr).toContain('channel ticks has 2 partitions, not 3');
    expect((await provision({ method: 'ewma' }, { partitions: 2 })).stderr).toContain(
      'channel ticks was provisioned for',
    );
  });

  test('a broker that is not there', async () => {
    const config = await configFile({});
    const { code, stderr } = await runCli(['nats', 'status', '--config', config, '--nats', 'nats://127.0.0.1:1']);
    expect(code).toBe(69);
    expect(stderr).toContain('no NATS server can be reached at nats://127.0.0.1:1');
  });

  test('a config without nats', async () => {
    const { code, stderr } = await runCli([
      'worker',
      '--config',
      await configFile({}).then(async (file) => {
        await writeFile(file, JSON.stringify({ channels: { ticks: { features: FEATURES } } }));
        return file;
      }),
    ]);
    expect(code).toBe(78);
    expect(stderr).toContain('the config has no nats: say where the broker is with --nats URL');
  });
});
