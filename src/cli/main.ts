#!/usr/bin/env node
import process from 'node:process';
import type { StopSignal } from './host.ts';
import { run } from './run.ts';

const { stdin, stdout, stderr } = process;
// Without a listener a reader that goes away would end the process with a stack. Commands that write rows have one of
// their own; for the rest, such as help, nobody is left to tell.
stdout.on('error', () => {});
stderr.on('error', () => {});

process.exitCode = await run(
  process.argv.slice(2),
  {
    stdin,
    stdout,
    stderr,
    env: process.env,
    onSignal: (listener) => {
      const heard = (signal: NodeJS.Signals) => listener(signal as StopSignal);
      for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, heard);
      return () => {
        for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, heard);
      };
    },
    onHangup: (listener) => {
      process.on('SIGHUP', listener);
      return () => void process.off('SIGHUP', listener);
    },
    exit: (code) => process.exit(code),
  },
  process.env.STREAMNORM_DEBUG === '1',
);
// what still comes in is not read
stdin.destroy();
