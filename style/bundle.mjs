// Trunk's post_build hook: ships the sheets of style/ as ONE stylesheet, which a page budget of six requests
// needs and a list of @import does not give. Reads style/main.css, puts each imported sheet in its place, names
// the result by its content (so that it can be cached for ever) and links it from the built index.html.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { TRUNK_STAGING_DIR: staging, TRUNK_SOURCE_DIR: source, TRUNK_PROFILE: profile } = process.env;
if (!staging || !source) throw new Error('style/bundle.mjs is run by Trunk, as its post_build hook (Trunk.toml)');

const LINK = 'href="style/main.css"';
const sheet = (name) => readFileSync(join(source, 'style', name), 'utf8');

/** Comments and indentation away. A sheet here has no string with a comment sign or a line break in it. */
const shorten = (css) =>
  css
    .replace(/\/\*[^]*?\*\//g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .join('\n');

const main = sheet('main.css').replace(/\/\*[^]*?\*\//g, '');
const names = [...main.matchAll(/@import "([a-z-]+\.css)";/g)].map(([, name]) => name);
const rest = main.replace(/@import "[a-z-]+\.css";/g, '').trim();
if (rest) throw new Error(`style/main.css may hold only lines like @import "tokens.css"; found: ${rest}`);

// The one sheet that only figures in other pages have.
const EMBEDDED = 'embedded.css';
const sheets = readdirSync(join(source, 'style')).filter((name) => name.endsWith('.css'));
const forgotten = sheets.filter((name) => ![...names, 'main.css', EMBEDDED].includes(name));
if (forgotten.length) throw new Error(`style/main.css doesn't import ${forgotten.join(', ')}`);

/** Writes a sheet, named by its content. */
function write(kind, css) {
  const bundle = profile === 'release' ? shorten(css) : css;
  const file = `${kind}-${createHash('sha256').update(bundle).digest('hex').slice(0, 16)}.css`;
  writeFileSync(join(staging, file), bundle);
  return file;
}

/** Replaces a text that is there exactly once. */
function replaceOnce(file, before, after) {
  const path = join(staging, file);
  const text = readFileSync(path, 'utf8');
  if (text.split(before).length !== 2) throw new Error(`${file} must hold ${before} exactly once`);
  writeFileSync(path, text.replace(before, () => after));
}

replaceOnce('index.html', LINK, `href="./${write('style', names.map(sheet).join('\n'))}"`);

// ---- the sheet of figures in other pages -----------------------------------------------------------

/** What a figure never shows. */
const PAGE_ONLY = ['guide.css', 'fidelity.css', 'script.css'];

/**
 * The page's rules for a figure inside a shadow root: its box is what the page's root and body are here, its width what the
 * window's is, and the host page's root has no say in its sizes. Each token can be set from outside.
 */
const embedded = (css) =>
  css
    .replace(/:root\[data-theme="(light|dark)"\]/g, '.embedded[data-theme="$1"]')
    .replace(/:root\b/g, '.embedded')
    .replace(/^body \{/gm, '.embedded {')
    .replace(/@media \((max|min)-width: /g, '@container figure ($1-width: ')
    .replace(/(\d*\.?\d+)rem\b/g, (_, number) => `${Number(number) * 16}px`);

const TOKEN = /^(\s*)--([a-z0-9-]+): (.*);$/gm;
const tokens = embedded(sheet('tokens.css')).replace(TOKEN, (_, indent, name, value) =>
  `${indent}--${name}: var(--kafka-guarantees-${name}, ${value});`);
const others = names.filter((name) => name !== 'tokens.css' && !PAGE_ONLY.includes(name)).map(sheet);
const css = write('embed', [tokens, ...others.map(embedded), embedded(sheet(EMBEDDED))].join('\n'));

// ---- which files belong together ---------------------------------------------------------------------

const [, js, wasm] = readFileSync(join(staging, 'index.html'), 'utf8').match(/data-js="([^"]+)" data-wasm="([^"]+)"/);
replaceOnce('embed.js', "{ js: '', wasm: '', css: '' }", JSON.stringify({ js, wasm, css }));
replaceOnce('kafka_guarantees.js', "{ js: '', wasm: '' }", JSON.stringify({ js, wasm }));
