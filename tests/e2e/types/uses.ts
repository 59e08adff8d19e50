// Compiled, never run: what a TypeScript program may write, and what its compiler must refuse.
import type { KafkaGuaranteesElement } from '../../../public/embed.js';
import { figureIn, type ToFigure } from '../../../public/frame-client.js';
import { exportRun, measure, run } from '../../../public/kafka_guarantees.js';

const figure = document.createElement('kafka-guarantees');
const same: KafkaGuaranteesElement = figure;
same.addEventListener('verdict', ({ detail }) => console.log(detail.headline.length, detail.promises[0]?.broken));
figure.addEventListener('error', ({ detail }) => detail.type === 'csp');
figure.step();
figure.seek('124.3ms');
figure.seek(124.3);
const duplicates: number = figure.observations.verdict.duplicates;
const blob: Promise<Blob> = figure.toBlob({ type: 'image/png', theme: 'dark' });
const markdown: string = figure.export('narration');

// @ts-expect-error there is no such format
figure.export('docx');
// @ts-expect-error read-only
figure.loaded = true;
// @ts-expect-error no such theme
figure.toSVG({ theme: 'sepia' });

const frame = figureIn(document.querySelector('iframe')!);
frame.addEventListener('resize', ({ detail }) => detail.height.toFixed());
const link: Promise<string> = frame.toLink();
const message: ToFigure = { kafkaGuarantees: 1, type: 'call', id: 1, method: 'play' };
// @ts-expect-error another version
const old: ToFigure = { kafkaGuarantees: 0, type: 'hello' };

const lost: number = run('at-least-once').verdict.acknowledged_lost;
const svg: string = exportRun('at-least-once', 'svg');
const measured = await measure('at-least-once', { runs: 100, seed: 7n, progress: ({ done, total }) => done / total });
const low: number | undefined = measured.numbers['duplicated_per_million']?.low;
// @ts-expect-error runs are a number
await measure('at-least-once', { runs: 'many' });

export { blob, duplicates, link, lost, low, markdown, message, old, svg };
