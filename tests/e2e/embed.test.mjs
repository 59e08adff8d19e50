// Figures in a page of somebody else: drawn when near, one module for all, the page's theme, its keys and its wheel left alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { openHost, startHosts } from './host.mjs';
import { CONTENT_SECURITY_POLICY } from './server.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// What a documentation site with figures needs; its own scripts and sheets come from itself.
const POLICY = CONTENT_SECURITY_POLICY;

let lab;
before(async () => {
  lab = await startHosts((path) => {
    if (path.endsWith('/no-wasm.html')) return POLICY.replace(" 'wasm-unsafe-eval'", '');
    if (path.endsWith('/no-connect.html')) return POLICY.replace("connect-src 'self'; ", '');
    return POLICY.replace("worker-src 'self'", "worker-src 'self'; frame-src 'self'");
  });
});
after(() => lab?.close());

const open = (name, options, test) => openHost(lab, name, options, test);

test('figures load when they are near, and share one module', () =>
  open('plain.html', {}, async (host) => {
    await host.isLoaded('first');
    await host.isLoaded('second');
    assert.equal(await host.page.evaluate(() => document.getElementById('third').loaded), false, 'far below: not yet');
    await host.page.evaluate(() => document.getElementById('third').scrollIntoView());
    await host.isLoaded('third');
    const files = host.requests.map((url) => new URL(url).pathname.replace(/-[0-9a-f]{8,}/, ''));
    assert.deepEqual(files.filter((file) => file.includes('/lab/')).sort(), [
      '/docs/lab/embed.css', '/docs/lab/embed.js', '/docs/lab/kafka-guarantees.js', '/docs/lab/kafka-guarantees_bg.wasm',
    ]);
    assert.match(await host.figure('first').locator('.verdict h2').innerText(), /stored twice/);
    assert.match(await host.figure('third').locator('.verdict h2').innerText(), /\w/);
  }));

test('nothing moves when a figure is drawn, and the page is left as it was', () =>
  open('plain.html', { init: () => {
    window.shift = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => { window.shift += value; })).observe({ type: 'layout-shift', buffered: true });
  } }, async (host) => {
    const before = await host.traces();
    await host.isLoaded('first');
    await host.isLoaded('second');
    await host.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    assert.equal(await host.page.evaluate(() => window.shift), 0);
    const begin = await host.step('first');
    await host.figure('first').getByRole('button', { name: 'Step back' }).click();
    await host.isAtStep('first', begin - 1);
    await host.figure('first').locator('.setting[data-key="acks"]').getByRole('radio', { name: '1', exact: true }).check({ force: true });
    assert.deepEqual(await host.traces(), before);
    const font = (selector) => host.page.locator(selector).first().evaluate((element) => getComputedStyle(element).fontFamily);
    assert.equal(await font('#first .embedded'), await font('body'));
  }));

test('a figure follows the theme of the page, as each kind of site says it', () =>
  open('plain.html', {}, async (host) => {
    await host.isLoaded('first');
    const light = await host.paper('first');
    const set = (change) => host.page.evaluate(change);
    const becomes = (theme) => host.page.waitForFunction((theme) => document.querySelector('#first').shadowRoot.querySelector('.embedded').dataset.theme === theme, theme);
    assert.equal(await host.theme('first'), 'light');
    await set(() => { document.documentElement.className = 'navy'; });
    await becomes('dark');
    assert.notEqual(await host.paper('first'), light);
    await set(() => { document.documentElement.className = ''; document.body.setAttribute('data-md-color-scheme', 'slate'); });
    await becomes('dark');
    await set(() => document.body.setAttribute('data-md-color-scheme', 'default'));
    await becomes('light');
    await set(() => { document.body.removeAttribute('data-md-color-scheme'); document.documentElement.dataset.theme = 'dark'; });
    await becomes('dark');
    await set(() => { document.documentElement.dataset.theme = 'auto'; });
    await becomes('light');
    await host.page.emulateMedia({ colorScheme: 'dark' });
    await becomes('dark');
    await set(() => document.querySelector('#first').setAttribute('theme', 'light'));
    await becomes('light');
    assert.equal(await host.paper('first'), light);
  }));

