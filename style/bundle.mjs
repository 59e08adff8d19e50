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

const sheets = readdirSync(join(source, 'style')).filter((name) => name.endsWith('.css'));
const forgotten = sheets.filter((name) => name !== 'main.css' && !names.includes(name));
if (forgotten.length) throw new Error(`style/main.css doesn't import ${forgotten.join(', ')}`);

const css = names.map(sheet).join('\n');
const bundle = profile === 'release' ? shorten(css) : css;
const file = `style-${createHash('sha256').update(bundle).digest('hex').slice(0, 16)}.css`;
writeFileSync(join(staging, file), bundle);

const index = join(staging, 'index.html');
const html = readFileSync(index, 'utf8');
if (html.split(LINK).length !== 2) throw new Error(`index.html must hold ${LINK} exactly once`);
writeFileSync(index, html.replace(LINK, `href="./${file}"`));
