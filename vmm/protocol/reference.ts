/** docs/protocol.md, made from the tables. build/protocol-docs.node.ts writes it; a test checks that it is current. */
import { z } from 'zod';
import { vmConfigSchema } from './config.ts';
import { diskImageSchema, diskSchema } from './disk-methods.ts';
import { driveStatusSchema, jobSchema, mediumSchema, trashedVmSchema, vmSummarySchema } from './shared.ts';
import { type Interface, interfaces, protocolVersion, type Role } from './methods.ts';

type Json = Readonly<Record<string, unknown>>;

const intros: Readonly<Record<Role, string>> = {
  library: 'All VMs, run or not. In `strate serve` and in the application.',
  machine: 'One running VM: its VMM process, over the socket in the VM folder, a MessagePort or a WebSocket.',
};

export function protocolReference(): string {
  const out = [
    '# Protocol reference',
    '',
    '<!-- Generated from vmm/protocol by build/protocol-docs.node.ts; do not edit. -->',
    '',
    `Protocol version ${protocolVersion}. How to connect: [vmm/protocol/README.md](../vmm/protocol/README.md). The server first sends`,
    '`{ "hello": { product, version, protocol, role, capabilities } }`. A request is `{ "id", "method", "params" }`, its answer `{ "id", "result" }` or',
    '`{ "id", "error": { code, kind, message, data } }`; without `id` there is no answer. An event is `{ "event", "data" }`. Fields marked `?` may be left',
    'out. Unknown parameters are refused; unknown fields of results are to be ignored.',
    '',
  ];
  for (const role of ['library', 'machine'] as const) {
    const { methods, events }: Interface = interfaces[role];
    out.push(`## The ${role}`, '', intros[role], '');
    for (const [name, method] of Object.entries(methods)) {
      out.push(`### ${name}`, '', `${method.summary}.`, '');
      const params = fields(method.params, 'input');
      const result = fields(method.result, 'output');
      if (params.length > 0) out.push('Parameters:', '', ...params, '');
      if (result.length > 0) out.push('Result:', '', ...result, '');
      const notes = [];
      if (method.when !== undefined) notes.push(`Only while the VM is ${method.when.join(', ')}.`);
      if (method.notification) notes.push('Sent as a notification, without an answer.');
      if (notes.length > 0) out.push(notes.join(' '), '');
    }
    out.push(`### Events of the ${role}`, '');
    for (const [name, event] of Object.entries(events)) out.push(`#### ${name}`, '', `${event.summary}.`, '', ...fields(event.data, 'output'), '');
  }
  out.push('## Shapes', '');
  for (const [name, schema] of Object.entries(shapes)) out.push(`### ${name}`, '', ...fields(schema, 'output'), '');
  out.push('## VmConfig', '', 'What `config.json` in a VM folder holds.', '', ...fields(vmConfigSchema, 'input'), '');
  return out.join('\n').replace(/\n{3,}/g, '\n\n');
}

/** Named in `shared.ts` by `meta({ id })`; elsewhere they appear as a reference. */
const shapes: Readonly<Record<string, z.ZodType>> = {
  VmSummary: vmSummarySchema,
  TrashedVm: trashedVmSchema,
  Job: jobSchema,
  Medium: mediumSchema,
  DriveStatus: driveStatusSchema,
  Disk: diskSchema,
  DiskImage: diskImageSchema,
};

function fields(schema: z.ZodType, io: 'input' | 'output'): string[] {
  return describeFields(z.toJSONSchema(schema, { io, unrepresentable: 'any' }), '');
}

function describeFields(schema: Json, indent: string): string[] {
  const properties = schema['properties'] as Readonly<Record<string, Json>> | undefined;
  const required = new Set(schema['required'] as string[] | undefined);
  return Object.entries(properties ?? {}).flatMap(([name, field]) => {
    const fallback = field['default'] === undefined ? '' : `, default \`${JSON.stringify(field['default'])}\``;
    const line = `${indent}- \`${name}\`${required.has(name) ? '' : '?'}: ${typeOf(field)}${fallback}`;
    return [line, ...nested(field, `${indent}  `)];
  });
}

function nested(field: Json, indent: string): string[] {
  const items = field['items'] as Json | undefined;
  if (items !== undefined) return nested(items, indent);
  const variants = field['oneOf'] as readonly Json[] | undefined;
  if (variants !== undefined) {
    return variants.flatMap((variant) => [`${indent}- ${constants(variant)}`, ...describeFields(withoutConstants(variant), `${indent}  `)]);
  }
  return describeFields(field, indent);
}

/** What tells a variant from the others: `backend` = `file`. */
function constants(variant: Json): string {
  const properties = Object.entries(variant['properties'] as Readonly<Record<string, Json>>);
  return properties.flatMap(([name, field]) => ('const' in field ? [`\`${name}\` = \`${String(field['const'])}\``] : [])).join(', ');
}

function withoutConstants(variant: Json): Json {
  const properties = Object.entries(variant['properties'] as Readonly<Record<string, Json>>).filter(([, field]) => !('const' in field));
  return { ...variant, properties: Object.fromEntries(properties) };
}

function typeOf(field: Json): string {
  const values = field['enum'] as readonly unknown[] | undefined;
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(' \\| ');
  if ('const' in field) return `\`${JSON.stringify(field['const'])}\``;
  if (typeof field['$ref'] === 'string') return field['$ref'].replace('#/$defs/', '');
  const any = field['anyOf'] as readonly Json[] | undefined;
  if (any !== undefined) return any.map(typeOf).join(' \\| ');
  if (field['oneOf'] !== undefined) return 'one of';
  const { type } = field;
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...field, type: each as unknown })).join(' \\| ');
  if (type === 'array') return `list of ${typeOf((field['items'] ?? {}) as Json)}`;
  if (type === 'object' && field['properties'] === undefined) return 'object, by name';
  if (type === 'number' || type === 'integer') return `${type}${range(field)}`;
  return typeof type === 'string' ? type : 'any';
}

function range(field: Json): string {
  const { minimum, exclusiveMinimum, maximum } = field as Readonly<Record<string, number | undefined>>;
  const low = minimum === Number.MIN_SAFE_INTEGER ? undefined : (minimum ?? (exclusiveMinimum === undefined ? undefined : `>${exclusiveMinimum}`));
  const high = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (high === undefined) return low === undefined ? '' : ` from ${low}`;
  return ` ${low ?? ''}..${high}`;
}
