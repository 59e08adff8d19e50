// The matrix: it measures by itself, stops at once, measures anew only what has changed, and every number can be watched.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

const GUARANTEES = ['At most once', 'At least once', 'Exactly once'];

test('it begins by itself, fills every cell and refines', () =>
  lab.open({}, async (page) => {
    await page.untilDone(1500);
    const counters = await page.counters();
    assert.ok(counters.workers >= 1, `${counters.workers} workers`);
    for (const guarantee of GUARANTEES) {
      const numbers = await page.numbers(guarantee);
      assert.equal(numbers.length, 8);
      // All but the settings are numbers.
      assert.deepEqual(numbers.filter((text) => !/\d/.test(text)), [''], `${guarantee}: ${numbers}`);
    }
    assert.match(await page.matrix.locator('output').innerText(), /^[\d,]+ of [\d,]+ runs · [\d,]+ a second · [\d,]+ s left$/);
    // 0 is never said alone.
    assert.match(await page.matrixCell('Durability', 'At least once').innerText(), /^0\s+under [\d,]+/);
    const word = page.matrixCell('Durability', 'At most once').locator('summary');
    await word.filter({ hasText: '“weak” confirmed' }).waitFor();
    await word.click();
    assert.match(await page.matrixCell('Durability', 'At most once').innerText(), /were lost although the producer was told/);
    await page.untilDone(counters.done + 500);
  }));

test('stop stops at once, and it goes on where it was', () =>
  lab.open({}, async (page) => {
    await page.untilDone(200);
    await page.stopMeasuring();
    const stopped = await page.counters();
    assert.ok(stopped.stopMs <= 100, `the last answer came ${stopped.stopMs} ms after the stop`);
    assert.ok(stopped.done < stopped.total);
    // A whole playhead's worth of other work later, nothing has moved.
    await page.transport('To start');
    await page.transport('To end');
    assert.equal((await page.counters()).done, stopped.done);
    await page.matrix.getByRole('button', { name: 'Go on' }).click();
    await page.untilDone(stopped.done + 100);
    assert.equal((await page.counters()).generation, stopped.generation, 'nothing began anew');
  }));

test('the page is never held up while it measures', () =>
  lab.open({}, async (page) => {
    await page.untilDone(600);
    const { longestMs } = await page.counters();
    assert.ok(longestMs < 50, `taking an answer in has held the page up for ${longestMs} ms`);
  }));

test('a changed setting is measured beside the guarantees, which keep their numbers', () =>
  lab.open({}, async (page) => {
    await page.untilDone(600);
    await page.stopMeasuring();
    assert.match(await page.matrix.getByRole('columnheader', { name: 'Yours' }).innerText(), /At least once as it is/);
    const before = await Promise.all(GUARANTEES.map((guarantee) => page.numbers(guarantee)));
    assert.deepEqual((await page.numbers('Yours')).join(''), '');
    const { done, total, generation } = await page.counters();
    await page.choose('acks', '1');
    await page.untilCounters({ state: 'running' });
    const restarted = await page.counters();
    assert.equal(restarted.generation, generation + 1);
    assert.ok(restarted.done >= done, 'no run of the guarantees was thrown away');
    assert.ok(restarted.total > total);
    // Nothing of what the guarantees had is lost, and theirs goes on from there.
    await page.stopMeasuring();
    const after = await Promise.all(GUARANTEES.map((guarantee) => page.numbers(guarantee)));
    const [, , , , , cost, complexity] = before[0];
    assert.deepEqual([after[0][5], after[0][6].split(' · ').slice(0, 2)], [cost, complexity.split(' · ').slice(0, 2)]);
    assert.ok((await page.numbers('Yours')).join('') !== '');
    // A step is no setting: it changes no column.
    await page.choose('acks', 'all');
    await page.untilCounters({ total, generation: generation + 2 });
    await page.failure('The lost acknowledgement').click();
    assert.match(await page.headline.innerText(), /stored twice/);
    assert.equal((await page.counters()).generation, generation + 2);
  }));

