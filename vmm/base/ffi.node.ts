/** The part of node:ffi (Node 26, experimental) that is used here. What calls it works without it, on hosts and Nodes that have none. */
interface Ffi {
  dlopen(path: string, functions: Signatures): { functions: ForeignFunctions };
}

export type Signatures = Record<string, { readonly arguments: readonly string[]; readonly return: string }>;
export type ForeignFunctions = Record<string, (...args: unknown[]) => unknown>;

/** Functions of a library of the host; undefined where they cannot be reached. */
export function functionsOf(library: string, signatures: Signatures): ForeignFunctions | undefined {
  try {
    return withoutWarning(() => process.getBuiltinModule('node:ffi') as unknown as Ffi).dlopen(library, signatures).functions;
  } catch {
    return undefined;
  }
}

/** node:ffi announces itself as experimental on stderr; users of a disk need not hear of it. */
function withoutWarning<T>(work: () => T): T {
  const original = Object.getOwnPropertyDescriptor(process, 'emitWarning')!;
  process.emitWarning = () => undefined;
  try {
    return work();
  } finally {
    Object.defineProperty(process, 'emitWarning', original);
  }
}