test('keys and wheel are the page\'s until the figure has the focus; Escape leaves', () =>
  open('plain.html', {}, async (host) => {
    await host.isLoaded('first');
    const { page } = host;
    const start = await host.step('first');
    await page.locator('h1').click();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Home');
    assert.equal(await host.step('first'), start);
    const box = await host.figure('first').locator('.plot').boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.wheel(0, 300);
    await page.waitForFunction(() => scrollY > 200);
    await page.evaluate(() => scrollTo(0, 0));
    await host.figure('first').getByRole('button', { name: 'Step forward' }).focus();
    await page.keyboard.press('ArrowLeft');
    await host.isAtStep('first', start - 1);
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.activeElement === document.body), true);
    await page.keyboard.press('ArrowLeft');
    assert.equal(await host.step('first'), start - 1);
  }));

test('a figure that is taken away and put back works again', () =>
  open('plain.html', {}, async (host) => {
    await host.isLoaded('first');
    const left = await host.page.evaluate(async () => {
      const figure = document.querySelector('#first');
      const parent = figure.parentNode;
      const before = figure.nextSibling;
      figure.play();
      figure.remove();
      await new Promise((done) => setTimeout(done, 0));
      const gone = { loaded: figure.loaded, parts: figure.shadowRoot.querySelectorAll('.embedded').length };
      parent.insertBefore(figure, before);
      return gone;
    });
    assert.deepEqual(left, { loaded: false, parts: 0 });
    await host.isLoaded('first');
    assert.ok((await host.step('first')) > 0);
    // Moved within the page it does not begin anew.
    const kept = await host.page.evaluate(async () => {
      const figure = document.querySelector('#first');
      const drawn = figure.shadowRoot.querySelector('.embedded');
      document.querySelector('main').prepend(figure);
      await new Promise((done) => setTimeout(done, 0));
      return figure.loaded && figure.shadowRoot.querySelector('.embedded') === drawn;
    });
    assert.equal(kept, true);
  }));

