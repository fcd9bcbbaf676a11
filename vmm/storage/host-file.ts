/**
 * A file of the host as the image formats see it. Everything they do to the host goes through here, so that tests can log every write and
 * flush, tear them, fail them, and replay a power cut at any point.
 */
export interface HostFile {
  /** For messages. */
  readonly path: string;
  readonly readOnly: boolean;
  /** Bytes. */
  size(): Promise<number>;
  /** Fills `into`; bytes beyond the end of the file read as zeros. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Writes all of `from`; the file grows as needed, a gap reads as zeros. */
  write(offset: number, from: Uint8Array): Promise<void>;
  readv?(offset: number, into: readonly Uint8Array[]): Promise<void>;
  writev?(offset: number, from: readonly Uint8Array[]): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Returns when everything written before survives power loss. */
  flush(): Promise<void>;
  /** Makes a range read as zeros and gives its space back. False: the host cannot; nothing was changed. */
  punch(offset: number, length: number): Promise<boolean>;
  /** The next range of data at or after `offset`, as far as the host knows; undefined: nothing but a hole up to the end of the file. */
  nextData(offset: number): Promise<{ readonly start: number; readonly end: number } | undefined>;
  close(): Promise<void>;
}

export async function readPieces(file: HostFile, offset: number, into: readonly Uint8Array[]): Promise<void> {
  if (into.length > 1 && file.readv !== undefined) return file.readv(offset, into);
  let at = offset;
  for (const piece of into) {
    await file.read(at, piece);
    at += piece.length;
  }
}

export async function writePieces(file: HostFile, offset: number, from: readonly Uint8Array[]): Promise<void> {
  if (from.length > 1 && file.writev !== undefined) return file.writev(offset, from);
  let at = offset;
  for (const piece of from) {
    await file.write(at, piece);
    at += piece.length;
  }
}
