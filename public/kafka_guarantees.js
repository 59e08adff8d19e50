// The engine for programs, in a browser and in Node: scenario text in, observations out. Typed by kafka_guarantees.d.ts.
//
//   import { run } from './kafka_guarantees.js';
//   const { verdict } = run(text);

/** The build writes the names of its files here (style/bundle.mjs). */
const FILES = { js: '', wasm: '' };

const js = new URL(FILES.js, import.meta.url).href;
const bindings = await import(js);
const wasm = new URL(FILES.wasm, import.meta.url);
const bytes = async () => (await import('node:fs/promises')).readFile(wasm);
const source = wasm.protocol === 'file:' && globalThis.process?.versions?.node ? await bytes() : wasm;
// Once for all who use it: embed.js says why.
const started = (globalThis[Symbol.for('kafka-guarantees.started')] ??= new Map());
if (!started.has(js)) started.set(js, bindings.default({ module_or_path: source }));
await started.get(js);

/** So many runs are carried out before the event loop has its turn. */
const SLICE = 50;

/** The names of the presets, each with its title. */
export const presets = () => bindings.presets();

/**
 * Runs a scenario: a text, a preset's name or a link.
 * @throws {Error} With all that is wrong with it, a line each.
 */
export function run(scenario) {
  return refused(() => bindings.run(String(scenario)));
}

/**
 * Writes a run for elsewhere: svg, svg-dark, mermaid, narration, trace, chrome-trace or text.
 * @throws {Error} As `run`, and if there is no such format.
 */
export function exportRun(scenario, format) {
  const made = refused(() => bindings.exportRun(String(scenario), String(format)));
  return typeof made === 'string' ? made : JSON.stringify(made);
}

/**
 * Measures a scenario by many seeded runs under the usual mix of faults.
 * @throws {Error} As `run`; or the reason of `signal`, when that says to stop.
 */
export async function measure(scenario, { runs = 1000, seed = 0, signal, progress } = {}) {
  const measurement = refused(() => new bindings.Measurement(String(scenario), Math.trunc(Number(runs)), BigInt(seed)));
  try {
    for (;;) {
      signal?.throwIfAborted();
      const goesOn = measurement.advance(SLICE);
      progress?.({ done: measurement.done, total: measurement.total });
      if (!goesOn) return measurement.numbers();
      await new Promise((next) => setTimeout(next, 0));
    }
  } finally {
    measurement.free();
  }
}

/** The module refuses with a text. */
function refused(call) {
  try {
    return call();
  } catch (error) {
    throw typeof error === 'string' ? new Error(error) : error;
  }
}
