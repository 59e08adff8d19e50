// The timeline as an instrument: keys, stepping, following a record, zoom, long runs, reading.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

const BROKEN = '#v=1&preset=at-least-once-lost-acknowledgement';

test('? shows the keys, Esc closes them; while they are shown no other key is taken', () =>
  lab.open({ hash: BROKEN }, async (page) => {
    const { step } = await page.place();
    await page.press('?');
    await page.help.waitFor();
    const words = await page.help.innerText();
    for (const said of ['play or pause', 'the next one that changes a verdict', 'zoom in', 'undo']) assert.ok(words.includes(said), said);
    await page.press(',');
    assert.equal((await page.place()).step, step);
    await page.press('Escape');
    await page.help.waitFor({ state: 'hidden' });
    await page.press(',');
    assert.equal((await page.place()).step, step - 1);
  }));

test('no key is taken while someone writes', () =>
  lab.open({ hash: BROKEN }, async (page) => {
    const place = await page.place();
    const field = await page.openText();
    await field.focus();
    await page.page.keyboard.press('ControlOrMeta+Home');
    for (const key of ['?', ',', 'v', 'w']) await page.page.keyboard.type(key);
    assert.ok((await field.inputValue()).startsWith('?,vw'));
    assert.equal((await page.place()).at, place.at);
    assert.ok(!(await page.help.isVisible()));
  }));

test('v goes to what changes a verdict: the second copy', () =>
  lab.open({ hash: BROKEN }, async (page) => {
    await page.press('Home');
    await page.press('v');
    assert.match(await page.caption.innerText(), /appends record \d+ at offset/);
    const first = await page.place();
    await page.press('v');
    assert.ok((await page.place()).step > first.step);
    await page.press('Shift+V');
    assert.deepEqual(await page.place(), first);
  }));

test('a record is followed: its life is told, the rest is dimmed, the link holds it, Esc lets go', () =>
  lab.open({ hash: BROKEN }, async (page) => {
    await page.follow('record 2');
    const life = await page.life.innerText();
    assert.match(life, /appends record 2/);
    assert.ok((await page.dimmed.count()) > 10);
    assert.ok((await page.dimmed.count()) < (await page.marks.count()));
    await page.press('Home');
    await page.press('r');
    assert.match(await page.life.locator('[aria-current]').innerText(), /2/);
    await page.address(/record=r2/);
    await page.page.reload();
    await page.heading.waitFor();
    await page.life.waitFor();
    await page.press('Escape');
    await page.life.waitFor({ state: 'hidden' });
    assert.equal(await page.dimmed.count(), 0);
  }));

test('a retry says its log line, its error and its metrics', () =>
  lab.open({ hash: BROKEN }, async (page) => {
    await page.press('Home');
    for (let presses = 0; presses < 200 && !/again|retr/.test(await page.caption.innerText()); presses++) await page.press('.');
    const evidence = await page.evidence.innerText();
    assert.match(evidence, /WARN\s+Got error produce response with correlation id … on topic-partition t-0, retrying/);
    assert.match(evidence, /NETWORK_EXCEPTION/);
    assert.match(evidence, /record-retry-rate/);
    assert.equal(await page.metric('record-retry-total'), '1');
  }));

test('zoom by key and by wheel keeps the playhead in sight; a plain wheel scrolls the page', () =>
  lab.open({ hash: BROKEN }, async (page) => {
    await page.slider.fill('40');
    const before = await page.pictureWidth();
    await page.press('w');
    await page.untilWider(before);
    assert.ok(await page.playheadIsInSight());
    await page.minimap.waitFor();
    await page.press('0');
    await page.untilFits();
    await page.overPlot();
    const scrolled = await page.page.evaluate(() => scrollY);
    await page.page.mouse.wheel(0, 200);
    await page.page.waitForFunction((scrolled) => scrollY > scrolled, scrolled);
    const fitted = await page.pictureWidth();
    await page.page.evaluate(() => scrollTo(0, 0));
    await page.overPlot();
    await page.page.keyboard.down('Control');
    await page.page.mouse.wheel(0, -200);
    await page.page.keyboard.up('Control');
    await page.untilWider(fitted);
  }));

test('a long run is drawn on a canvas, and its marks are reached by keyboard all the same', () =>
  lab.open({}, async (page) => {
    await page.write('records', '400');
    await page.canvas.waitFor();
    assert.ok((await page.marks.count()) <= 1, 'only the mark that can have the focus is an element');
    const mark = page.marks.first();
    await mark.focus();
    const first = await mark.getAttribute('aria-label');
    assert.ok(first);
    await page.page.keyboard.press('ArrowLeft');
    const label = () => page.page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    const second = await label();
    assert.notEqual(second, first);
    assert.ok((await page.caption.innerText()).includes(second));
    await page.page.keyboard.press('ArrowRight');
    assert.equal(await label(), first);
    assert.ok(await page.canvasIsDrawn());
  }));

test('a click on a mark of the canvas moves the playhead there', () =>
  lab.open({}, async (page) => {
    await page.write('records', '400');
    await page.canvas.waitFor();
    const mark = page.marks.first();
    await mark.focus();
    for (let presses = 0; presses < 4; presses++) await page.page.keyboard.press('ArrowLeft');
    const { step } = await page.place();
    await page.page.keyboard.press('Enter');
    assert.ok((await page.place()).step < step);
  }));
