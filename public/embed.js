// The custom element <kafka-guarantees>: a figure in other people's pages. docs/embedding.md describes it, embed.d.ts types it.
//
// It touches nothing of its host but its own box: no address, history, storage or cookie, no global style. Everything is
// fetched from the folder of this file, and nothing before a figure is near to being seen. All figures share one module.

/** The build writes the names of its files here (style/bundle.mjs). */
const FILES = { js: '', wasm: '', css: '' };

/** The longest `src` that is looked at; the module has the same limit for links. */
const SRC_MAX = 100_000;
/** How far outside the window a figure begins to load. */
const NEAR = '400px';
const HEIGHT = '620px';
const PNG_SIDE_MAX = 8192;

const address = (file) => new URL(file, import.meta.url).href;

// What an import in Node finds in place of a browser's class: the definition below is then left out.
const Base = globalThis.HTMLElement ?? class {};

// ---- what all figures share ---------------------------------------------------------------------

/** What goes wrong, with a word for programs: `detail.type` of the event `error`. */
class Failure extends Error {
  constructor(type, message) {
    super(message);
    this.type = type;
  }
}

let shared;

/** The module and its sheet, fetched and compiled once for all figures of the page. */
function load(tell) {
  shared ??= fetchAll(tell).catch((error) => {
    // The next figure may try again: a network comes back.
    shared = undefined;
    throw error;
  });
  return shared;
}

async function fetchAll(tell) {
  const forbidden = [];
  const note = (event) => forbidden.push(event);
  document.addEventListener('securitypolicyviolation', note);
  try {
    const sheet = text(FILES.css);
    const bindings = import(address(FILES.js));
    // Whoever fails first is told of; the other's failure must not count as nobody's.
    sheet.catch(() => {});
    bindings.catch(() => {});
    const { default: init, EmbeddedFigure } = await bindings;
    tell(0.2);
    const css = new CSSStyleSheet();
    css.replaceSync(await sheet);
    tell(0.4);
    await startOnce(init);
    tell(0.9);
    return { EmbeddedFigure, css };
  } catch (error) {
    // A violation is told of in a task of its own.
    await new Promise((done) => setTimeout(done, 50));
    throw policyFailure(forbidden, error) ?? new Failure('network', `The figure's files could not be loaded from ${address('.')} (${error.message}).`);
  } finally {
    document.removeEventListener('securitypolicyviolation', note);
  }
}

/**
 * Instantiates the module once for all who use it on this page, kafka_guarantees.js among them: a second instance would
 * take the memory away from what belongs to the first.
 */
function startOnce(init) {
  const started = (globalThis[Symbol.for('kafka-guarantees.started')] ??= new Map());
  const js = address(FILES.js);
  if (!started.has(js)) {
    const start = init({ module_or_path: address(FILES.wasm) });
    start.catch(() => started.delete(js));
    started.set(js, start);
  }
  return started.get(js);
}

async function text(file) {
  const response = await fetch(address(file));
  if (!response.ok) throw new Error(`${file}: status ${response.status}`);
  return response.text();
}

/** The sentence that names the directive which the host's Content-Security-Policy lacks. */
function policyFailure(violations, error) {
  const own = new URL(address('.'));
  const said = (directive, source) =>
    new Failure('csp', `This page's Content-Security-Policy does not let the figure run: ${directive} needs ${source}.`);
  for (const { blockedURI, effectiveDirective, disposition } of violations) {
    if (disposition === 'report') continue;
    const directive = effectiveDirective.replace(/-(elem|attr)$/, '');
    if (/^(wasm-)?eval$/.test(blockedURI)) return said('script-src', "'wasm-unsafe-eval'");
    if (blockedURI.startsWith(own.origin)) return said(directive, own.origin === location.origin ? "'self'" : own.origin);
  }
  // Some browsers tell of it only in the error.
  if (error instanceof WebAssembly.CompileError && /Content.Security|unsafe-eval/i.test(error.message)) {
    return said('script-src', "'wasm-unsafe-eval'");
  }
  return undefined;
}

/** Where a page says which theme it has. */
const roots = () => [document.documentElement, document.body].filter(Boolean);