test('another seed and another mix of faults begin anew', () =>
  lab.open({}, async (page) => {
    await page.untilDone(300);
    const { generation } = await page.counters();
    const seed = page.matrix.getByLabel('Seed');
    await seed.fill('8');
    await seed.blur();
    await page.untilCounters({ generation: 2 });
    assert.equal(generation, 1);
    await page.matrix.getByText('Fault mix').click();
    const cut = page.matrix.getByLabel('connection cut under a request');
    assert.equal(await cut.inputValue(), '250000');
    await cut.fill('0');
    await cut.blur();
    await page.untilCounters({ generation: 3 });
    assert.match(await page.matrix.locator('.mix').innerText(), /here in 0 % of requests/);
    // The address holds both, and opens to both.
    await page.address(/&matrix-seed=8&matrix-request-cut=0/);
    await page.page.reload();
    await page.matrix.getByText('Fault mix').click();
    assert.equal(await page.matrix.getByLabel('Seed').inputValue(), '8');
    assert.equal(await page.matrix.getByLabel('connection cut under a request').inputValue(), '0');
  }));

test('a number plays a run that shows what it counts', () =>
  lab.open({}, async (page) => {
    await page.untilDone(1500);
    await page.matrixCell('Durability', 'At most once').locator('.number').click();
    assert.match((await page.chips({ broken: true })).join(), /[1-9]\d* lost/);
    assert.ok((await page.happens()).length > 0, 'its faults are steps');
    assert.ok(await page.headline.evaluate((headline) => headline === document.activeElement && headline.checkVisibility()));
    const top = await page.headline.evaluate((headline) => headline.getBoundingClientRect().top);
    assert.ok(top >= 0 && top < 400, `the headline is on screen, ${top} from its top`);
    await page.matrixCell('Duplication', 'At least once').locator('.number').click();
    assert.match((await page.chips({ broken: true })).join(), /effects? twice|processed again/);
  }));

test('what is counted is listed, what is set can be copied', () =>
  lab.open({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await page.untilDone(300);
    const complexity = page.matrixCell('Complexity', 'Exactly once');
    await complexity.getByText('Which').click();
    assert.match(await complexity.innerText(), /transaction coordinator/);
    const settings = page.matrixCell('Typical setting', 'At most once');
    await settings.getByText('Properties').click();
    await settings.getByRole('button', { name: 'Copy' }).click();
    await settings.getByRole('button', { name: 'Copied' }).waitFor();
    assert.match(await page.page.evaluate(() => navigator.clipboard.readText()), /^acks=0$/m);
  }));

test('further numbers are seen on demand, by keyboard too', () =>
  lab.open({}, async (page) => {
    const more = page.matrix.getByRole('button', { name: 'Durability: 4 more' });
    assert.equal(await page.matrix.getByText('reported failed, and stored all the same').isVisible(), false);
    await more.focus();
    await page.page.keyboard.press('Enter');
    assert.ok(await page.matrix.getByText('reported failed, and stored all the same').isVisible());
    assert.equal(await more.getAttribute('aria-expanded'), 'true');
  }));

test('without workers the page measures by itself, a few milliseconds at a time', () =>
  lab.open({ init: () => delete window.Worker }, async (page) => {
    await page.untilDone(100);
    const { workers, longestMs } = await page.counters();
    assert.equal(workers, 0);
    assert.ok(longestMs < 100, `${longestMs} ms`);
    await page.stopMeasuring();
    assert.ok((await page.counters()).stopMs <= 100);
  }));

test('narrow, nothing sticks out', () =>
  lab.open({ viewport: { width: 390, height: 844 } }, async (page) => {
    await page.untilDone(300);
    await page.matrix.scrollIntoViewIfNeeded();
    assert.equal(await page.page.evaluate(() => document.documentElement.scrollWidth), 390);
    assert.ok(await page.matrixCell('Speed', 'Exactly once').locator('.number').isVisible());
  }));
