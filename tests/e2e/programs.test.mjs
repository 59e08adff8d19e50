// The engine for programs: in Node, in a browser, and for the TypeScript compiler.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openHost, startHosts } from './host.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = `kafka-guarantees 1
title The answer is lost
topic t replicas=B1,B2
producer P acks=all enable.idempotence=false
fault P Produce 1 response cut
P send r0
wait P settled
`;

let lab;
before(async () => {
  lab = await startHosts();
});
after(() => lab?.close());

/** What a program finds, in whatever it runs. */
async function useEngine(address, text) {
  const { run, measure, exportRun, presets } = await import(address);
  const message = (call) => {
    try {
      call();
      return 'nothing was thrown';
    } catch (error) {
      return `${error.constructor.name}: ${error.message}`;
    }
  };
  const shares = [];
  const measured = await measure('at-least-once', { runs: 40, seed: 7, progress: ({ done, total }) => shares.push(done / total) });
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  return {
    observed: run(text),
    preset: run('at-least-once-lost-acknowledgement').verdict.duplicates,
    presets: presets().map(({ id }) => id).includes('exactly-once'),
    mermaid: exportRun(text, 'mermaid'),
    trace: JSON.parse(exportRun(text, 'trace')).format,
    measured,
    shares: shares.length > 1 && shares.at(-1) === 1,
    stopped: await measure('at-least-once', { signal: stop.signal }).catch(({ message }) => message),
    wrong: message(() => run('kafka-guarantees 1\ntopic t replicas=B1\nproducer P acks=seven\n')),
    refused: message(() => run('v=1&preset=exactly-once&P.acks=1')),
    format: message(() => exportRun(text, 'docx')),
  };
}

let inNode;
test('Node runs, exports and measures', async () => {
  inNode = await useEngine(new URL('../../dist/kafka_guarantees.js', import.meta.url).href, text);
  assert.equal(inNode.observed.verdict.duplicates, 1);
  assert.deepEqual(inNode.observed.log_read_uncommitted, ['r0', 'r0']);
  assert.equal(inNode.preset, 1);
  assert.match(inNode.mermaid, /sequenceDiagram/);
  assert.deepEqual([inNode.presets, inNode.trace, inNode.shares, inNode.stopped], [true, 'kafka-guarantees-trace', true, 'enough']);
  assert.equal(inNode.measured.runs, 40);
  const numbers = Object.values(inNode.measured.numbers).filter(Boolean);
  assert.ok(numbers.length > 5 && numbers.every(({ value, low, high }) => low <= value && value <= high));
  assert.match(inNode.wrong, /^Error: line 3, column 12: /);
  assert.match(inNode.refused, /^Error: .*acks/);
  assert.match(inNode.format, /^Error: There is no such format/);
});

test('a browser finds the same, bit for bit', () =>
  openHost(lab, 'empty.html', {}, async ({ page }) => {
    const found = await page.evaluate(`(${useEngine})(new URL('lab/kafka_guarantees.js', location.href).href, ${JSON.stringify(text)})`);
    assert.deepEqual(found, inNode);
  }));

test('embed.js can be imported where there is no window', async () => {
  const embed = await import('../../dist/embed.js');
  assert.equal(typeof embed.KafkaGuaranteesElement, 'function');
});

test('the types say what is there: the TypeScript compiler', () => {
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', '--types', ''];
  const say = (error) => assert.fail(String(error.stdout ?? error));
  try {
    execFileSync(process.execPath, [tsc, ...options, 'tests/e2e/types/uses.ts'], { cwd: root, encoding: 'utf8' });
  } catch (error) {
    say(error);
  }
});
