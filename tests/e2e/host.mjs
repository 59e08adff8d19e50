// A page of somebody else with figures in it: how a test opens it, and what it sees there.
import assert from 'node:assert/strict';
import { Lab } from './page.mjs';
import { CONTENT_SECURITY_POLICY } from './server.mjs';

/** Where the pages of tests/e2e/hosts lie: above the folder of the lab. */
const HOSTS = { '/docs/': 'tests/e2e/hosts' };

/** A browser and a server; `policy` is the pages' Content-Security-Policy. */
export const startHosts = (policy = CONTENT_SECURITY_POLICY) => Lab.start({ also: HOSTS, policy });

/** Opens one of the pages, hands it to `test`, and holds it to having had no problem unless `problems` are asked for. */
export function openHost(lab, name, options, test) {
  return lab.open({ ...options, hash: `../${name}` }, (page) => test(new HostPage(page)));
}

export class HostPage {
  constructor(lab) {
    this.lab = lab;
    this.page = lab.page;
    this.requests = lab.requests;
  }

  figure(id) {
    return this.page.locator(`#${id}`);
  }

  /** Waits until a figure is drawn. */
  async isLoaded(id) {
    await this.page.waitForFunction((id) => document.getElementById(id).loaded, id);
  }

  /** The part of the page's address and storage that a figure must leave alone. */
  traces() {
    return this.page.evaluate(() => ({
      href: location.href,
      history: history.length,
      stored: localStorage.length + sessionStorage.length,
      cookies: document.cookie,
      styles: document.adoptedStyleSheets.length + document.querySelectorAll('style').length,
    }));
  }

  /** The step that a figure is at. */
  async step(id) {
    const text = await this.figure(id).locator('.transport output').innerText();
    return Number(text.match(/step (\d+) of/)?.[1] ?? assert.fail(text));
  }

  /** Waits until a figure is at a step. */
  async isAtStep(id, step) {
    await this.figure(id).locator('.transport output', { hasText: `step ${step} of` }).waitFor();
  }

  theme(id) {
    return this.figure(id).locator('.embedded').getAttribute('data-theme');
  }

  /** The colour of the paper that a figure is drawn on. */
  paper(id) {
    return this.figure(id).locator('.embedded').evaluate((figure) => getComputedStyle(figure).backgroundColor);
  }

  /** Puts a figure with these attributes into the page; what becomes of it: `['load' | 'error', detail]`. */
  put(attributes) {
    return this.page.evaluate(
      (attributes) =>
        new Promise((done) => {
          const figure = document.createElement('kafka-guarantees');
          for (const [name, value] of Object.entries({ loading: 'eager', ...attributes })) figure.setAttribute(name, value);
          for (const name of ['load', 'error']) figure.addEventListener(name, ({ detail }) => done([name, detail]), { once: true });
          document.querySelector('main').append(figure);
        }),
      attributes,
    );
  }

  /** What the box of the (last) figure says. */
  message() {
    return this.page.locator('kafka-guarantees').last().locator('.message');
  }
}
