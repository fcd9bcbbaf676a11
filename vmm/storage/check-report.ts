/** What a check of an image found, and what a repair did. */
export interface CheckReport {
  /** Damage: data are lost, or would be by the next writes. One sentence each; the first hundred. */
  readonly errors: string[];
  errorCount: number;
  /** Space that is taken and not used, bytes: harmless. */
  leaked: number;
  /** Bytes of the image's contents that are held in the file. */
  allocated: number;
  /** What was repaired, one sentence each. */
  readonly repaired: string[];
}

const MOST_SENTENCES = 100;

export function newReport(): CheckReport {
  return { errors: [], errorCount: 0, leaked: 0, allocated: 0, repaired: [] };
}

export function found(report: CheckReport, sentence: string): void {
  report.errorCount++;
  if (report.errors.length < MOST_SENTENCES) report.errors.push(sentence);
}

export type RepairMode = 'none' | 'leaks' | 'all';