/** Light or dark, as the page around says: by an attribute or a class that documentation sites use, or else as the system. */
export function themeOfPage() {
  for (const root of roots()) {
    const { mdColorScheme, theme, bsTheme, colorMode, colorScheme } = root.dataset;
    for (const said of [mdColorScheme, theme, bsTheme, colorMode, colorScheme]) {
      const known = themeOfWord(said);
      if (known) return known;
    }
    for (const name of root.classList) {
      const known = themeOfWord(name);
      if (known) return known;
    }
  }
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

function themeOfWord(word = '') {
  // Of Material for MkDocs: default and slate; of mdBook: light, rust, coal, navy and ayu; of others: with theme- in front.
  switch (word.replace(/^theme-/, '')) {
    case 'dark': case 'slate': case 'coal': case 'navy': case 'ayu':
      return 'dark';
    case 'light': case 'default': case 'rust':
      return 'light';
    default:
      return undefined;
  }
}

/** Tells all figures when the page changes its theme; watches only while there is one. */
const themes = {
  figures: new Set(),
  add(figure) {
    this.figures.add(figure);
    if (this.observer) return;
    const changed = () => this.figures.forEach((figure) => figure[SHOW_THEME]());
    this.observer = new MutationObserver(changed);
    const attributeFilter = ['class', 'data-md-color-scheme', 'data-theme', 'data-bs-theme', 'data-color-mode', 'data-color-scheme'];
    roots().forEach((root) => this.observer.observe(root, { attributes: true, attributeFilter }));
    this.media = matchMedia('(prefers-color-scheme: dark)');
    this.changed = changed;
    this.media.addEventListener('change', changed);
  },
  remove(figure) {
    this.figures.delete(figure);
    if (this.figures.size || !this.observer) return;
    this.observer.disconnect();
    this.media.removeEventListener('change', this.changed);
    this.observer = undefined;
  },
};
const SHOW_THEME = Symbol('show theme');

let boxSheet;

/** The looks of the box, before anything is loaded. */
function sheetOfBox() {
  if (boxSheet) return boxSheet;
  boxSheet = new CSSStyleSheet();
  boxSheet.replaceSync(`
    :host { display: block; position: relative; contain: layout; min-height: var(--kafka-guarantees-height, ${HEIGHT}); }
    :host([hidden]) { display: none; }
    :host([height='auto']) { min-height: 0; }
    .box { display: flow-root; }
    .poster { display: block; max-width: 100%; height: auto; }
    .reveal { font: inherit; padding: 0.5em 1em; margin-top: 0.5em; cursor: pointer; }
    .message { margin: 0.5em 0; padding: 0.75em 1em; border: 1px solid currentColor; border-radius: 4px; overflow-wrap: anywhere; max-height: 20em; overflow: auto; }
    .message p { margin: 0; }
    .message p + p { margin-top: 0.5em; }
    [hidden] { display: none !important; }
    @media print { .reveal { display: none; } :host { min-height: 0; } }
  `);
  return boxSheet;
}

// ---- the element ----------------------------------------------------------------------------------

const RELOAD = new Set(['src', 'controls', 'from', 'to', 'step']);
let unnamed = 0;

export class KafkaGuaranteesElement extends Base {
  static observedAttributes = ['src', 'controls', 'from', 'to', 'step', 'theme', 'height', 'alt', 'poster', 'lang', 'loading', 'reveal'];

  #root;
  #parts;
  #figure;
  #near;
  #sizes;
  #seen;
  #asked;
  #attempt = 0;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: 'open' });
    this.#root.adoptedStyleSheets = [sheetOfBox()];
    const make = (tag, part, parent) => {
      const element = document.createElement(tag);
      element.className = part;
      element.setAttribute('part', part);
      return parent.appendChild(element);
    };
    const box = make('div', 'box', this.#root);
    const fallback = make('div', 'fallback', box);
    const poster = make('img', 'poster', fallback);
    poster.hidden = true;
    const slots = [document.createElement('slot'), document.createElement('slot')];
    slots[0].name = 'poster';
    fallback.append(...slots);
    const reveal = make('button', 'reveal', box);
    reveal.type = 'button';
    reveal.textContent = 'Show the figure';
    reveal.hidden = true;
    reveal.addEventListener('click', () => this.#show().then(() => this.focus()));
    const message = make('div', 'message', box);
    message.setAttribute('role', 'alert');
    message.hidden = true;
    this.#parts = { box, fallback, poster, reveal, message };
    // Keys and wheel are the reader's page's, until the figure has the focus.
    this.#root.addEventListener('wheel', (event) => {
      if (!this.#root.activeElement) event.stopImmediatePropagation();
    }, { capture: true });
    this.#root.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.defaultPrevented) this.#root.activeElement?.blur();
    });
  }

  connectedCallback() {
    themes.add(this);
    for (const name of ['poster', 'height']) this.#take(name);
    this.#wait();
  }

  disconnectedCallback() {
    // What is moved within the page is connected again at once, and need not begin anew.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#leave();
      themes.remove(this);
    });
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected) return;
    if (RELOAD.has(name)) {
      if (this.#asked) this.#show().catch(() => {});
      else this.#wait();
    } else if (name === 'loading' || name === 'reveal') {
      if (!this.#asked) this.#wait();
    } else {
      this.#take(name);
    }
  }

  #take(name) {
    const value = this.getAttribute(name);
    if (name === 'poster') {
      const { poster } = this.#parts;
      poster.hidden = !value;
      if (value) poster.src = value;
      else poster.removeAttribute('src');
      poster.alt = this.getAttribute('alt') ?? '';
    } else if (name === 'height') {
      // A number counts pixels. The browser takes nothing that is no length.
      if (value === null || value === 'auto') this.style.removeProperty('--kafka-guarantees-height');
      else this.style.setProperty('--kafka-guarantees-height', /^\d+$/.test(value) ? `${value}px` : value);
      this.#fill();
    } else if (name === 'theme') {
      this[SHOW_THEME]();
    } else {
      this.#name();
    }
  }

  /** Loads when it is time to, as `loading` and `reveal` say. */
  #wait() {
    this.#near?.disconnect();
    const reveal = this.getAttribute('reveal') ?? 'auto';
    this.#parts.reveal.hidden = reveal !== 'interaction' || Boolean(this.#figure);
    this.#seen ??= new IntersectionObserver(([entry]) => this.#tell('visibility', { visible: entry.isIntersecting }));
    this.#seen.observe(this);
    if (reveal !== 'auto' || this.#figure) return;
    const show = () => this.#show().catch(() => {});
    if (this.getAttribute('loading') === 'eager') {
      show();
      return;
    }
    this.#near = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.#near.disconnect();
      show();
    }, { rootMargin: NEAR });
    this.#near.observe(this);
  }

  /** Takes everything away that lives on its own: timers, workers, listeners. */
  #leave() {
    this.#attempt++;
    this.#asked = false;
    this.#near?.disconnect();
    this.#seen?.disconnect();
    this.#sizes?.disconnect();
    this.#seen = undefined;
    this.#close();
  }

  #close() {
    const figure = this.#figure;
    this.#figure = undefined;
    if (figure) {
      // What it has asked the browser to do in the next frame must still find it.
      figure.pause();
      requestAnimationFrame(() => requestAnimationFrame(() => figure.free()));
    }
    this.#parts.figure?.remove();
    this.#parts.figure = undefined;
    this.#parts.fallback.hidden = false;
  }

  /** Loads what is needed and draws the figure, or says in the box why not. */
  async #show() {
    const attempt = ++this.#attempt;
    this.#asked = true;
    this.#say([]);
    this.#parts.reveal.hidden = true;
    try {
      const wanted = this.#wanted();
      this.#tell('progress', { part: 0 });
      const { EmbeddedFigure, css } = await load((part) => attempt === this.#attempt && this.#tell('progress', { part }));
      // Meanwhile it was taken away, or asked for something else.
      if (attempt !== this.#attempt || !this.isConnected) return;
      this.#close();
      this.#root.adoptedStyleSheets = [sheetOfBox(), css];
      const figure = document.createElement('div');
      figure.className = 'embedded';
      figure.setAttribute('part', 'figure');
      figure.setAttribute('role', 'group');
      this.#parts.box.append(figure);
      this.#parts.figure = figure;
      this[SHOW_THEME]();
      this.#name();
      this.#fill();
      this.#parts.fallback.hidden = true;
      const heard = (name, detail) => attempt === this.#attempt && this.#tell(name, detail);
      this.#figure = new EmbeddedFigure(figure, wanted, address('index.html'), heard);
      let width = figure.clientWidth;
      this.#sizes = new ResizeObserver(() => {
        if (width === figure.clientWidth) return;
        width = figure.clientWidth;
        this.#figure?.resized();
      });
      this.#sizes.observe(figure);
      this.#tell('progress', { part: 1 });
      this.#tell('load', { link: this.toLink() });
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#close();
      // The module refuses with a text; a line for each problem.
      const failure = typeof error === 'string' ? new Failure('source', error) : error;
      const lines = String(failure.message).split('\n').slice(0, 8).map((line) => line.slice(0, 500));
      this.#say(lines);
      this.#tell('error', { type: failure.type ?? 'unexpected', message: lines.join('\n') });
      throw failure;
    }
  }

  /** What is asked of the module. */
  #wanted() {
    const of = (name) => this.getAttribute(name) ?? undefined;
    let source = of('src') ?? '';
    let isText = false;
    if (source.length > SRC_MAX) throw new Failure('source', `src has ${source.length} letters; ${SRC_MAX} are the most.`);
    if (source.startsWith('#') && !source.includes('=')) {
      const script = this.getRootNode().getElementById?.(source.slice(1)) ?? document.getElementById(source.slice(1));
      if (!script) throw new Failure('source', `src: nothing in this page has the id "${source.slice(1, 100)}".`);
      source = script.textContent;
      isText = true;
    }
    return { source, isText, name: this.#nameSaid(), step: of('step'), from: of('from'), to: of('to'), controls: of('controls') };
  }

  #say(lines) {
    const { message } = this.#parts;
    message.replaceChildren(...lines.map((line) => Object.assign(document.createElement('p'), { textContent: line })));
    message.hidden = lines.length === 0;
  }

  #tell(name, detail) {
    if (!this.isConnected) return;
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #name() {
    const { figure, poster } = this.#parts;
    const alt = this.getAttribute('alt');
    poster.alt = alt ?? '';
    if (!figure) return;
    figure.setAttribute('aria-label', this.#nameSaid());
    // The words of the figure are English, whatever the page's language is.
    figure.lang = this.getAttribute('lang') ?? 'en';
  }
  #number;

  /** What the figure is called: the author's words, or else a number. */
  #nameSaid() {
    return this.getAttribute('alt') ?? `Kafka Guarantees, figure ${(this.#number ??= ++unnamed)}`;
  }

  #fill() {
    this.#parts.figure?.classList.toggle('filling', this.getAttribute('height') !== 'auto');
  }

  [SHOW_THEME]() {
    const { figure } = this.#parts;
    if (!figure) return;
    const asked = this.getAttribute('theme');
    const theme = asked === 'light' || asked === 'dark' ? asked : themeOfPage();
    if (figure.dataset.theme !== theme) figure.dataset.theme = theme;
  }

  /** Asks the figure for something. The module refuses with a text. */
  #ask(call) {
    if (!this.#figure) throw new Failure('not-loaded', 'The figure is not loaded: wait for its event "load".');
    try {
      return call(this.#figure);
    } catch (error) {
      throw typeof error === 'string' ? new Failure('refused', error) : error;
    }
  }

  // ---- for programs -------------------------------------------------------------------------------

  /** Whether the figure is drawn. */
  get loaded() {
    return Boolean(this.#figure);
  }

  /** What was observed of the run, with the keys of the recordings. */
  get observations() {
    return this.#ask((figure) => figure.observations());
  }

  play() {
    this.#ask((figure) => figure.play());
  }

  pause() {
    this.#ask((figure) => figure.pause());
  }

  /** Moves the playhead by so many steps. */
  step(count = 1) {
    this.#ask((figure) => figure.step(Math.max(-1e6, Math.min(1e6, Math.trunc(Number(count)) || 0))));
  }

  /** Moves the playhead to an instant of virtual time: milliseconds, or a text such as "124.3ms". */
  seek(at) {
    this.#ask((figure) => figure.seek(typeof at === 'number' ? `${Math.max(0, at).toFixed(3)}ms` : String(at)));
  }

  /** Loads the figure, wherever it is; with something else to show, if that is given. */
  load(src) {
    if (src === undefined) return this.#show();
    this.#asked = false;
    this.#attempt++;
    this.setAttribute('src', src);
    return this.#show();
  }

  /** Takes the poster away: shows the figure that waits behind it. */
  dismissPoster() {
    return this.#show();
  }

  toText() {
    return this.#ask((figure) => figure.exported('text'));
  }

  /** The address of the lab with this scenario, at this instant. */
  toLink() {
    return `${address('index.html')}#${this.#ask((figure) => figure.link())}`;
  }

  /** A file's text: svg, svg-dark, mermaid, narration, trace, chrome-trace or text. */
  export(format) {
    const made = this.#ask((figure) => figure.exported(String(format)));
    return typeof made === 'string' ? made : JSON.stringify(made);
  }

  toSVG({ theme = this.#parts.figure?.dataset.theme } = {}) {
    return this.#ask((figure) => figure.exported(theme === 'dark' ? 'svg-dark' : 'svg'));
  }

  /** The picture as a file: image/svg+xml, or image/png (which the page's img-src must allow data: for). */
  async toBlob({ type = 'image/png', theme, scale = 2 } = {}) {
    const svg = this.toSVG(theme ? { theme } : {});
    return type === 'image/svg+xml' ? new Blob([svg], { type }) : pngOf(svg, scale);
  }
}

/** An SVG as a PNG, so many pixels for each of its own. */
export async function pngOf(svg, scale = 2) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  try {
    await image.decode();
  } catch {
    throw new Failure('csp', "The picture could not be drawn: this page's Content-Security-Policy may lack img-src data:.");
  }
  const most = PNG_SIDE_MAX / Math.max(image.width, image.height);
  const factor = Math.max(0.1, Math.min(Number(scale) || 1, most));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.round(image.width * factor), Math.round(image.height * factor)];
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Failure('picture', 'The picture is too large.'))), 'image/png'));
}

// Twice is no error: a page may hold this file under two addresses.
if (globalThis.customElements && !customElements.get('kafka-guarantees')) {
  customElements.define('kafka-guarantees', KafkaGuaranteesElement);
}
