// Types of embed.js: the custom element <kafka-guarantees>.

/** What an export is written as. */
export type ExportFormat = 'svg' | 'svg-dark' | 'mermaid' | 'narration' | 'trace' | 'chrome-trace' | 'text';

export type FigureTheme = 'light' | 'dark';

export interface StepDetail {
  /** The instant of the playhead, in milliseconds of virtual time. */
  atMs: number;
  /** The step, from 1; 0 before the first. */
  step: number;
  steps: number;
  /** What has just happened, in a sentence. */
  text: string;
}

export interface VerdictDetail {
  headline: string;
  more: string[];
  promises: { text: string; count: number; broken: boolean }[];
}

export interface ErrorDetail {
  /** `source`: what is asked for can't be shown. `csp`: the page's Content-Security-Policy forbids it. `network`: a file is missing. */
  type: 'source' | 'csp' | 'network' | 'unexpected';
  /** What the box says, a line each. */
  message: string;
}

/** The events of a figure; all bubble and are composed. */
export interface FigureEventMap {
  load: CustomEvent<{ link: string }>;
  error: CustomEvent<ErrorDetail>;
  progress: CustomEvent<{ part: number }>;
  visibility: CustomEvent<{ visible: boolean }>;
  step: CustomEvent<StepDetail>;
  verdict: CustomEvent<VerdictDetail>;
  change: CustomEvent<{ link: string }>;
}

/** What was observed of a run, with the keys of the recordings of a real Kafka. */
export interface Observations {
  producer_saw: Record<string, string>;
  log_read_uncommitted: string[];
  log_read_committed: string[];
  replica_logs: Record<string, string[]>;
  topics: Record<string, { log_read_uncommitted: string[]; log_read_committed: string[]; replica_logs: Record<string, string[]> }>;
  calls: string[];
  application_processed: string[];
  sink_rows: string[];
  reads: Record<string, string[]>;
  verdict: {
    acknowledged_lost: number;
    failed_yet_in_log: number;
    duplicates: number;
    reordered_pairs: number;
    aborted_yet_visible: number;
    committed_not_visible: number;
  };
  consumer_verdict: Record<string, number>;
  wire: string[];
}

export declare class KafkaGuaranteesElement extends HTMLElement {
  /** Whether the figure is drawn. The methods below, but for `load` and `dismissPoster`, throw until it is. */
  readonly loaded: boolean;
  readonly observations: Observations;
  play(): void;
  pause(): void;
  /** Moves the playhead by so many steps; back, if less than 0. */
  step(count?: number): void;
  /** To an instant of virtual time: milliseconds, or a text such as `124.3ms`. */
  seek(at: number | string): void;
  /** Loads the figure, wherever it is; with something else to show, if that is given. */
  load(src?: string): Promise<void>;
  dismissPoster(): Promise<void>;
  toText(): string;
  toLink(): string;
  toSVG(options?: { theme?: FigureTheme }): string;
  toBlob(options?: { type?: 'image/png' | 'image/svg+xml'; theme?: FigureTheme; scale?: number }): Promise<Blob>;
  export(format: ExportFormat): string;

  addEventListener<K extends keyof FigureEventMap>(
    type: K,
    listener: (this: KafkaGuaranteesElement, event: FigureEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** Light or dark, as the page around says. */
export declare function themeOfPage(): FigureTheme;

/** An SVG as a PNG, so many pixels for each of its own. */
export declare function pngOf(svg: string, scale?: number): Promise<Blob>;

declare global {
  interface HTMLElementTagNameMap {
    'kafka-guarantees': KafkaGuaranteesElement;
  }
}
