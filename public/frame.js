// The figure alone in a page of its own (embed.html), for an <iframe>: its attributes are in the address, its events and methods
// are messages (protocol.js).
import './embed.js';
import * as protocol from './protocol.js';

const ATTRIBUTES = ['src', 'alt', 'theme', 'step', 'from', 'to', 'controls', 'lang'];

const asked = new URLSearchParams(location.search);
const figure = document.createElement('kafka-guarantees');
for (const name of ATTRIBUTES) {
  const value = asked.get(name);
  if (value !== null) figure.setAttribute(name, value);
}
// A link may stand behind the # as in the lab.
if (!asked.has('src') && location.hash.length > 1) figure.setAttribute('src', decodeURI(location.hash.slice(1)));
figure.setAttribute('height', 'auto');
// The browser loads a frame when it is near, if its tag says loading="lazy".
figure.setAttribute('loading', 'eager');

const page = window.parent;
const isAllowed = protocol.guard(asked.get('origin'));
let origin;

const say = (message) => {
  // An origin that is not one (a file, a sandbox) can only be named by a star; nothing that is said is a secret.
  if (origin !== undefined) page.postMessage(message, origin === 'null' ? '*' : origin);
};

addEventListener('message', async ({ data, origin: from, source }) => {
  if (source !== page || page === window) return;
  const message = protocol.fromPage(data);
  if (!message || !isAllowed(from, message)) return;
  origin = from;
  if (message.type === 'hello') {
    say(protocol.ready());
    tellHeight();
    return;
  }
  const { id, method, arguments: given } = message;
  try {
    const value = typeof figure[method] === 'function' ? await figure[method](...given) : figure[method];
    say(protocol.answer(id, value));
  } catch (error) {
    say(protocol.refusal(id, error.message));
  }
});

for (const name of protocol.EVENTS.filter((name) => name !== 'resize')) {
  figure.addEventListener(name, (event) => say(protocol.event(name, event.detail)));
}

const tellHeight = () => say(protocol.event('resize', { height: Math.ceil(document.documentElement.getBoundingClientRect().height) }));
new ResizeObserver(tellHeight).observe(document.documentElement);

document.body.append(figure);
if (page !== window) page.postMessage(protocol.ready(), '*');
