// What a reader does with the page: choose, break, look, go back and forth, share.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

const PRESETS = [
  { name: 'At most once', settings: { acks: '0', retries: '0', 'enable.idempotence': 'false', commit: 'before' } },
  { name: 'At least once', settings: { acks: 'all', 'min.insync.replicas': '2', commit: 'after-batch' } },
  { name: 'Exactly once', settings: { 'enable.idempotence': 'true', 'isolation.level': 'read_committed' } },
];

for (const { name, settings } of PRESETS) {
  test(`${name}: settings, and in good weather a verdict without a broken promise`, () =>
    lab.open({}, async (page) => {
      await page.chooseGuarantee(name);
      assert.ok(await page.guarantee(name).isChecked());
      for (const [key, value] of Object.entries(settings)) assert.equal(await page.valueOf(key), value, key);
      assert.match(await page.headline.innerText(), /^Every record is stored once/);
      assert.deepEqual(await page.chips({ broken: true }), []);
      assert.ok((await page.chips()).includes('0 lost'));
      assert.ok((await page.lanes()).includes('Broker 3'));
      assert.ok((await page.marks.count()) > 40);
    }));
}

test('a textbook failure flips the verdict, a second click takes it back', () =>
  lab.open({}, async (page) => {
    const calm = await page.headline.innerText();
    await page.failure('The lost acknowledgement').click();
    assert.match(await page.headline.innerText(), /stored twice/);
    assert.ok((await page.chips({ broken: true })).includes('1 duplicated'));
    assert.deepEqual(await page.happens(), ['fault P Produce 3 response cut']);
    await page.failure('with Kafka').click();
    assert.deepEqual(await page.chips({ broken: true }), []);
    assert.equal(await page.valueOf('enable.idempotence'), 'true');
    await page.failure('with Kafka').click();
    assert.equal(await page.headline.innerText(), calm);
    assert.deepEqual(await page.happens(), []);
  }));

const FAILURES = [
  { guarantee: 'At most once', failure: 'The message is lost in delivery', breaks: ['1 lost'] },
  { guarantee: 'At most once', failure: 'The crash between commit and processing', breaks: ['1 skipped'] },
  { guarantee: 'At least once', failure: 'The crash between processing and commit', breaks: ['1 effect twice', '1 processed again'] },
  { guarantee: 'At least once', failure: 'acks=1, and the leader dies', breaks: ['3 lost'] },
  { guarantee: 'Exactly once', failure: 'The answer to the commit is lost', breaks: [] },
  { guarantee: 'Exactly once', failure: 'A database is written inside the transaction', breaks: ['6 effects twice'] },
];

for (const { guarantee, failure, breaks } of FAILURES) {
  test(`${guarantee}: ${failure}`, () =>
    lab.open({}, async (page) => {
      await page.chooseGuarantee(guarantee);
      await page.failure(failure).click();
      const broken = await page.chips({ broken: true });
      for (const chip of breaks) assert.ok(broken.includes(chip), `${chip} among ${broken}`);
      if (breaks.length === 0) assert.deepEqual(broken, []);
      assert.ok((await page.happens()).length > 0);
    }));
}

test('the bar tells how true this is, in the figures that a test has counted', () =>
  lab.open({}, async (page) => {
    const panel = await page.askHowTrue();
    const counted = readFileSync(new URL('../../src/view/fidelity.tsv', import.meta.url), 'utf8').trim().split('\n');
    const shown = await panel.locator('tbody tr').evaluateAll((rows) =>
      rows.map((row) => [row.cells[0].firstChild.textContent, ...[...row.cells].slice(1).map((cell) => cell.textContent)].join('\t')),
    );
    assert.deepEqual(shown, counted);
    assert.ok(await panel.locator('summary').evaluate((summary) => summary === document.activeElement));
    assert.match(await panel.innerText(), /Not modelled/i);
  }));

test('what was done can be taken out of the list', () =>
  lab.open({ hash: '#v=1&preset=at-most-once-lost-in-delivery' }, async (page) => {
    assert.ok((await page.chips({ broken: true })).includes('1 lost'));
    await page.page.getByRole('button', { name: 'Remove: fault P Produce 3 request cut' }).click();
    assert.deepEqual(await page.chips({ broken: true }), []);
  }));

