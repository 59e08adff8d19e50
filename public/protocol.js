// What a page and a figure in an <iframe> say to each other. Pure: no window in it, so that it is tested without one.
// docs/embedding.md describes it, frame-client.d.ts types it.
//
// Every message is an object with `kafkaGuarantees`, the version. What is not understood, too long, from another window or
// from another origin is ignored.

export const VERSION = 1;

/** The longest text in a message, in letters; the deepest and widest list of arguments. */
export const TEXT_MAX = 2_000_000;
export const ARGUMENTS_MAX = 2;
/** So many calls of a page may wait for their answer. */
export const WAITING_MAX = 100;

/** What a page may ask for, with the kinds of its arguments. A question mark: it may be left out. */
export const METHODS = {
  play: [],
  pause: [],
  step: ['number?'],
  seek: ['number|string'],
  load: ['string?'],
  toText: [],
  toLink: [],
  toSVG: ['object?'],
  toBlob: ['object?'],
  export: ['string'],
  observations: [],
  loaded: [],
};

/** What a figure tells of itself. `resize` is the frame's own: the height that the figure would like to have. */
export const EVENTS = ['load', 'error', 'progress', 'visibility', 'step', 'verdict', 'change', 'resize'];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isId = (id) => Number.isSafeInteger(id) && id >= 0;
const fits = (value) => typeof value !== 'string' || value.length <= TEXT_MAX;

/** A message of this protocol and version, or undefined. */
function own(data) {
  return isObject(data) && data.kafkaGuarantees === VERSION && typeof data.type === 'string' ? data : undefined;
}

function isArgument(kinds, value) {
  if (value === undefined) return kinds.endsWith('?');
  return kinds.replace('?', '').split('|').includes(isObject(value) ? 'object' : typeof value) && fits(value);
}

/** What a page says to a figure: `{ type: 'hello' }` or `{ type: 'call', id, method, arguments }`; undefined: nothing that is understood. */
export function fromPage(data) {
  const message = own(data);
  if (message?.type === 'hello') return { type: 'hello' };
  if (message?.type !== 'call' || !isId(message.id) || !Object.hasOwn(METHODS, message.method)) return undefined;
  const given = message.arguments ?? [];
  const kinds = METHODS[message.method];
  if (!Array.isArray(given) || given.length > Math.min(kinds.length, ARGUMENTS_MAX)) return undefined;
  if (!kinds.every((kind, place) => isArgument(kind, given[place]))) return undefined;
  return { type: 'call', id: message.id, method: message.method, arguments: [...given] };
}

/** What a figure says to a page: `ready`, `event` or `answer`; undefined: nothing that is understood. */
export function fromFigure(data) {
  const message = own(data);
  switch (message?.type) {
    case 'ready':
      return { type: 'ready' };
    case 'event':
      return EVENTS.includes(message.name) ? { type: 'event', name: message.name, detail: message.detail } : undefined;
    case 'answer':
      if (!isId(message.id)) return undefined;
      return typeof message.error === 'string' && fits(message.error)
        ? { type: 'answer', id: message.id, error: message.error }
        : { type: 'answer', id: message.id, value: message.value };
    default:
      return undefined;
  }
}

export const ready = () => ({ kafkaGuarantees: VERSION, type: 'ready' });
export const hello = () => ({ kafkaGuarantees: VERSION, type: 'hello' });
export const call = (id, method, given) => ({ kafkaGuarantees: VERSION, type: 'call', id, method, arguments: given });
export const event = (name, detail) => ({ kafkaGuarantees: VERSION, type: 'event', name, detail });
export const answer = (id, value) => ({ kafkaGuarantees: VERSION, type: 'answer', id, value });
export const refusal = (id, error) => ({ kafkaGuarantees: VERSION, type: 'answer', id, error: String(error).slice(0, 10_000) });

/** The origin that a frame must be spoken to from: that of `?origin=`, or else the first that says hello. */
export function guard(named) {
  let known = named || undefined;
  return (origin, message) => {
    if (known === undefined && message.type === 'hello') known = origin;
    return known !== undefined && origin === known;
  };
}
