/** AES-NI (SDM vol.2 AESENC...; FIPS 197). `to` and `from` are addresses of 16 bytes in core memory: state and round key. */

const sbox = memory.data(256);
const inverse = memory.data(256);
const temporary = memory.data(16, 16);
const ready = memory.data(4, 4);

// @ts-ignore: decorator
@inline
function double(x: u32): u32 {
  return ((x << 1) ^ (x & 0x80 ? 0x1b : 0)) & 0xff;
}

/** GF(2^8) product modulo x^8 + x^4 + x^3 + x + 1. */
export function multiplyField(a: u32, b: u32): u32 {
  let product: u32 = 0;
  while (b) {
    if (b & 1) product ^= a;
    a = double(a);
    b >>= 1;
  }
  return product;
}

/** FIPS 197 5.1.1: the inverse in GF(2^8), then an affine map. Walks the field by the generator 3 and its inverse F6h. */
function prepare(): void {
  if (load<u32>(ready)) return;
  store<u32>(ready, 1);
  let p: u32 = 1;
  let q: u32 = 1;
  do {
    p ^= double(p);
    q = multiplyField(q, 0xf6);
    const s = (q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63) & 0xff;
    store<u8>(sbox + p, <u8>s);
    store<u8>(inverse + s, <u8>p);
  } while (p != 1);
  store<u8>(sbox, 0x63);
  store<u8>(inverse + 0x63, 0);
}

function rotate(x: u32, n: u32): u32 {
  return ((x << n) | (x >> (8 - n))) & 0xff;
}

/** ShiftRows and SubBytes (or their inverses) into `temporary`. The state is column-major: row r of column c is byte 4c + r. */
function substitute(state: usize, decrypt: bool): void {
  const table = decrypt ? inverse : sbox;
  for (let c: u32 = 0; c < 4; c++) {
    for (let r: u32 = 0; r < 4; r++) {
      const column = decrypt ? (c - r) & 3 : (c + r) & 3;
      store<u8>(temporary + c * 4 + r, load<u8>(table + load<u8>(state + column * 4 + r)));
    }
  }
}

function mixColumn(at: usize, to: usize): void {
  const a = <u32>load<u8>(at);
  const b = <u32>load<u8>(at, 1);
  const c = <u32>load<u8>(at, 2);
  const d = <u32>load<u8>(at, 3);
  const all = a ^ b ^ c ^ d;
  store<u8>(to, <u8>(a ^ all ^ double(a ^ b)));
  store<u8>(to, <u8>(b ^ all ^ double(b ^ c)), 1);
  store<u8>(to, <u8>(c ^ all ^ double(c ^ d)), 2);
  store<u8>(to, <u8>(d ^ all ^ double(d ^ a)), 3);
}

function unmixColumn(at: usize, to: usize): void {
  // multiply by the inverse polynomial: first add 4 (a + c) and 4 (b + d), then mix
  const u = double(double(<u32>load<u8>(at) ^ <u32>load<u8>(at, 2)));
  const v = double(double(<u32>load<u8>(at, 1) ^ <u32>load<u8>(at, 3)));
  store<u8>(to, <u8>(load<u8>(at) ^ u));
  store<u8>(to, <u8>(load<u8>(at, 1) ^ v), 1);
  store<u8>(to, <u8>(load<u8>(at, 2) ^ u), 2);
  store<u8>(to, <u8>(load<u8>(at, 3) ^ v), 3);
  mixColumn(to, to);
}

function addKey(to: usize, key: usize): void {
  v128.store(to, v128.xor(v128.load(temporary), v128.load(key)));
}

export function aes_encrypt(to: usize, from: usize, last: u32): void {
  prepare();
  substitute(to, false);
  if (!last) for (let c: usize = 0; c < 16; c += 4) mixColumn(temporary + c, temporary + c);
  addKey(to, from);
}

export function aes_decrypt(to: usize, from: usize, last: u32): void {
  prepare();
  substitute(to, true);
  if (!last) for (let c: usize = 0; c < 16; c += 4) unmixColumn(temporary + c, temporary + c);
  addKey(to, from);
}

export function aes_inverse_mix(to: usize, from: usize): void {
  for (let c: usize = 0; c < 16; c += 4) unmixColumn(from + c, temporary + c);
  memory.copy(to, temporary, 16);
}

function substituteWord(x: u32): u32 {
  prepare();
  return (
    <u32>load<u8>(sbox + (x & 0xff)) |
    (<u32>load<u8>(sbox + ((x >> 8) & 0xff)) << 8) |
    (<u32>load<u8>(sbox + ((x >> 16) & 0xff)) << 16) |
    (<u32>load<u8>(sbox + (x >> 24)) << 24)
  );
}

export function aes_key_assist(to: usize, from: usize, constant: u32): void {
  const x1 = substituteWord(load<u32>(from, 4));
  const x3 = substituteWord(load<u32>(from, 12));
  store<u32>(to, x1);
  store<u32>(to, rotr<u32>(x1, 8) ^ (constant & 0xff), 4);
  store<u32>(to, x3, 8);
  store<u32>(to, rotr<u32>(x3, 8) ^ (constant & 0xff), 12);
}

/** GF2P8MULB: lane-wise products in the same field. */
export function gf_multiply_bytes(to: usize, from: usize): void {
  for (let i: usize = 0; i < 16; i++) store<u8>(to + i, <u8>multiplyField(load<u8>(to + i), load<u8>(from + i)));
}
