// The page opens as it is published: under its Content-Security-Policy, below a path, asking nobody else.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

test('the page has its title and its heading', () =>
  lab.open({}, async ({ page, heading }) => {
    assert.equal(await page.title(), 'Kafka Guarantees');
    assert.equal(await heading.count(), 1);
  }));

test('a worker runs the module that the page has compiled', () =>
  lab.open({}, async ({ page }) => {
    const answer = await page.evaluate(async () => {
      const { js, wasm } = document.querySelector('script[data-wasm]').dataset;
      const url = (address) => new URL(address, document.baseURI).href;
      const module = await WebAssembly.compileStreaming(fetch(url(wasm)));
      const worker = new Worker(url('worker.js'), { type: 'module' });
      return new Promise((done, failed) => {
        worker.onmessage = ({ data }) => done(data);
        worker.onerror = ({ message }) => failed(new Error(`worker: ${message}`));
        worker.postMessage({ js: url(js), module });
      });
    });
    assert.equal(answer, 'ready');
  }));

test('the tests notice what the Content-Security-Policy forbids', async () => {
  const opened = lab.open({}, ({ page }) =>
    page.evaluate(
      () =>
        new Promise((seen) => {
          document.addEventListener('securitypolicyviolation', () => seen(), { once: true });
          document.head.append(Object.assign(document.createElement('style'), { textContent: 'p { color: red }' }));
        }),
    ),
  );
  await assert.rejects(opened, /style-src 'self'/);
});
