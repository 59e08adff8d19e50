// For a page that holds a figure in an <iframe>: the events and methods of the element, over messages (protocol.js).
//
//   import { figureIn } from '.../frame-client.js';
//   const figure = figureIn(document.querySelector('iframe'));
//   figure.addEventListener('verdict', ({ detail }) => ...);
//   await figure.play();
import * as protocol from './protocol.js';

class FrameFigure extends EventTarget {
  #frame;
  #origin;
  #waiting = new Map();
  #next = 0;
  #ready;
  #hear = (message) => this.#take(message);

  constructor(frame) {
    super();
    this.#frame = frame;
    this.#origin = new URL(frame.src, document.baseURI).origin;
    /** Kept when the frame has said that it is there. */
    this.ready = new Promise((done) => {
      this.#ready = done;
    });
    addEventListener('message', this.#hear);
    frame.addEventListener('load', this.#greet);
    this.#greet();
  }

  // To whoever is there: before the frame has its address that is not the figure, and what is said is no secret.
  #greet = () => {
    this.#greeted = false;
    this.#frame.contentWindow?.postMessage(protocol.hello(), '*');
  };
  #greeted = false;

  #take({ data, origin, source }) {
    if (source !== this.#frame.contentWindow || origin !== this.#origin) return;
    const message = protocol.fromFigure(data);
    if (message?.type === 'ready') {
      // It may have come up after our first word, which it then has not heard.
      if (!this.#greeted) this.#frame.contentWindow.postMessage(protocol.hello(), this.#origin);
      this.#greeted = true;
      this.#ready();
    } else if (message?.type === 'event') {
      this.dispatchEvent(new CustomEvent(message.name, { detail: message.detail }));
    } else if (message?.type === 'answer') {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiting?.done(message.value);
      else waiting?.failed(new Error(message.error));
    }
  }

  async #call(method, given) {
    await this.ready;
    if (this.#waiting.size >= protocol.WAITING_MAX) throw new Error(`${protocol.WAITING_MAX} calls wait for their answers already`);
    const id = this.#next++;
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed });
      this.#frame.contentWindow.postMessage(protocol.call(id, method, given), this.#origin);
    });
  }

  /** Hears no more. */
  disconnect() {
    removeEventListener('message', this.#hear);
    this.#frame.removeEventListener('load', this.#greet);
    for (const { failed } of this.#waiting.values()) failed(new Error('disconnected'));
    this.#waiting.clear();
  }

  play() { return this.#call('play', []); }
  pause() { return this.#call('pause', []); }
  step(count) { return this.#call('step', count === undefined ? [] : [count]); }
  seek(at) { return this.#call('seek', [at]); }
  load(src) { return this.#call('load', src === undefined ? [] : [src]); }
  toText() { return this.#call('toText', []); }
  toLink() { return this.#call('toLink', []); }
  toSVG(options) { return this.#call('toSVG', options ? [options] : []); }
  toBlob(options) { return this.#call('toBlob', options ? [options] : []); }
  export(format) { return this.#call('export', [format]); }
  observations() { return this.#call('observations', []); }
  loaded() { return this.#call('loaded', []); }
}

/** The figure in a frame. One for each frame is enough. */
export const figureIn = (frame) => new FrameFigure(frame);
