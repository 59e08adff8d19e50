// The messages between a page and a figure in a frame, without either.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as protocol from '../../public/protocol.js';

const own = (message) => ({ kafkaGuarantees: protocol.VERSION, ...message });

test('what is written can be read', () => {
  assert.deepEqual(protocol.fromPage(protocol.hello()), { type: 'hello' });
  assert.deepEqual(protocol.fromPage(protocol.call(3, 'step', [2])), { type: 'call', id: 3, method: 'step', arguments: [2] });
  assert.deepEqual(protocol.fromFigure(protocol.ready()), { type: 'ready' });
  assert.deepEqual(protocol.fromFigure(protocol.event('step', { step: 1 })), { type: 'event', name: 'step', detail: { step: 1 } });
  assert.deepEqual(protocol.fromFigure(protocol.answer(1, 'text')), { type: 'answer', id: 1, value: 'text' });
  assert.deepEqual(protocol.fromFigure(protocol.refusal(1, 'why')), { type: 'answer', id: 1, error: 'why' });
});

test('what is not understood, or too much, is ignored', () => {
  const long = 'x'.repeat(protocol.TEXT_MAX + 1);
  const calls = [
    undefined, null, 7, 'hello', [], {}, { type: 'hello' },
    own({}), own({ type: 'shout' }), { ...own({ type: 'hello' }), kafkaGuarantees: 2 },
    own({ type: 'call', id: -1, method: 'play' }),
    own({ type: 'call', id: 1.5, method: 'play' }),
    own({ type: 'call', id: 1, method: 'constructor' }),
    own({ type: 'call', id: 1, method: 'remove' }),
    own({ type: 'call', id: 1, method: '__proto__' }),
    own({ type: 'call', id: 1, method: 'play', arguments: [1] }),
    own({ type: 'call', id: 1, method: 'seek' }),
    own({ type: 'call', id: 1, method: 'seek', arguments: [{}] }),
    own({ type: 'call', id: 1, method: 'step', arguments: ['1'] }),
    own({ type: 'call', id: 1, method: 'load', arguments: [long] }),
    own({ type: 'call', id: 1, method: 'play', arguments: 'no' }),
  ];
  for (const call of calls) assert.equal(protocol.fromPage(call), undefined, JSON.stringify(call)?.slice(0, 80));
  const told = [undefined, 'ready', own({ type: 'event', name: 'click' }), own({ type: 'answer' }), own({ type: 'event' })];
  for (const message of told) assert.equal(protocol.fromFigure(message), undefined, JSON.stringify(message));
  assert.ok(protocol.refusal(1, long).error.length <= 10_000);
});

test('a figure listens to the origin that it was told, or else to the first that says hello', () => {
  const named = protocol.guard('https://docs.example');
  assert.equal(named('https://evil.example', { type: 'hello' }), false);
  assert.equal(named('https://docs.example', { type: 'call' }), true);
  const first = protocol.guard(null);
  assert.equal(first('https://a.example', { type: 'call' }), false, 'no call before hello');
  assert.equal(first('https://a.example', { type: 'hello' }), true);
  assert.equal(first('https://b.example', { type: 'hello' }), false);
  assert.equal(first('https://a.example', { type: 'call' }), true);
});
