import { figureIn } from './lab/frame-client.js';
window.heard = [];
window.figure = figureIn(document.querySelector('iframe'));
for (const name of ['load', 'step', 'verdict', 'resize', 'error']) {
  window.figure.addEventListener(name, ({ detail }) => window.heard.push([name, detail]));
}
