/** A file or folder that goes onto a disk. */
export interface TreeFile {
  readonly kind: 'file';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly modified: Date;
  /** Where its contents come from: a path on the host. */
  readonly source: string;
}

export interface TreeFolder {
  readonly kind: 'folder';
  readonly name: string;
  readonly modified: Date;
  readonly entries: readonly TreeEntry[];
}

export type TreeEntry = TreeFile | TreeFolder;

/** Where something of an image goes: bytes that were made here, or a file's contents. */
export interface Piece {
  readonly offset: number;
  readonly content: Uint8Array | TreeFile;
}

/** A whole image as its parts, in the order of their offsets; what lies between is zeros. */
export interface ImagePlan {
  readonly size: number;
  readonly pieces: readonly Piece[];
}

/**
 * Short names of DOS, 8.3, in capitals, each different from the others of its folder. `allowed`: what characters besides letters and digits a name
 * may have; others become underscores.
 */
export function shortNames(entries: readonly TreeEntry[], allowed: string): Map<TreeEntry, { readonly base: string; readonly extension: string }> {
  const taken = new Set<string>();
  const names = new Map<TreeEntry, { base: string; extension: string }>();
  const clean = (text: string) =>
    Array.from(text.normalize('NFD').toUpperCase())
      .filter((character) => !/\p{M}|\s/u.test(character) && character !== '.')
      .map((character) => (/[A-Z0-9]/.test(character) || allowed.includes(character) ? character : '_'))
      .join('');
  for (const entry of entries) {
    const dot = entry.kind === 'file' ? entry.name.lastIndexOf('.') : -1;
    const [rawBase, rawExtension] = dot > 0 ? [entry.name.slice(0, dot), entry.name.slice(dot + 1)] : [entry.name, ''];
    const [whole, extension] = [clean(rawBase) || '_', clean(rawExtension).slice(0, 3)];
    let base = whole.slice(0, 8);
    for (let n = 1; taken.has(`${base}.${extension}`); n++) {
      const tail = allowed.includes('~') ? `~${n}` : `_${n}`;
      base = whole.slice(0, 8 - tail.length) + tail;
    }
    taken.add(`${base}.${extension}`);
    names.set(entry, { base, extension });
  }
  return names;
}
