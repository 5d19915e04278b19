import { cpus } from 'node:os';

/** Where and when figures were measured; `line` is for people. */
export function machine() {
  const cpu = cpus();
  const of = {
    cpu: cpu[0]?.model.trim(),
    cores: cpu.length,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
  return { ...of, line: `${of.cpu}, ${of.cores} cores, Node ${of.node} · ${of.date}` };
}
