// What may still become of a run: the moments of a broken promise, the odds before them, and the fewest faults.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

// Without workers the page does the work itself.
for (const [name, options] of [['', {}], [' (without workers)', { init: () => delete window.Worker }]]) {
  test(`a broken promise has its two moments, and the playhead goes there by keyboard alone${name}`, () =>
    lab.open(options, async (page) => {
      assert.equal(await page.momentMarks.count(), 0);
      await page.failure('The lost acknowledgement').click();
      const noReturn = page.moment('Record 2 is stored twice', 'no return');
      await noReturn.waitFor({ timeout: 60_000 });
      await noReturn.focus();
      await page.page.keyboard.press('Enter');
      assert.equal(await noReturn.getAttribute('aria-pressed'), 'true');
      const { at } = await page.place();
      assert.match(await page.moments.locator('p[role=status]').innerText(), /even if nothing else goes wrong, record 2 is stored twice/);
      // One mark for the moment that all promises share, and one for each that breaks them.
      assert.ok((await page.momentMarks.count()) >= 2);
      const broken = page.momentMarks.filter({ hasText: 'broken' }).first();
      await broken.focus();
      await page.page.keyboard.press('Enter');
      assert.notEqual((await page.place()).at, at);
      assert.match(await page.moments.locator('p[role=status]').innerText(), /This is where record 2 is stored twice/);
      // The narration has both.
      const notes = await page.page.locator('.narration .moment-note').allInnerTexts();
      assert.ok(notes.some((note) => note.startsWith('no return')) && notes.some((note) => note.startsWith('broken')), notes.join());
      // A run without a broken promise has none.
      await page.failure('The lost acknowledgement').click();
      await page.momentMarks.first().waitFor({ state: 'detached' });
    }));
}

test('the odds are drawn in the background, and can be stopped', () =>
  lab.open({}, async (page) => {
    await page.failure('The lost acknowledgement').click();
    await page.moments.getByRole('button', { name: 'Show the odds' }).click({ timeout: 60_000 });
    await page.page.locator('.timeline svg.moments .odds .line').first().waitFor({ timeout: 60_000 });
    const stop = page.moments.getByRole('button', { name: 'Stop' });
    if (await stop.isVisible()) await stop.click();
    await page.moments.getByRole('button', { name: 'Show the odds' }).waitFor();
    await page.slider.fill('3');
    assert.match(await page.moments.innerText(), /At [\d.]+ m?s: [\d.]+ % \([\d.]+ % to [\d.]+ %\) of \d+ random futures end so/);
  }));

test('the fewest faults are found, played, and paused at the first fault', () =>
  lab.open({}, async (page) => {
    await page.chooseGuarantee('At least once');
    await page.fewest.getByRole('button', { name: 'Find the fewest faults: Nothing is stored twice' }).click();
    await page.headline.filter({ hasText: 'stored twice' }).waitFor({ timeout: 120_000 });
    const { step, steps } = await page.place();
    assert.ok(step > 0 && step < steps, 'paused at its first fault');
    assert.equal((await page.happens()).length, 1);
    await page.moment('is stored twice', 'broken').waitFor({ timeout: 60_000 });
    assert.equal(await page.fewestCell('Nothing is stored twice', 'Yours').getByRole('button').innerText(), '1 fault');
  }));

test('a setting that is changed shows which answers moved', () =>
  lab.open({}, async (page) => {
    await page.chooseGuarantee('At least once');
    await page.untilFewest('Nothing is stored twice', 'Yours', 'found');
    await page.choose('enable.idempotence', 'true');
    await page.untilFewest('Nothing is stored twice', 'Yours', 'none-within-bound');
    const moved = page.fewest.getByText('With enable.idempotence=true: to break “nothing is stored twice” takes more than 2 (before: 1 fault)');
    await moved.waitFor();
    assert.ok(await page.fewest.getByRole('row', { name: 'Nothing is stored twice' }).getByRole('button', { name: 'One more fault' }).isVisible());
  }));

test('a run can be reduced to what was needed', () =>
  lab.open({}, async (page) => {
    await page.failure('The lost acknowledgement').click();
    await page.moments.getByRole('button', { name: 'Reduce to the fewest faults' }).click({ timeout: 60_000 });
    await page.moments.getByText(/^1 fault was enough, of 1: found in \d+ runs\.$/).waitFor({ timeout: 60_000 });
    assert.match(await page.headline.innerText(), /stored twice/);
    assert.equal((await page.happens()).length, 1);
  }));
