// The page object: how a test opens the page and what it sees there. A test names things as a person would;
// the selectors are here, in one place.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { serve } from './server.mjs';

const FLAGS = [
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
  static async start() {
    const server = await serve();
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
  static async open(lab, hash, options) {
    const context = await lab.browser.newContext(options);
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
    /** The requests made, in order. */
    this.requests = [];
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
      this.requests.push(request.url());
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

  get heading() {
    return this.page.getByRole('heading', { level: 1 });
  }

  assertNoProblems() {
    assert.deepEqual(this.problems, []);
  }

  close() {
    return this.context.close();
  }
}
