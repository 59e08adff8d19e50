// axe finds nothing, in both themes and both widths; targets are large enough for a finger.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

/** What axe finds, as one sentence each. */
async function violations({ page }) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
  });
}

const VIEWS = {
  'a quiet run': async () => {},
  'a broken promise': (page) => page.failure('The lost acknowledgement').click(),
  'transactions': (page) => page.chooseGuarantee('Exactly once'),
  'in the middle': (page) => page.slider.fill('40'),
  'a refused setting': async (page) => {
    await page.choose('enable.idempotence', 'true');
    await page.choose('acks', '1');
  },
  'how true this is': (page) => page.askHowTrue(),
  'the whole guide': (page) => page.unfoldAll(),
  'a text with an error': async (page) => (await page.openText()).fill('kafka-guarantees 1\nproducer P aks=1\n'),
};

for (const colorScheme of ['light', 'dark']) {
  for (const [name, prepare] of Object.entries(VIEWS)) {
    test(`axe: ${name}, ${colorScheme}`, () =>
      lab.open({ colorScheme }, async (page) => {
        await prepare(page);
        assert.deepEqual(await violations(page), []);
      }));
  }
  test(`axe: narrow, with the controls open, ${colorScheme}`, () =>
    lab.open({ colorScheme, viewport: { width: 390, height: 844 } }, async (page) => {
      await page.unfoldAll();
      assert.deepEqual(await violations(page), []);
      await page.page.getByRole('button', { name: 'Settings and faults' }).click();
      assert.deepEqual(await violations(page), []);
    }));
}

test('targets are at least 24 pixels on a small screen', () =>
  lab.open({ viewport: { width: 390, height: 844 } }, async (page) => {
    await page.unfoldAll();
    await page.page.getByRole('button', { name: 'Settings and faults' }).click();
    const small = await page.page.evaluate(() =>
      [...document.querySelectorAll('a, button, select, summary, .segmented label, input:not([type=radio])')]
        .filter((element) => element.checkVisibility())
        .map((element) => [element.getBoundingClientRect(), element.outerHTML.slice(0, 80)])
        .filter(([{ width, height }]) => Math.min(width, height) < 24)
        .map(([{ width, height }, html]) => `${width} x ${height}: ${html}`),
    );
    assert.deepEqual(small, []);
  }));
