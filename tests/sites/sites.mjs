// Builds a site with two figures by each of four documentation generators, from their packages, and looks at it in Chromium: both
// figures run, the site's own switch of themes is followed, no error in the console, no request to another host.
// `node tests/sites/sites.mjs [NAME]...`; the tools and the built sites lie in target/sites.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { FLAGS } from '../e2e/page.mjs';
import { serve } from '../e2e/server.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = join(root, 'target/sites');
const python = join(target, 'venv/bin/python');
const FOLDER = 'kafka-guarantees';

const run = (folder, program, ...words) => execFileSync(program, words, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });

/** Python's packages, in a place of their own. */
function havePython(...packages) {
  if (!existsSync(python)) run(target, 'python3', '-m', 'venv', 'venv');
  run(target, python, '-m', 'pip', 'install', '--quiet', ...packages);
}

/** How each is installed and built, where the folder goes, where the site is then, and how a reader switches to its dark theme. */
const SITES = {
  mdbook: {
    tools: () => existsSync(join(target, 'mdbook/bin/mdbook')) || run(target, 'cargo', 'install', 'mdbook', '--version', '^0.5', '--no-default-features', '--root', 'mdbook'),
    folder: 'src',
    build: (site) => run(site, join(target, 'mdbook/bin/mdbook'), 'build'),
    built: 'book',
    page: 'delivery.html',
    dark: async (page) => {
      await page.locator('#mdbook-theme-toggle, #theme-toggle').click();
      await page.locator('#mdbook-theme-navy, button#navy').click();
    },
  },
  mkdocs: {
    tools: () => havePython('mkdocs-material==9.8.*'),
    folder: 'docs',
    build: (site) => run(site, python, '-m', 'mkdocs', 'build', '--quiet'),
    built: 'site',
    dark: (page) => page.locator('label[for="__palette_1"]').click(),
  },
  sphinx: {
    tools: () => havePython('sphinx==9.0.*', 'furo==2025.*'),
    folder: '_static',
    build: (site) => run(site, python, '-m', 'sphinx', '-q', '.', 'built'),
    built: 'built',
    dark: async (page) => {
      // Auto, light, dark: as often as it takes.
      const toggle = page.locator('.theme-toggle:visible').first();
      for (let times = 0; times < 3 && (await page.evaluate(() => document.body.dataset.theme)) !== 'dark'; times++) await toggle.click();
    },
  },
  docusaurus: {
    tools: (site) => run(site, 'npm', 'install', '--no-audit', '--no-fund', '--silent'),
    folder: 'static',
    build: (site) => run(site, join(site, 'node_modules/.bin/docusaurus'), 'build'),
    built: 'build',
    base: '/site/',
    dark: async (page) => {
      // System, light, dark: as often as it takes.
      const toggle = page.locator('button[class*="toggleButton"]:visible').first();
      for (let times = 0; times < 3 && (await page.evaluate(() => document.documentElement.dataset.theme)) !== 'dark'; times++) await toggle.click();
    },
  },
};

const wanted = process.argv.slice(2);
const names = wanted.length ? wanted : Object.keys(SITES);
mkdirSync(target, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
let failed = 0;
try {
  for (const name of names) {
    const begun = Date.now();
    try {
      await check(name, SITES[name] ?? assert.fail(`no site ${name}: ${Object.keys(SITES).join(', ')}`));
      console.log(`ok      ${name} (${((Date.now() - begun) / 1000).toFixed(0)} s)`);
    } catch (error) {
      failed++;
      console.log(`FAILED  ${name}: ${error.message}`);
    }
  }
} finally {
  await browser.close();
}
process.exitCode = failed ? 1 : 0;

async function check(name, site) {
  const folder = join(target, name === 'mdbook' ? 'mdbook-site' : name);
  cpSync(join(root, 'tests/sites', name), folder, { recursive: true });
  site.tools(folder);
  const copy = join(folder, site.folder, FOLDER);
  rmSync(copy, { recursive: true, force: true });
  rmSync(join(folder, site.built), { recursive: true, force: true });
  cpSync(join(root, 'dist'), copy, { recursive: true });
  site.build(folder);
  // The sites have inline scripts of their own: their policy is theirs, what they fetch is not.
  const server = await serve({ folder: join(folder, site.built), base: site.base ?? '/site/', policy: '' });
  const context = await browser.newContext({ colorScheme: 'light', viewport: { width: 1280, height: 900 } });
  try {
    const page = await context.newPage();
    const problems = [];
    page.on('console', (message) => {
      // The icon that a browser asks for by itself, where a site has none, is no figure's.
      const { url } = message.location();
      if (message.type() === 'error' && new URL(url, server.origin).pathname !== '/favicon.ico') problems.push(`console: ${message.text()} ${url}`);
    });
    page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
    context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith('http') && origin !== server.origin) problems.push(`request to another host: ${request.url()}`);
    });
    await page.goto(server.address + (site.page ?? ''));
    await page.waitForFunction(() => document.getElementById('first')?.loaded, undefined, { timeout: 60_000 });
    await page.evaluate(() => document.getElementById('second').scrollIntoView());
    await page.waitForFunction(() => document.getElementById('second').loaded, undefined, { timeout: 60_000 });
    const headline = await page.locator('#first .verdict h2').innerText();
    assert.match(headline, /stored twice/);
    const becomes = (theme) =>
      page.waitForFunction(
        (theme) => ['first', 'second'].every((id) => document.getElementById(id).shadowRoot.querySelector('.embedded').dataset.theme === theme),
        theme,
      );
    await becomes('light');
    await page.evaluate(() => scrollTo(0, 0));
    await site.dark(page);
    await becomes('dark');
    assert.deepEqual(problems, []);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
  } finally {
    await context.close();
    await server.close();
  }
}
