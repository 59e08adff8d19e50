// What is exported, in the hands of programs that read such files: Mermaid's own parser and renderer, an SVG renderer that is
// no browser, a schema of the Chrome trace format. The files are those that the native tests hold the exports to.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { Resvg } from '@resvg/resvg-js';
import Ajv from 'ajv';
import { chromium } from 'playwright-core';
import { FLAGS } from './page.mjs';

const folder = new URL('../it/data/exports/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');
const files = (ending) => readdirSync(folder).filter((name) => name.endsWith(ending));

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
});
after(() => browser?.close());

/** The share of pixels that are unlike the first one. */
function inkOf({ pixels }) {
  let other = 0;
  for (let place = 0; place < pixels.length; place += 4) {
    if (Math.abs(pixels[place] - pixels[0]) + Math.abs(pixels[place + 1] - pixels[1]) + Math.abs(pixels[place + 2] - pixels[2]) > 60) other++;
  }
  return other / (pixels.length / 4);
}

for (const name of files('.svg')) {
  test(`an SVG renderer draws ${name}`, () => {
    const svg = read(name);
    const drawn = new Resvg(svg, { font: { loadSystemFonts: true } }).render();
    const [, width, height] = svg.match(/width="([\d.]+)" height="([\d.]+)"/);
    assert.ok(Math.abs(drawn.width - width) <= 1 && Math.abs(drawn.height - height) <= 1);
    const dark = name.includes('dark');
    assert.equal(drawn.pixels[0] < 128, dark, 'the paper has its theme');
    const ink = inkOf(drawn);
    assert.ok(ink > 0.01 && ink < 0.5, `${ink} of the picture is drawn on`);
  });

  test(`a browser reads ${name} as XML, and finds nothing in it that runs or is fetched`, async () => {
    const page = await browser.newPage();
    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    try {
      const found = await page.evaluate((text) => {
        const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
        const attributes = [...parsed.querySelectorAll('*')].flatMap((element) => [...element.attributes]);
        return {
          error: parsed.querySelector('parsererror')?.textContent ?? '',
          scripts: parsed.querySelectorAll('script, foreignObject, image, use, a').length,
          handlers: attributes.filter(({ name }) => name.startsWith('on') || name.endsWith('href')).length,
          marks: parsed.querySelectorAll('g.cell, g.arrow').length,
        };
      }, read(name));
      assert.deepEqual({ ...found, marks: found.marks > 5 }, { error: '', scripts: 0, handlers: 0, marks: true });
      assert.deepEqual(requests, []);
    } finally {
      await page.close();
    }
  });
}

test('Mermaid reads and draws every sequence diagram', async () => {
  const page = await browser.newPage();
  try {
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('mermaid/dist/mermaid.min.js') });
    for (const name of files('.mmd')) {
      const text = read(name);
      const { type, drawn, participants } = await page.evaluate(async (text) => {
        window.mermaid.initialize({ startOnLoad: false });
        const { diagramType } = await window.mermaid.parse(text);
        const { svg } = await window.mermaid.render('diagram', text);
        const parsed = new DOMParser().parseFromString(svg, 'text/html');
        const boxes = [...parsed.querySelectorAll('text.actor-box')].map((box) => box.textContent);
        return { type: diagramType, drawn: parsed.querySelectorAll('.messageText').length, participants: [...new Set(boxes)] };
      }, text);
      assert.equal(type, 'sequence', name);
      const arrows = text.split('\n').filter((line) => /^ {2}l\d+-/.test(line)).length;
      assert.equal(drawn, arrows, `${name}: every arrow is drawn`);
      assert.deepEqual(participants.sort(), [...text.matchAll(/participant l\d+ as (.+)/g)].map(([, as]) => as).sort(), name);
    }
  } finally {
    await page.close();
  }
});

test('a Chrome trace is one, and its flows have both ends', () => {
  const schema = JSON.parse(readFileSync(new URL('chrome-trace.schema.json', import.meta.url), 'utf8'));
  const validate = new Ajv({ strict: false }).compile(schema);
  for (const name of files('.chrome-trace.json')) {
    const trace = JSON.parse(read(name));
    assert.ok(validate(trace), JSON.stringify(validate.errors?.slice(0, 3)));
    assert.ok(!validate({ traceEvents: [{ name: 'x', ph: 'X', pid: 1, tid: 1, ts: 0 }] }), 'a slice without a length is refused');
    const ids = (phase) => trace.traceEvents.filter(({ ph }) => ph === phase).map(({ id }) => id).sort((a, b) => a - b);
    assert.ok(ids('s').length > 5);
    assert.deepEqual(ids('s'), ids('f'));
    // A flow binds to the slice that begins where it does.
    const slices = new Set(trace.traceEvents.filter(({ ph }) => ph === 'X').map(({ tid, ts }) => `${tid} ${ts}`));
    const ends = trace.traceEvents.filter(({ ph }) => ph === 's' || ph === 'f');
    assert.deepEqual(ends.filter(({ tid, ts }) => !slices.has(`${tid} ${ts}`)), []);
  }
});