test('events bubble out of the figure, and methods do what they say', () =>
  open('empty.html', {}, async (host) => {
    const told = await host.page.evaluate(async () => {
      const heard = [];
      for (const name of ['progress', 'load', 'step', 'verdict', 'change', 'visibility']) {
        document.addEventListener(name, (event) => event.target.localName === 'kafka-guarantees' && heard.push([name, event.detail]));
      }
      await customElements.whenDefined('kafka-guarantees');
      const figure = document.createElement('kafka-guarantees');
      figure.setAttribute('src', 'v=1&preset=at-least-once-lost-acknowledgement&at=40ms');
      figure.setAttribute('reveal', 'manual');
      document.querySelector('main').append(figure);
      await figure.load();
      const at = () => heard.filter(([name]) => name === 'step').at(-1)[1];
      const next = () => new Promise((done) => figure.addEventListener('step', () => done(), { once: true }));
      if (!heard.some(([name]) => name === 'step')) await next();
      const begin = at();
      let moved = next();
      figure.step(2);
      await moved;
      const stepped = at();
      moved = next();
      figure.seek(10);
      await moved;
      const sought = at();
      moved = next();
      figure.play();
      await moved;
      figure.pause();
      const png = await figure.toBlob();
      const bytes = [...new Uint8Array(await png.arrayBuffer()).slice(0, 4)];
      return {
        names: [...new Set(heard.map(([name]) => name))].sort(),
        begin, stepped, sought,
        verdict: heard.find(([name]) => name === 'verdict')[1],
        duplicates: figure.observations.verdict.duplicates,
        text: figure.toText(), link: figure.toLink(), svg: figure.toSVG({ theme: 'dark' }).slice(0, 60),
        mermaid: figure.export('mermaid').includes('sequenceDiagram'), trace: JSON.parse(figure.export('trace')).format,
        png: { type: png.type, bytes, large: png.size > 10_000 },
        loaded: figure.loaded,
      };
    });
    assert.deepEqual(told.names, ['load', 'progress', 'step', 'verdict', 'visibility']);
    assert.ok(told.begin.atMs <= 40 && told.begin.atMs > 20, JSON.stringify(told.begin));
    assert.equal(told.stepped.step, told.begin.step + 2);
    assert.ok(told.sought.atMs <= 10);
    assert.match(told.verdict.headline, /stored twice/);
    assert.equal(told.duplicates, 1);
    assert.match(told.text, /^kafka-guarantees 1\n/);
    assert.match(told.link, /\/docs\/lab\/index\.html#v=1&preset=at-least-once-lost-acknowledgement/);
    assert.match(told.svg, /^<svg xmlns/);
    assert.deepEqual([told.mermaid, told.trace, told.loaded], [true, 'kafka-guarantees-trace', true]);
    assert.deepEqual(told.png, { type: 'image/png', bytes: [0x89, 0x50, 0x4e, 0x47], large: true });
  }));

test('a reader is locked to the range that the author chose', () =>
  open('empty.html', {}, async (host) => {
    const reached = await host.page.evaluate(async () => {
      await customElements.whenDefined('kafka-guarantees');
      const figure = document.createElement('kafka-guarantees');
      for (const [name, value] of Object.entries({ src: 'at-least-once', loading: 'eager', from: '20ms', to: '60ms' })) figure.setAttribute(name, value);
      let at;
      figure.addEventListener('step', ({ detail }) => { at = detail.atMs; });
      document.querySelector('main').append(figure);
      await new Promise((done) => figure.addEventListener('load', done, { once: true }));
      const settled = () => new Promise((done) => setTimeout(done, 0));
      await settled();
      const places = [at];
      for (const move of [() => figure.seek(0), () => figure.seek(100_000), () => figure.step(-1000), () => figure.step(1000)]) {
        move();
        await settled();
        places.push(at);
      }
      return places;
    });
    assert.ok(reached.every((at) => at > 10 && at <= 60), reached.join(' '));
    assert.ok(Math.max(...reached) > Math.min(...reached));
  }));

test('without script, the fallback is there', async () => {
  const context = await lab.browser.newContext({ javaScriptEnabled: false });
  try {
    const page = await context.newPage();
    await page.goto(new URL('../plain.html', lab.server.address).href);
    assert.ok(await page.getByText('Record 2 is stored twice.').isVisible());
  } finally {
    await context.close();
  }
});

test('on paper there is the picture, without the controls', () =>
  open('plain.html', {}, async (host) => {
    await host.isLoaded('first');
    await host.page.emulateMedia({ media: 'print' });
    assert.ok(await host.figure('first').locator('.timeline').isVisible());
    assert.equal(await host.figure('first').locator('.transport').isVisible(), false);
  }));

test('too strict a policy is named in the box', async () => {
  for (const [name, says] of [['no-wasm.html', "script-src needs 'wasm-unsafe-eval'"], ['no-connect.html', "connect-src needs 'self'"]]) {
    const opened = open(name, {}, async (host) => {
      await host.page.waitForFunction(() => document.querySelector('kafka-guarantees').shadowRoot?.querySelector('.message:not([hidden])'));
      assert.match(await host.message().innerText(), new RegExp(says), name);
      assert.ok(await host.page.getByText('The fallback.').isVisible());
    });
    // Of most violations the browser tells in the console as well, which is what a healthy page never has.
    await opened.catch((error) => assert.match(error.message, /Content Security Policy/));
  }
});

test('axe finds nothing in a page with figures', () =>
  open('plain.html', {}, async (host) => {
    await host.isLoaded('first');
    await host.isLoaded('second');
    for (const theme of ['light', 'navy']) {
      await host.page.evaluate((theme) => { document.documentElement.className = theme; }, theme);
      await host.page.evaluate(axe);
      const found = await host.page.evaluate(async () => {
        const { violations } = await window.axe.run(document.querySelectorAll('kafka-guarantees'));
        return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
      });
      assert.deepEqual(found, [], theme);
    }
  }));

test('a figure in a frame tells and obeys over messages', () =>
  open('frame.html', {}, async (host) => {
    const said = await host.page.evaluate(async () => {
      const { figure, heard } = window;
      await figure.ready;
      while (!(await figure.loaded())) await new Promise((done) => setTimeout(done, 20));
      const text = await figure.toText();
      // At the end it tells of the last step first.
      const next = new Promise((done) => figure.addEventListener('step', ({ detail }) => detail.step < detail.steps && done(detail)));
      await figure.step(-2);
      const step = await next;
      const refused = await figure.seek('never').then(() => '', ({ message }) => message);
      const { verdict } = await figure.observations();
      const png = await figure.toBlob();
      return { text, step: step.step < step.steps, refused, duplicates: verdict.duplicates, png: png.type, resize: heard.some(([name, { height }]) => name === 'resize' && height > 100) };
    });
    assert.match(said.text, /^kafka-guarantees 1/);
    assert.deepEqual({ ...said, text: '' }, { text: '', step: true, refused: 'seek: `never` is no instant, such as 124.3ms or 2.5s.', duplicates: 1, png: 'image/png', resize: true });
  }));