test('scrubbing changes the state', () =>
  lab.open({}, async (page) => {
    assert.deepEqual(await page.log('B1'), ['0', '1', '2', '3', '4', '5']);
    await page.transport('To start');
    assert.deepEqual(await page.log('B1'), []);
    assert.equal((await page.place()).step, 0);
    const { steps } = await page.place();
    await page.slider.fill(String(Math.floor(steps / 2)));
    const half = await page.log('B1');
    assert.ok(half.length > 0 && half.length < 6, half.join());
    await page.transport('To end');
    assert.equal((await page.place()).step, steps);
  }));

test('step back undoes step forward', () =>
  lab.open({ hash: '#v=1&preset=at-least-once-lost-acknowledgement' }, async (page) => {
    const { steps } = await page.place();
    for (const step of [1, 20, Math.floor(steps / 2), steps - 1]) {
      await page.slider.fill(String(step));
      const [state, place, sentence] = [await page.state(), await page.place(), await page.caption.innerText()];
      await page.transport('Step forward');
      assert.equal((await page.place()).step, step + 1);
      await page.transport('Step back');
      assert.deepEqual(await page.place(), place);
      assert.equal(await page.caption.innerText(), sentence);
      // What the last step changed is marked; apart from that the state is the same.
      assert.equal(await page.state(), state);
    }
  }));

test('playing goes from step to step and stops at the end', () =>
  lab.open({}, async (page) => {
    const { steps } = await page.place();
    await page.slider.fill(String(steps - 3));
    await page.transport('Play');
    await page.page.waitForFunction(
      (end) => document.querySelector('.transport output').textContent.includes(`step ${end} of`),
      steps,
    );
    await page.page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    await page.transport('Play');
    assert.ok((await page.place()).step < steps, 'from the end it plays from the start');
    await page.transport('Pause');
    const paused = await page.place();
    await page.page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    assert.deepEqual(await page.place(), paused);
  }));

test('the address holds the whole scenario; a reload restores it, paused', () =>
  lab.open({}, async (page) => {
    await page.choose('acks', '1');
    await page.write('seed', '7');
    await page.write('records', '9');
    await page.select('sink', 'upsert by name');
    await page.failure('The lost acknowledgement').waitFor({ state: 'hidden' });
    const { steps } = await page.place();
    await page.slider.fill(String(Math.floor(steps / 3)));
    const hash = await page.address(/seed=7.*look=|look=.*seed=7|seed=7.*at=|at=.*seed=7/);
    const seen = [await page.place(), await page.headline.innerText(), await page.state()];
    await page.page.reload();
    await page.heading.waitFor();
    assert.equal(new URL(page.page.url()).hash, hash);
    assert.equal(await page.valueOf('acks'), '1');
    assert.equal(await page.valueOf('records'), '9');
    assert.equal(await page.valueOf('sink'), 'upsert');
    const restored = await page.place();
    assert.equal(restored.at, seen[0].at);
    assert.equal(await page.headline.innerText(), seen[1]);
    await page.page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    assert.deepEqual(await page.place(), restored, 'it is paused');
  }));

test('a mangled link opens and says what it ignored', () =>
  lab.open({ hash: '#v=1&preset=at-least-once-lost-acknowledgement&P.nonsense=1&seed=many&zebra=2' }, async (page) => {
    assert.match(await page.headline.innerText(), /stored twice/);
    const said = await page.ignored.innerText();
    for (const word of ['nonsense', 'many', 'zebra']) assert.match(said, new RegExp(word));
    await page.ignored.getByRole('button', { name: 'Dismiss' }).click();
    await page.ignored.waitFor({ state: 'hidden' });
  }));

test('what a link says is never markup', () =>
  lab.open({ hash: `#v=1&preset=at-least-once&title=${encodeURIComponent('<img src=x onerror=alert(1)>')}&%3Cb%3E=1` }, async (page) => {
    assert.match(await page.ignored.innerText(), /<b>/);
    assert.equal(await page.page.locator('main img, main b > b').count(), 0);
  }));

test('what Kafka refuses is said in its words at the setting, over the last good run', () =>
  lab.open({}, async (page) => {
    const headline = await page.headline.innerText();
    await page.choose('enable.idempotence', 'true');
    await page.choose('acks', '1');
    const answers = (await Promise.all(['acks', 'enable.idempotence'].map((key) => page.answers(key)))).flat();
    assert.equal(answers.length, 1);
    assert.match(answers[0], /ConfigException\s+Must set acks to all in order to use the idempotent producer\./);
    assert.equal(await page.page.locator('.stale').count(), 1);
    assert.equal(await page.headline.innerText(), headline);
    await page.choose('acks', 'all');
    assert.equal(await page.page.locator('.stale').count(), 0);
  }));

