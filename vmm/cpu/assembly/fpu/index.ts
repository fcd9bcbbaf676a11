// The x87, MMX and state-saving helpers that texts call (isa/x87.ts, isa/mmx.ts).
export * from './operations';
export * from './compare';
export * from './transfers';
export * from './environment';
export * from './mmx';
