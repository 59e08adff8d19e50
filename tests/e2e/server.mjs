// A static server for the built page, with the Content-Security-Policy that the page promises to work under.
// By hand: node tests/e2e/server.mjs [FOLDER] [PORT]
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "worker-src 'self'",
].join('; ');

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** The file that a request path names below the root, or undefined. */
function fileFor(root, path) {
  let name;
  try {
    name = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  const file = resolve(root, `.${name.endsWith('/') ? `${name}index.html` : name}`);
  if (!file.startsWith(root + sep)) return undefined;
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined;
}

/**
 * Serves a folder on this machine. The page lies at `origin + base`: a path that is not the root, so that an
 * address in the page which is not relative shows as a missing file. `also` are other folders by their base, and `policy` is
 * the Content-Security-Policy, or gives it for a path.
 */
export async function serve({ folder = 'dist', port = 0, base = '/docs/lab/', also = {}, policy = CONTENT_SECURITY_POLICY } = {}) {
  const root = resolve(folder);
  // The longest base first: one may lie below another.
  const mounts = Object.entries({ [base]: folder, ...also }).sort(([a], [b]) => b.length - a.length);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const mount = mounts.find(([base]) => pathname.startsWith(base));
    const file = mount && fileFor(resolve(mount[1]), `/${pathname.slice(mount[0].length)}`);
    if (!file) {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found\n');
      return;
    }
    const forbidden = typeof policy === 'function' ? policy(pathname) : policy;
    response.writeHead(200, {
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      ...(forbidden && { 'Content-Security-Policy': forbidden }),
      'Cache-Control': 'no-store',
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((done, failed) => server.once('error', failed).listen(port, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return { origin, address: origin + base, folder: root, close };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder, port] = process.argv.slice(2);
  const { address } = await serve({ folder, port: Number(port ?? 8090), base: '/' });
  console.log(address);
}