test('a refusal goes when its setting does: more requests in flight than an idempotent producer may have', () =>
  lab.open({ hash: '#v=1&preset=exactly-once' }, async (page) => {
    const key = 'max.in.flight.requests.per.connection';
    const headline = await page.headline.innerText();
    await page.write(key, '6');
    assert.match((await page.answers(key)).join(), /ConfigException\s+.*must be set to at most 5\. Current value is 6\./);
    assert.equal(await page.headline.innerText(), headline);
    await page.write(key, '5');
    assert.deepEqual(await page.answers(key), []);
  }));

test('what silently changes is said', () =>
  lab.open({}, async (page) => {
    const field = await page.openText();
    await field.fill((await field.inputValue()).replace(' enable.idempotence=false', ''));
    await page.write('retries', '0');
    assert.match((await page.answers('enable.idempotence')).join(), /idempotence/);
    assert.equal(await page.valueOf('enable.idempotence'), 'false');
  }));

test('the text and the picture change each other; an error names its line', () =>
  lab.open({}, async (page) => {
    const field = await page.openText();
    const text = await field.inputValue();
    await field.fill(`${text}on C proccessed 3 C crash\n`);
    assert.match((await page.textProblems()).join(), /line \d+, column 6 proccessed/);
    assert.deepEqual(await page.chips({ broken: true }), []);
    await field.fill(`${text}fault P Produce 1 response cut\n`);
    assert.deepEqual(await page.textProblems(), []);
    assert.ok((await page.chips({ broken: true })).includes('1 duplicated'));
    await page.choose('acks', '1');
    assert.match(await field.inputValue(), /acks=1/);
    // Chosen again, it begins anew.
    await page.chooseGuarantee('At least once');
    assert.equal(await field.inputValue(), text);
  }));

test('by keyboard alone: from mark to mark, the playhead follows', () =>
  lab.open({ hash: '#v=1&preset=at-least-once-lost-acknowledgement' }, async (page) => {
    const { page: tab } = page;
    const label = () => tab.evaluate(() => document.activeElement.getAttribute('aria-label'));
    for (let presses = 0; presses < 80; presses++) {
      await tab.keyboard.press('Tab');
      if (await tab.evaluate(() => document.activeElement.hasAttribute('data-mark'))) break;
    }
    const first = await label();
    assert.ok(first, 'the Tab key reaches a mark');
    await tab.keyboard.press('ArrowRight');
    const second = await label();
    assert.notEqual(second, first);
    assert.ok((await page.caption.innerText()).includes(second), 'the caption says what the mark says');
    await tab.keyboard.press('ArrowLeft');
    assert.equal(await label(), first);
    await tab.keyboard.press('ArrowDown');
    await tab.keyboard.press('Enter');
    assert.ok((await page.place()).step < (await page.place()).steps);
    const { step } = await page.place();
    await tab.evaluate(() => document.activeElement.blur());
    await tab.keyboard.press('.');
    assert.equal((await page.place()).step, step + 1);
    await tab.keyboard.press(',');
    assert.equal((await page.place()).step, step);
    await tab.keyboard.press('Home');
    assert.equal((await page.place()).step, 0);
  }));

test('the Tab key reaches every control', () =>
  lab.open({}, async (page) => {
    const missed = await page.controlsThatTabMisses();
    assert.deepEqual(missed, []);
  }));

test('the narration is in step with the playhead, both ways', () =>
  lab.open({}, async (page) => {
    const line = page.narration.nth(5);
    const sentence = await line.innerText();
    await line.click();
    assert.equal(await page.currentSentence.innerText(), sentence);
    const before = await page.place();
    assert.ok(before.step > 0 && before.step < before.steps);
  }));

test('at 390 pixels: one column, the controls come from below', () =>
  lab.open({ viewport: { width: 390, height: 844 } }, async (page) => {
    const wide = await page.page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(wide, 390, 'nothing sticks out');
    assert.ok(!(await page.setting('acks').isVisible()));
    const open = page.page.getByRole('button', { name: 'Settings and faults' });
    await open.click();
    await page.choose('acks', '1');
    await page.page.keyboard.press('Escape');
    await page.setting('acks').waitFor({ state: 'hidden' });
    assert.match(await page.address(/acks=1/), /acks=1/);
  }));
