// Types of frame-client.js: a figure in an <iframe>, from the page that holds it.
import type { ExportFormat, FigureEventMap, FigureTheme, Observations } from './embed.js';

export interface FrameEventMap extends FigureEventMap {
  /** The height in pixels that the figure would like to have. */
  resize: CustomEvent<{ height: number }>;
}

export interface FrameFigure extends EventTarget {
  /** Kept when the frame has said that it is there. Calls wait for it. */
  readonly ready: Promise<void>;
  play(): Promise<void>;
  pause(): Promise<void>;
  step(count?: number): Promise<void>;
  seek(at: number | string): Promise<void>;
  load(src?: string): Promise<void>;
  toText(): Promise<string>;
  toLink(): Promise<string>;
  toSVG(options?: { theme?: FigureTheme }): Promise<string>;
  toBlob(options?: { type?: 'image/png' | 'image/svg+xml'; theme?: FigureTheme; scale?: number }): Promise<Blob>;
  export(format: ExportFormat): Promise<string>;
  observations(): Promise<Observations>;
  loaded(): Promise<boolean>;
  /** Hears no more. */
  disconnect(): void;
  addEventListener<K extends keyof FrameEventMap>(type: K, listener: (event: FrameEventMap[K]) => unknown): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

export declare function figureIn(frame: HTMLIFrameElement): FrameFigure;

/** The messages, version 1. Each has `kafkaGuarantees: 1`. */
export type ToFigure =
  | { kafkaGuarantees: 1; type: 'hello' }
  | { kafkaGuarantees: 1; type: 'call'; id: number; method: string; arguments?: unknown[] };
export type FromFigure =
  | { kafkaGuarantees: 1; type: 'ready' }
  | { [K in keyof FrameEventMap]: { kafkaGuarantees: 1; type: 'event'; name: K; detail: FrameEventMap[K]['detail'] } }[keyof FrameEventMap]
  | { kafkaGuarantees: 1; type: 'answer'; id: number; value: unknown }
  | { kafkaGuarantees: 1; type: 'answer'; id: number; error: string };
