// A worker of the page in Node: reads messages of the worker's own protocol from standard input, a list of numbers a
// line, and writes the answers. benches/wasm.rs talks to it.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const folder = resolve(process.argv[2]);
const built = (ending) => {
  const name = readdirSync(folder).find((name) => name.startsWith('kafka-guarantees') && name.endsWith(ending));
  if (!name) throw new Error(`no ${ending} of the page in ${folder}`);
  return join(folder, name);
};

// What the module looks for in a worker.
globalThis.self = globalThis;
globalThis.DedicatedWorkerGlobalScope = { [Symbol.hasInstance]: () => true };
Object.setPrototypeOf(globalThis.DedicatedWorkerGlobalScope, Function.prototype);
globalThis.postMessage = (answer) => console.log(typeof answer === 'string' ? answer : [...answer].join(' '));

const bindings = await import(pathToFileURL(built('.js')));
bindings.initSync({ module: new WebAssembly.Module(readFileSync(built('_bg.wasm'))) });
bindings.workerMain();

for await (const line of createInterface({ input: process.stdin })) {
  globalThis.onmessage({ data: BigUint64Array.from(line.split(' '), BigInt), __proto__: MessageEvent.prototype });
}
