// The release folder, made of dist/: what it says of itself is so, and its own page shows all of it working below a path.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';
import { CONTENT_SECURITY_POLICY } from './server.mjs';

let packages;
let folder;
let printed;
before(() => {
  packages = mkdtempSync(join(tmpdir(), 'kafka-guarantees-'));
  printed = execFileSync(process.execPath, ['xtask/package.mjs', packages], { encoding: 'utf8' });
  folder = join(packages, readdirSync(packages).find((name) => /^kafka-guarantees-\d+\.\d+\.\d+$/.test(name)));
});
after(() => packages && rmSync(packages, { recursive: true }));

const sha256 = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

test('checksums are those of the files, and the zip holds them', () => {
  const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trim().split('\n').map((line) => line.split('  '));
  assert.deepEqual(sums.map(([, name]) => name).sort(), readdirSync(folder).filter((name) => name !== 'SHA256SUMS').sort());
  for (const [sum, name] of sums) assert.equal(sha256(join(folder, name)), sum, name);
  const [sum, name] = readFileSync(`${folder}.zip.sha256`, 'utf8').trim().split('  ');
  assert.equal(sha256(join(packages, name)), sum);
  const listed = execFileSync('unzip', ['-Z1', join(packages, name)], { encoding: 'utf8' }).trim().split('\n');
  assert.equal(listed.length, sums.length + 1);
  const embed = `sha384-${createHash('sha384').update(readFileSync(join(folder, 'embed.js'))).digest('base64')}`;
  assert.ok(printed.includes(`${embed}  embed.js`));
});

test('licences of what is inside are inside', () => {
  const licences = readFileSync(join(folder, 'THIRD-PARTY.txt'), 'utf8');
  for (const crate of ['leptos', 'wasm-bindgen', 'serde']) assert.match(licences, new RegExp(`^${crate} \\d+\\.\\d+\\.\\d+: MIT`, 'm'));
  assert.match(licences, /Permission is hereby granted/);
});

test('its own page shows all of it at work', async () => {
  const lab = await Lab.start({ folder, base: '/some/where/else/', policy: `${CONTENT_SECURITY_POLICY}; frame-src 'self'` });
  try {
    await lab.open({ hash: 'hand-over.html' }, async ({ page }) => {
      const output = (id, text) => page.locator(`#${id} output`, { hasText: text }).waitFor();
      await output('told', 'stored twice');
      await output('program', '1');
      await page.locator('iframe').scrollIntoViewIfNeeded();
      await output('framed', / of /);
      await page.waitForFunction(() => document.getElementById('own').loaded);
    });
  } finally {
    await lab.close();
  }
});
