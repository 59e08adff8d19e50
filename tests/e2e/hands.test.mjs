// Breaking a run by hand, and the text beside the picture.
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

/** The Tab key leads to the picture's first mark. */
const toTheMarks = async (page) => {
  for (let presses = 0; presses < 80; presses++) {
    await page.page.keyboard.press('Tab');
    if (await page.page.evaluate(() => document.activeElement.hasAttribute('data-mark'))) return;
  }
  assert.fail('the Tab key does not reach a mark');
};

test('by keyboard alone: cut an acknowledgement, see the duplicate, step back before it, fork, undo', () =>
  lab.open({}, async (page) => {
    const { keyboard } = page.page;
    const calm = await page.headline.innerText();
    await toTheMarks(page);
    await page.pressUntil('ArrowRight', /^B1 acknowledges record 0 to P/);
    await keyboard.press('Enter');
    await page.menuIsOpen();
    const { step } = await page.place();
    const past = await page.past();
    await page.pressUntil('ArrowDown', /^Cut the connection after B1 has answered/);
    assert.match(await page.focused(), /is stored; P does not hear of it and sends again: without idempotence, a duplicate\./);
    await keyboard.press('Enter');
    await page.menuIsClosed();
    // The duplicate is there, the past is as it was, and the mark of the lost answer has the focus.
    assert.match(await page.headline.innerText(), /is stored twice/);
    assert.ok((await page.chips({ broken: true })).includes('1 duplicated'));
    assert.deepEqual(await page.brokenByHand(), ['fault P Produce 1 response cut']);
    await page.page.waitForFunction(() => document.activeElement.hasAttribute('data-mark'));
    assert.match(await page.focused(), /is lost with the connection: P can't know/);
    const after = await page.past();
    assert.deepEqual(after.slice(0, past.length - 1), past.slice(0, past.length - 1));
    // Step back before it, and fork again: B1 dies.
    await page.page.evaluate(() => document.activeElement.blur());
    while ((await page.place()).step >= step) await keyboard.press(',');
    const before = await page.place();
    await keyboard.press('f');
    await page.menuIsOpen();
    await page.pressUntil('ArrowDown', /^Broker 1/);
    await keyboard.press('Enter');
    await page.page.waitForFunction(() => document.activeElement.textContent.startsWith('Kill'));
    await keyboard.press('Enter');
    await page.menuIsClosed();
    const broken = await page.brokenByHand();
    assert.equal(broken.length, 2);
    assert.match(broken[1], /^at [\d.]+ms B1 kill$/);
    assert.ok((await page.place()).step <= before.step + 3, 'the playhead is at the fork');
    // Undo both, do one again.
    await page.page.evaluate(() => document.activeElement.blur());
    await keyboard.press('u');
    assert.deepEqual(await page.brokenByHand(), ['fault P Produce 1 response cut']);
    assert.deepEqual(await page.place(), before);
    await keyboard.press('Control+z');
    assert.deepEqual(await page.brokenByHand(), []);
    assert.equal(await page.headline.innerText(), calm);
    await keyboard.press('Shift+U');
    assert.match(await page.headline.innerText(), /is stored twice/);
  }));

test('a menu: arrow keys go round, a letter finds, Escape gives the focus back, Tab leaves', () =>
  lab.open({}, async (page) => {
    const { keyboard } = page.page;
    const lane = page.page.locator('.timeline .lane', { hasText: 'Broker 1' });
    await lane.focus();
    await keyboard.press('Enter');
    await page.menuIsOpen();
    assert.match(await page.focused(), /^Kill/);
    await keyboard.press('ArrowUp');
    assert.match(await page.focused(), /^60 s$/);
    await keyboard.press('Enter');
    await page.page.waitForFunction(() => document.querySelector('.attacks [role=menuitem] b')?.textContent === 'Kill for 60 s');
    await keyboard.press('Home');
    await keyboard.press('s');
    assert.match(await page.focused(), /^Stop cleanly for 60 s/);
    // What is impossible says why, and does nothing.
    await keyboard.press('w');
    assert.match(await page.focused(), /^Wipe the disk\s*B1 runs: kill or stop it first\.$/);
    await keyboard.press('Enter');
    assert.deepEqual(await page.brokenByHand(), []);
    await keyboard.press('Escape');
    await page.menuIsClosed();
    await page.page.waitForFunction(() => document.activeElement.classList.contains('lane'));
    await keyboard.press('Enter');
    await page.menuIsOpen();
    await keyboard.press('Tab');
    await page.menuIsClosed();
  }));

test('a lane can be broken for a while; the list takes it out again', () =>
  lab.open({}, async (page) => {
    const calm = await page.headline.innerText();
    await page.transport('To start');
    for (let steps = 0; steps < 40; steps++) await page.transport('Step forward');
    const { at } = await page.place();
    await page.openLane('Consumer');
    await page.menu.getByRole('menuitemradio', { name: '1 s', exact: true }).click();
    await page.attack('Crash, restart after 1 s');
    await page.menuIsClosed();
    const [line] = await page.brokenByHand();
    assert.match(line, /^at [\d.]+ms C crash for 1s$/);
    assert.equal((await page.place()).at, at, 'the instant is the same');
    await page.address(/do=at\+/);
    await page.page.getByRole('region', { name: 'Broken by hand' }).getByRole('button', { name: `Remove: ${line}` }).click();
    assert.deepEqual(await page.brokenByHand(), []);
    assert.equal(await page.headline.innerText(), calm);
  }));

test('a setting changes at the playhead', () =>
  lab.open({}, async (page) => {
    await page.page.getByRole('button', { name: 'Break something here' }).click();
    await page.menuIsOpen();
    await page.attack('min.insync.replicas=3');
    assert.match((await page.brokenByHand()).join(), /t set min\.insync\.replicas=3/);
  }));

test('at 390 pixels, by touch: the menu comes from below', () =>
  lab.open({ viewport: { width: 390, height: 844 }, hasTouch: true }, async (page) => {
    await page.page.locator('.timeline .lane').nth(1).tap();
    await page.menuIsOpen();
    const { x, width, bottom } = await page.menu.locator('..').evaluate((menu) => menu.getBoundingClientRect().toJSON());
    assert.deepEqual([x, width, Math.round(bottom)], [0, 390, 844]);
    await page.menu.getByRole('menuitem', { name: /^Kill/ }).tap();
    assert.match((await page.brokenByHand()).join(), /B1 kill$/);
    assert.equal(await page.page.evaluate(() => document.documentElement.scrollWidth), 390);
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`axe: with a menu open, ${colorScheme}`, () =>
    lab.open({ colorScheme }, async (page) => {
      await page.openLane('Broker 1');
      assert.deepEqual(await violations(page), []);
      await page.attack(/^Kill/);
      await page.menuIsClosed();
      assert.deepEqual(await violations(page), []);
    }));
  test(`axe: the text beside the picture, with an error, ${colorScheme}`, () =>
    lab.open({ colorScheme }, async (page) => {
      const field = await page.openText();
      await field.fill(`${await field.inputValue()}on C proccessed 3 C crash\n`);
      assert.deepEqual(await violations(page), []);
    }));
}

test('a wrong line is marked at its word, with what was expected; the last good run stays', () =>
  lab.open({}, async (page) => {
    const headline = await page.headline.innerText();
    const field = await page.openText();
    const text = await field.inputValue();
    await field.fill(`${text}on C proccessed 3 C crash\n`);
    const wave = page.page.locator('.script i.wrong');
    assert.equal(await wave.count(), 1);
    // It lies under the word: on its line, five letters in.
    const { line, column, letters } = await page.page.evaluate(() => {
      const [wave, editor] = [document.querySelector('.script i.wrong'), document.querySelector('.script .editor')];
      const letter = wave.getBoundingClientRect().width / parseInt(wave.style.width, 10);
      const [first, mark] = [editor.querySelector('.underlay > div').getBoundingClientRect(), wave.getBoundingClientRect()];
      return {
        line: Math.round((mark.top - first.top) / mark.height) + 1,
        column: Math.round((mark.left - first.left) / letter) + 1,
        letters: parseInt(wave.style.width, 10),
      };
    });
    assert.deepEqual({ line, column, letters }, { line: text.split('\n').length, column: 6, letters: 'proccessed'.length });
    assert.match(await page.page.locator('.script .expected').innerText(), /expected a point/);
    assert.equal(await page.headline.innerText(), headline);
    // The message leads to the word.
    await page.page.locator('.script .messages button').click();
    const chosen = await field.evaluate(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd));
    assert.equal(chosen, 'proccessed');
  }));

test('an unfinished text outlives a control, and is run or discarded when asked', () =>
  lab.open({}, async (page) => {
    const field = await page.openText();
    const text = await field.inputValue();
    const unfinished = `${text}fault P Produce 1 resp`;
    await field.fill(unfinished);
    await page.choose('acks', '1');
    assert.equal(await field.inputValue(), unfinished);
    const said = page.page.locator('.script [role=status]');
    assert.match(await said.innerText(), /kept as you left it; it can't be run yet/);
    await said.getByRole('button', { name: 'Discard it' }).click();
    assert.match(await field.inputValue(), /acks=1/);
    // Again, and finished: it waits to be asked for.
    await field.fill(unfinished);
    await page.choose('acks', 'all');
    await field.fill(`${unfinished}onse cut\n`);
    assert.deepEqual(await page.chips({ broken: true }), []);
    await said.getByRole('button', { name: 'Run this text' }).click();
    assert.ok((await page.chips({ broken: true })).includes('1 duplicated'));
  }));

test('text and picture are in step: the line at the playhead, the line of a mark, the instant of a line', () =>
  lab.open({ hash: '#v=1&preset=at-least-once-lost-acknowledgement&do=at+60ms+C+crash+for+1s' }, async (page) => {
    const field = await page.openText();
    const lines = (await field.inputValue()).split('\n');
    const band = (look) =>
      page.page.evaluate((look) => {
        const band = document.querySelector(`.script i.${look}`);
        return band.hidden ? 0 : parseInt(band.style.top, 10) + 1;
      }, look);
    const lineOf = (text) => lines.findIndex((line) => line.startsWith(text)) + 1;
    await page.transport('To start');
    assert.equal(await band('here'), 0);
    await page.transport('To end');
    assert.equal(await band('here'), lineOf('at 60ms'));
    // Ctrl+Enter in a line goes to its instant.
    const place = lines.slice(0, lineOf('fault P') - 1).join('\n').length + 3;
    await field.evaluate((field, place) => field.setSelectionRange(place, place), place);
    await field.press('Control+Enter');
    assert.match(await page.caption.innerText(), /lost|cut/);
    assert.equal(await band('here'), lineOf('fault P'));
    // The mark of the crash shows its line.
    await page.page.locator('.timeline [data-mark][aria-label^="C crashes"]').first().focus();
    assert.equal(await band('pointed'), lineOf('at 60ms'));
  }));
