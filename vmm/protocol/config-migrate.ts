/** Steps from older schema versions of a configuration to the present one. A file of a later version is refused, never guessed at. */
type Step = (data: Record<string, unknown>) => Record<string, unknown>;

/** `steps[n]` turns version n into version n + 1. Version 1 is the first. */
const steps: Readonly<Record<number, Step>> = {};

export type Migration = { readonly ok: true; readonly data: unknown } | { readonly ok: false; readonly message: string };

export function migrateConfig(data: unknown, current: number, table: Readonly<Record<number, Step>> = steps): Migration {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return { ok: true, data }; // for the schema to refuse
  let config = data as Record<string, unknown>;
  let version = config['schema'] ?? current;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) return { ok: false, message: 'must be a positive whole number' };
  if (version > current)
    return { ok: false, message: `version ${version} was written by a later Strate; this one knows up to ${current}. Update Strate to open it` };
  while (version < current) {
    const step = table[version];
    if (step === undefined) return { ok: false, message: `version ${version} can no longer be read` };
    config = { ...step(config), schema: version + 1 };
    version++;
  }
  return { ok: true, data: config };
}
