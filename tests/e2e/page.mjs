// The page object: how a test opens the page and what it sees there. A test names things as a person would;
// the selectors are here, in one place.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { serve } from './server.mjs';

export const FLAGS = [
  '--no-sandbox', // as root, in a container
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser and a server for all tests of one file: `before` and `after` start and close it. */
export class Lab {
  static async start(options) {
    const server = await serve(options);
    try {
      const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
      return new Lab(server, await chromium.launch({ executablePath, args: FLAGS }));
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  constructor(server, browser) {
    this.server = server;
    this.browser = browser;
  }

  /** Opens the page, waits until it is drawn, hands it to `test`, and then holds it to having had no problem. */
  async open({ hash = '', ...context } = {}, test) {
    const page = await LabPage.open(this, hash, { viewport: { width: 1280, height: 800 }, ...context });
    try {
      await test(page);
      page.assertNoProblems();
    } finally {
      await page.close();
    }
  }

  async close() {
    await this.browser.close();
    await this.server.close();
  }
}

export class LabPage {
  static async open(lab, hash, { init, ...options }) {
    const context = await lab.browser.newContext(options);
    // Runs before the page's own scripts: takes away what a browser may not have.
    if (init) await context.addInitScript(init);
    const page = new LabPage(lab, context, await context.newPage());
    try {
      await page.visit(hash);
      return page;
    } catch (error) {
      await context.close();
      if (page.problems.length) error.message += `\nThe page had problems:\n${page.problems.join('\n')}`;
      throw error;
    }
  }

  constructor(lab, context, page) {
    this.lab = lab;
    this.context = context;
    this.page = page;
    /** Everything a healthy page never has, as one sentence each. */
    this.problems = [];
    /** The requests made, in order: by the page itself, and by its workers. */
    this.requests = [];
    this.workerRequests = [];
    this.#watch();
  }

  #watch() {
    const note = (problem) => this.problems.push(problem);
    // A violation of the Content-Security-Policy is an error in the console as well.
    this.context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) note(`console ${message.type()}: ${message.text()}`);
    });
    this.page.on('pageerror', (error) => note(`uncaught: ${error.message}`));
    this.context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol === 'data:') return;
      const byWorker = request.headers().referer?.endsWith('/worker.js') ?? false;
      (byWorker ? this.workerRequests : this.requests).push(request.url());
      if (origin !== this.lab.server.origin) note(`request to another host: ${request.url()}`);
    });
    this.context.on('requestfailed', (request) => note(`failed: ${request.url()}: ${request.failure()?.errorText}`));
    this.context.on('response', (response) => {
      if (response.status() >= 400) note(`status ${response.status()}: ${response.url()}`);
    });
  }

  /** Goes to the page as a link with this hash does (with the leading #, or empty), and waits until it is drawn. */
  async visit(hash = '') {
    await this.page.goto(this.lab.server.address + hash);
    await this.heading.waitFor();
  }

  /** Waits until the verdict, and nothing else, has the focus, and is seen. */
  async verdictIsShown() {
    await this.page.waitForFunction(() => {
      const verdict = document.querySelector('.verdict h2');
      const { top, bottom } = verdict.getBoundingClientRect();
      return document.activeElement === verdict && top >= 0 && bottom <= innerHeight;
    });
  }

  /** Waits until something is seen without scrolling. */
  async isInView(locator) {
    await this.page.waitForFunction((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    }, await locator.elementHandle());
  }

  get heading() {
    return this.page.getByRole('heading', { level: 1 });
  }

  // ---- the bar ------------------------------------------------------------------------------

  guarantee(name) {
    return this.page.getByRole('radiogroup', { name: 'Guarantee' }).getByRole('radio', { name });
  }

  /** Opens one of the three guarantees as a reader does. */
  async chooseGuarantee(name) {
    await this.guarantee(name).click({ force: true });
  }

  // ---- the controls -------------------------------------------------------------------------

  setting(key) {
    return this.page.locator(`.setting[data-key="${key}"]`);
  }

  /** Chooses one of the values that stand side by side. */
  async choose(key, value) {
    await this.setting(key).getByRole('radio', { name: value, exact: true }).check({ force: true });
  }

  /** Chooses one of a list. */
  async select(key, label) {
    await this.setting(key).getByRole('combobox').selectOption({ label });
  }

  /** Writes a value and leaves the field. */
  async write(key, value) {
    const field = this.setting(key).getByRole('textbox');
    await field.fill(value);
    await field.blur();
  }

  /** What a setting is set to. */
  async valueOf(key) {
    const setting = this.setting(key);
    if (await setting.getByRole('textbox').count()) return setting.getByRole('textbox').inputValue();
    if (await setting.getByRole('combobox').count()) return setting.getByRole('combobox').inputValue();
    return setting.locator('input:checked').inputValue();
  }

  /** What Kafka says to a setting. */
  answers(key) {
    return this.setting(key).locator('.said').allInnerTexts();
  }

  failure(title) {
    return this.page.locator('.failures').getByRole('button', { name: title });
  }

  /** What is done to the run, line by line. */
  happens() {
    return this.page.locator('.happens li span').allInnerTexts();
  }

  // ---- verdict, picture, transport -----------------------------------------------------------

  get headline() {
    return this.page.locator('.verdict h2');
  }

  /** The promises: broken ones and all. */
  chips({ broken = false } = {}) {
    return this.page.locator(broken ? '.chip.broken' : '.chip').allInnerTexts();
  }

  get marks() {
    return this.page.locator('.timeline [data-mark]:not(.background)');
  }

  /** The lanes' titles, from top to bottom. */
  lanes() {
    return this.page.locator('.timeline .lane b').allInnerTexts();
  }

  get caption() {
    return this.page.locator('.timeline .caption');
  }

  /** Presses a button of the transport. */
  async transport(name) {
    await this.page.getByRole('group', { name: 'Playhead' }).getByRole('button', { name, exact: true }).click();
  }

  get slider() {
    return this.page.getByRole('slider', { name: 'Step' });
  }

  /** "124.3 ms · step 41 of 66 · seed 7", in parts. */
  async place() {
    const text = await this.page.locator('.transport output').innerText();
    const [, at, step, steps, seed] = text.match(/^(.+) · step (\d+) of (\d+) · seed (\d+)$/) ?? assert.fail(text);
    return { at, step: Number(step), steps: Number(steps), seed };
  }

  /** All that is said about the instant of the playhead. */
  state() {
    return this.page.locator('.state').innerText();
  }

  /** The records in a broker's log at the playhead. */
  async log(broker) {
    return this.page.getByRole('group', { name: `Log of ${broker}` }).first().locator('.token').allInnerTexts();
  }

  get narration() {
    return this.page.locator('.narration li button');
  }

  get currentSentence() {
    return this.page.locator('.narration [aria-current="step"]');
  }

  /**
   * Presses Tab until the focus has gone round, and names the visible controls where it never was. Radio buttons that
   * belong together count as one, as the arrow keys go from one to the next.
   */
  async controlsThatTabMisses() {
    await this.page.evaluate(() => {
      const known = [...document.querySelectorAll('a[href], button, select, textarea, summary, input')];
      window.unreached = new Set(known.filter((control) => control.checkVisibility() && !control.disabled));
      document.addEventListener('focusin', ({ target }) => {
        for (const control of window.unreached) {
          if (control === target || (target.type === 'radio' && control.name === target.name)) window.unreached.delete(control);
        }
      });
    });
    const most = 2 * (await this.page.evaluate(() => window.unreached.size)) + 20;
    for (let presses = 0; presses < most; presses++) {
      await this.page.keyboard.press('Tab');
      if (await this.page.evaluate(() => window.unreached.size === 0)) break;
    }
    return this.page.evaluate(() => [...window.unreached].map((control) => control.outerHTML.slice(0, 120)));
  }

  // ---- the timeline as an instrument ----------------------------------------------------------

  /** Presses a key while nothing in particular has the focus. */
  async press(key) {
    await this.page.evaluate(() => document.activeElement?.blur?.());
    await this.page.keyboard.press(key);
  }

  get help() {
    return this.page.getByRole('dialog', { name: 'Keys' });
  }

  /** Follows a record, or lets go of it. */
  async follow(name) {
    await this.page.getByRole('button', { name: `Follow ${name}`, exact: true }).click();
  }

  get life() {
    return this.page.getByRole('region', { name: 'The life of a record' });
  }

  get dimmed() {
    return this.page.locator('.timeline [data-mark].dim');
  }

  get evidence() {
    return this.page.locator('.timeline .evidence');
  }

  /** A metric's value at the playhead. */
  metric(name) {
    return this.page.locator('.metrics tr', { has: this.page.getByRole('rowheader', { name, exact: true }) }).locator('td').last().innerText();
  }

  get minimap() {
    return this.page.locator('.timeline .minimap');
  }

  get canvas() {
    return this.page.locator('.timeline .roll canvas');
  }

  pictureWidth() {
    return this.page.locator('.timeline .plot').evaluate((plot) => plot.scrollWidth);
  }

  async untilWider(width) {
    await this.page.waitForFunction((width) => document.querySelector('.timeline .plot').scrollWidth > width, width);
  }

  async untilFits() {
    await this.page.waitForFunction(() => {
      const plot = document.querySelector('.timeline .plot');
      return plot.scrollWidth <= plot.clientWidth + 1;
    });
  }

  /** Whether the playhead is within what is seen of the picture. */
  playheadIsInSight() {
    return this.page.evaluate(() => {
      const plot = document.querySelector('.timeline .plot').getBoundingClientRect();
      const head = document.querySelector('.timeline .playhead').getBoundingClientRect();
      return head.left >= plot.left - 8 && head.right <= plot.right + 8;
    });
  }

  /** Moves the pointer over the picture. */
  async overPlot() {
    const box = await this.page.locator('.timeline .plot').boundingBox();
    await this.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  }

  /** Whether something else than nothing is on the canvas. */
  canvasIsDrawn() {
    return this.canvas.evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value) => value !== 0);
    });
  }

  // ---- moments, odds, the fewest faults -------------------------------------------------------

  get moments() {
    return this.page.getByRole('region', { name: 'Moments of broken promises' });
  }

  /** The button of a moment ("no return", "broken") of the promise that is told in these words. */
  moment(promise, label) {
    return this.moments.getByRole('listitem').filter({ hasText: promise }).getByRole('button', { name: label });
  }

  /** The marks of moments under the picture. */
  get momentMarks() {
    return this.page.locator('.timeline svg.moments [role="button"]');
  }

  get fewest() {
    return this.page.getByRole('region', { name: 'The fewest faults that break each promise' });
  }

  /** A cell of the table of the fewest faults. */
  fewestCell(promise, column) {
    return this.fewest.getByRole('row', { name: promise }).locator(`td[data-column="${column}"]`);
  }

  /** Waits until a cell of that table has an answer of a kind. */
  async untilFewest(promise, column, kind) {
    await this.fewestCell(promise, column).and(this.page.locator(`[data-kind="${kind}"]`)).waitFor({ timeout: 120_000 });
  }

  // ---- the matrix ---------------------------------------------------------------------------

  get matrix() {
    return this.page.getByRole('region', { name: 'What each guarantee costs, and what it keeps' });
  }

  /** What the page counts while it measures, as numbers where they are. */
  async counters() {
    const data = await this.matrix.evaluate((section) => ({ ...section.dataset }));
    const number = (text) => (text === undefined || text === '' ? undefined : Number(text));
    const { state, done, total, generation, workers, stopMs, longestMs } = data;
    return {
      state,
      ...{ done: number(done), total: number(total), generation: number(generation), workers: number(workers) },
      ...{ stopMs: number(stopMs), longestMs: number(longestMs) },
    };
  }

  /** Waits until the page's counters have these values; `true`: any value. */
  async untilCounters(wanted) {
    await this.page.waitForFunction(
      (wanted) => {
        const { dataset } = document.querySelector('.matrix');
        return Object.entries(wanted).every(([key, value]) => (value === true ? key in dataset : dataset[key] === String(value)));
      },
      wanted,
      { timeout: 120_000 },
    );
  }

  /** Waits until so many runs are done. */
  async untilDone(runs) {
    await this.page.waitForFunction((runs) => Number(document.querySelector('.matrix').dataset.done) >= runs, runs, { timeout: 120_000 });
  }

  /** A cell of a row's first line. */
  matrixCell(row, column) {
    return this.matrix.locator('tbody', { has: this.page.getByRole('rowheader', { name: row }) }).locator(`tr:not(.further) td[data-column="${column}"]`);
  }

  /** The numbers of a column's first lines, top to bottom. */
  numbers(column) {
    return this.matrix.locator(`tr:not(.further) td[data-column="${column}"] .number`).allInnerTexts();
  }

  async stopMeasuring() {
    await this.matrix.getByRole('button', { name: 'Stop' }).click();
    await this.untilCounters({ state: 'stopped', stopMs: true });
  }

  // ---- the guide ------------------------------------------------------------------------------

  get guide() {
    return this.page.getByRole('region', { name: 'Lose, repeat or wait' });
  }

  /** A statement: a link that holds its scene. */
  statement(text) {
    return this.guide.getByRole('link', { name: text });
  }

  /** Unfolds a part of the guide, or a claim in it, and gives it. */
  async unfold(title) {
    const summary = this.guide.locator('summary', { hasText: title });
    await summary.click();
    return summary.locator('..');
  }

  /** Unfolds the whole guide. */
  async unfoldAll() {
    const parts = this.guide.locator('details > summary');
    for (let place = 0; place < (await parts.count()); place++) await parts.nth(place).click();
  }

  /** Answers a question of the part that chooses a configuration. */
  async answer(question, answer) {
    const group = this.guide.getByRole('radiogroup', { name: question });
    await group.getByRole('radio', { name: answer, exact: true }).check({ force: true });
  }

  // ---- breaking by hand -----------------------------------------------------------------------

  /** The menu of what can be broken. */
  get menu() {
    return this.page.locator('.attacks').getByRole('menu');
  }

  /** Waits until the menu is there and has the focus. */
  async menuIsOpen() {
    await this.page.waitForFunction(() => document.querySelector('.attacks [role=menu]')?.contains(document.activeElement));
  }

  async menuIsClosed() {
    await this.menu.waitFor({ state: 'detached' });
  }

  /** What has the focus: a mark's sentence, or the text of anything else. */
  focused() {
    return this.page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
  }

  /** Presses a key until what has the focus says something. */
  async pressUntil(key, wanted, most = 200) {
    for (let presses = 0; presses < most; presses++) {
      if (wanted.test(await this.focused())) return;
      await this.page.keyboard.press(key);
    }
    assert.fail(`${key} never leads to ${wanted}; the last was: ${await this.focused()}`);
  }

  /** Opens the menu of a lane. */
  async openLane(title) {
    await this.page.locator('.timeline .lane', { hasText: title }).click();
    await this.menuIsOpen();
  }

  /** Chooses an item of the open menu. */
  async attack(label) {
    await this.menu.getByRole('menuitem', { name: label }).click();
  }

  /** What was broken by hand, line by line. */
  brokenByHand() {
    return this.page.locator('.by-hand li code').allInnerTexts();
  }

  /** The sentences of the past: up to the instant of the playhead. */
  past() {
    return this.page.evaluate(() => {
      const lines = [...document.querySelectorAll('.narration li')];
      const now = lines.findIndex((line) => line.querySelector('[aria-current="step"]'));
      return lines.slice(0, now).map((line) => line.innerText);
    });
  }

  // ---- text, messages, address ----------------------------------------------------------------

  /** What the page says it ignored. */
  get ignored() {
    return this.page.locator('.notice.ignored');
  }

  async openText() {
    const field = this.page.getByRole('textbox', { name: 'Scenario text' });
    if (!(await field.isVisible())) await this.page.getByText('Scenario as text').click();
    return field;
  }

  /** Asks in the bar how true all of this is. */
  async askHowTrue() {
    await this.page.getByRole('button', { name: 'How true is this?' }).click();
    const panel = this.page.locator('.fidelity');
    await panel.getByRole('table').waitFor();
    return panel;
  }

  textProblems() {
    return this.page.locator('.script .messages li').allInnerTexts();
  }

  /** Waits until the address says something, and gives its part after `#`. */
  async address(expected) {
    await this.page.waitForURL((url) => expected.test(url.hash));
    return new URL(this.page.url()).hash;
  }

  assertNoProblems() {
    assert.deepEqual(this.problems, []);
  }

  close() {
    return this.context.close();
  }
}
