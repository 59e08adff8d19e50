// How smooth a long run is: opens one of about 100,000 events, pans, scrubs and zooms it frame by frame, and reports what a frame's
// own work takes (scripts, style, layout and paint on the page's thread), beside that of a page with nothing on it. No limits are
// asserted here: machines are busy. By hand, after a build: node tests/e2e/frames.mjs [RECORDS]
import { Lab } from './page.mjs';

const RECORDS = process.argv[2] ?? '4500';
const FRAMES = 240;

/** Runs `move(frame)` in each of so many frames. A frame's work ends when the first task after its paint begins. */
function measure({ frames, kind }) {
  const plot = document.querySelector('.timeline .plot');
  const slider = document.querySelector('.transport input[type="range"]');
  const width = plot?.scrollWidth ?? 0;
  const moves = {
    nothing: () => {},
    pan: (frame) => plot.scrollTo(width * 0.25 + frame * 24, 0),
    jump: (frame) => plot.scrollTo((width * ((frame * 37) % frames)) / frames, 0),
    scrub: (frame) => {
      slider.value = String(Math.floor((slider.max * frame) / frames));
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    },
    zoom: (frame) => {
      const { left, top, width } = plot.getBoundingClientRect();
      const place = { clientX: left + width / 2, clientY: top + 100, deltaY: frame % 80 < 40 ? 60 : -60 };
      plot.querySelector('svg').dispatchEvent(new WheelEvent('wheel', { ...place, ctrlKey: true, bubbles: true, cancelable: true }));
    },
  };
  return new Promise((resolve) => {
    const work = [];
    const channel = new MessageChannel();
    let began = 0;
    channel.port1.onmessage = () => {
      work.push(performance.now() - began);
      if (work.length === frames) resolve(work.slice(10));
      else requestAnimationFrame(frame);
    };
    // Work is what the move itself takes and, in the next frame, what it asked for: from that frame's first callback (asked for before
    // the move, so it is the first) to the first task after its paint.
    let moved = 0;
    const frame = () => {
      requestAnimationFrame((_) => {
        began = performance.now() - moved;
        channel.port2.postMessage(0);
      });
      const before = performance.now();
      moves[kind](work.length);
      moved = performance.now() - before;
    };
    requestAnimationFrame(frame);
  });
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1).padStart(6);
function report(name, work) {
  const sorted = [...work].sort((a, b) => a - b);
  console.log(`${name.padEnd(24)} median ${at(sorted, 0.5)} ms   p95 ${at(sorted, 0.95)} ms   longest ${at(sorted, 1)} ms`);
}

const lab = await Lab.start();
try {
  await lab.open({}, async (page) => {
    await page.write('records', RECORDS);
    const address = await page.address(new RegExp(RECORDS));
    const opened = await page.page.evaluate(
      (hash) =>
        new Promise((resolve) => {
          const began = performance.now();
          location.hash = '#v=1&preset=at-least-once';
          addEventListener('hashchange', () => {
            const again = performance.now();
            location.hash = hash;
            addEventListener('hashchange', () => requestAnimationFrame(() => setTimeout(() => resolve([again - began, performance.now() - again]))), { once: true });
          }, { once: true });
        }),
      address,
    );
    console.log(`opening a short run ${opened[0].toFixed(0)} ms, the long one ${opened[1].toFixed(0)} ms; ${(await page.place()).steps} steps`);
    for (const kind of ['nothing', 'pan', 'jump', 'scrub', 'zoom']) {
      report(`the page: ${kind}`, await page.page.evaluate(measure, { frames: FRAMES, kind }));
    }
    const blank = await page.context.newPage();
    await blank.goto('about:blank');
    report('a blank page', await blank.evaluate(measure, { frames: FRAMES, kind: 'nothing' }));
  });
} finally {
  await lab.close();
}
