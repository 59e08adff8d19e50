// What opening the page costs: the files it asks for and the worker it may start, each gzipped.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Lab } from './page.mjs';

// What the page may weigh is 150 KiB; it weighs more than five times as much. Until it is there, it must not get heavier.
const GOAL_BYTES = 150 * 1024;
const MOST_BYTES = 850 * 1024;
const MOST_REQUESTS = 6;

const lab = await Lab.start();
const { address, folder } = lab.server;
const worker = `${address}worker.js`;
const requests = [];
const workerRequests = [];
try {
  await lab.open({}, async (page) => {
    await page.page.waitForLoadState('networkidle');
    requests.push(...page.requests);
    workerRequests.push(...page.workerRequests);
  });
} finally {
  await lab.close();
}

if (!requests.includes(worker)) requests.push(worker);
// Of several workers only the first asks for its script over the network, and what workers ask for the browser has by then.
// What the page itself asks for twice counts twice.
const known = requests.filter((url, place) => url !== worker || requests.indexOf(url) === place);
for (const url of new Set(workerRequests)) if (!known.includes(url)) known.push(url);
const files = known.map((url) => url.slice(address.length) || 'index.html');
const sizes = files.map((file) => [gzipSync(readFileSync(join(folder, file)), { level: 9 }).length, file]);
const total = sizes.reduce((sum, [size]) => sum + size, 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`.padStart(11);
for (const [size, file] of sizes.sort(([a], [b]) => b - a)) console.log(`${kib(size)}  ${file}`);
console.log(`${kib(total)}  gzipped, at most ${MOST_BYTES / 1024} KiB (the goal, not reached: ${GOAL_BYTES / 1024} KiB), in ${sizes.length} requests, at most ${MOST_REQUESTS}`);
if (total > MOST_BYTES || sizes.length > MOST_REQUESTS) {
  console.error('The page is over its budget.');
  process.exitCode = 1;
}
