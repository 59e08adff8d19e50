// Types of kafka_guarantees.js: the engine for programs.
import type { ExportFormat, Observations } from './embed.js';
export type { ExportFormat, Observations };

/** A number with its interval; docs/measuring.md says how each is defined. */
export interface MeasuredNumber {
  value: number;
  low: number;
  high: number;
}

export interface Measured {
  runs: number;
  seed: string;
  numbers: Record<string, MeasuredNumber | null>;
}

export interface MeasureOptions {
  /** Runs under faults, from 1 to 1,000,000; 1000 unless said. */
  runs?: number;
  seed?: number | bigint;
  signal?: AbortSignal;
  progress?: (progress: { done: number; total: number }) => void;
}

/** Runs a scenario: a text, a preset's name or a link. Throws an Error with all that is wrong with it, a line each. */
export declare function run(scenario: string): Observations;

/** Writes a run for elsewhere. */
export declare function exportRun(scenario: string, format: ExportFormat): string;

/** Measures a scenario by many seeded runs under the usual mix of faults. */
export declare function measure(scenario: string, options?: MeasureOptions): Promise<Measured>;

export declare function presets(): { id: string; title: string }[];
