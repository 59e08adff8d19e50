import { figureIn } from './frame-client.js';

const write = (id, text) => {
  document.querySelector(`#${id} output`).textContent = text;
};
document.getElementById('figure').addEventListener('verdict', ({ detail }) => write('told', detail.headline));
const framed = figureIn(document.querySelector('iframe'));
framed.addEventListener('step', ({ detail }) => write('framed', `${detail.step} of ${detail.steps}`));

const { run } = await import('./kafka_guarantees.js');
write('program', run(document.getElementById('scenario').textContent.trim()).verdict.duplicates);
