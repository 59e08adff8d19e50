// Makes the release folder of dist/ and a zip of it: `cargo xtask package` builds dist/ and runs this. Prints checksums, and the
// hashes for integrity attributes. `node xtask/package.mjs [FOLDER-OF-PACKAGES]`
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packages = resolve(process.argv[2] ?? join(root, 'target/package'));
const version = readFileSync(join(root, 'Cargo.toml'), 'utf8').match(/^version = "([^"]+)"$/m)[1];
const name = `kafka-guarantees-${version}`;
const folder = join(packages, name);
const hash = (kind, file) => createHash(kind).update(readFileSync(file)).digest(kind === 'sha256' ? 'hex' : 'base64');

if (!existsSync(join(root, 'dist/embed.js'))) throw new Error('dist/ is not built: cargo xtask package builds it');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [from, to] of [['dist', '.'], ['xtask/hand-over', '.'], ['LICENSE-MIT'], ['LICENSE-APACHE'], ['docs/embedding.md'], ['docs/scenario-text.md'], ['docs/measuring.md']]) {
  cpSync(join(root, from), join(folder, to ?? from.split('/').at(-1)), { recursive: true });
}
const handOver = join(folder, 'hand-over.html');
writeFileSync(handOver, readFileSync(handOver, 'utf8').replace('VERSION', version));
writeFileSync(join(folder, 'THIRD-PARTY.txt'), thirdParty());

const files = readdirSync(folder).sort();
const sums = files.map((file) => `${hash('sha256', join(folder, file))}  ${file}\n`).join('');
writeFileSync(join(folder, 'SHA256SUMS'), sums);

// One instant for all files, so that the same folder makes the same zip.
const instant = new Date('2000-01-01T00:00:00Z');
for (const file of [...files, 'SHA256SUMS']) utimesSync(join(folder, file), instant, instant);
const zip = `${folder}.zip`;
rmSync(zip, { force: true });
execFileSync('zip', ['-q', '-X', '-r', zip, ...[...files, 'SHA256SUMS'].map((file) => `${name}/${file}`)], { cwd: packages, env: { ...process.env, TZ: 'UTC' } });
writeFileSync(`${zip}.sha256`, `${hash('sha256', zip)}  ${name}.zip\n`);

console.log(`${folder}/hand-over.html shows what is in it, on any static server.\n`);
process.stdout.write(sums);
console.log(`${hash('sha256', zip)}  ${name}.zip\n\nFor integrity attributes:`);
for (const file of files.filter((file) => /\.(js|css)$/.test(file))) console.log(`sha384-${hash('sha384', join(folder, file))}  ${file}`);

/** Which crates are compiled in, under which licence, with the texts of those licences. */
function thirdParty() {
  const metadata = JSON.parse(
    execFileSync('cargo', ['metadata', '--locked', '--format-version', '1', '--filter-platform', 'wasm32-unknown-unknown'], { cwd: root, maxBuffer: 1 << 28 }),
  );
  const byId = new Map(metadata.packages.map((known) => [known.id, known]));
  const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
  const own = metadata.packages.find(({ name }) => name === 'kafka-guarantees').id;
  const inside = new Set();
  const visit = (id) => {
    if (inside.has(id)) return;
    inside.add(id);
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) if (kinds.some(({ kind }) => kind === null)) visit(pkg);
  };
  visit(own);
  inside.delete(own);
  const crates = [...inside].map((id) => byId.get(id)).sort((a, b) => a.name.localeCompare(b.name));
  const texts = new Map();
  const list = crates.map(({ name, version, license, manifest_path: manifest }) => {
    const place = dirname(manifest);
    for (const file of readdirSync(place).filter((file) => /^(licen[cs]e|copying|notice|unlicense)/i.test(file))) {
      try {
        const text = readFileSync(join(place, file), 'utf8').trim();
        texts.set(text, [...(texts.get(text) ?? []), name]);
      } catch {
        // A folder of licences: the list names them.
      }
    }
    return `${name} ${version}: ${license ?? 'see its text'}`;
  });
  const all = [...texts].map(([text, names]) => `${'-'.repeat(80)}\n${names.join(', ')}\n\n${text}\n`);
  return `Compiled into the WebAssembly module, or used to make it:\n\n${list.join('\n')}\n\n${all.join('\n')}`;
}
