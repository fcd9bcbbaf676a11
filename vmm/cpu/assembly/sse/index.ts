// The SSE, AES and SHA helpers that texts call (isa/sse*.ts).
export * from './available';
export * from './packed';
export * from './aes';
export * from './sha';
export * from './strings';
export * from './integer';
