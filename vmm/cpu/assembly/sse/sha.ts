/** SHA extensions (SDM vol.2 SHA1RNDS4...; FIPS 180-4). Lanes are numbered as in the manual: dword 3 is the highest. */

// @ts-ignore: decorator
@inline
function lane(at: usize, i: usize): u32 {
  return load<u32>(at + i * 4);
}

function setLanes(to: usize, w3: u32, w2: u32, w1: u32, w0: u32): void {
  store<u32>(to, w0);
  store<u32>(to, w1, 4);
  store<u32>(to, w2, 8);
  store<u32>(to, w3, 12);
}

export function sha1_rounds(to: usize, from: usize, function_: u32): void {
  let a = lane(to, 3);
  let b = lane(to, 2);
  let c = lane(to, 1);
  let d = lane(to, 0);
  let e: u32 = 0;
  const f = function_ & 3;
  const k: u32 = f == 0 ? 0x5a827999 : f == 1 ? 0x6ed9eba1 : f == 2 ? 0x8f1bbcdc : 0xca62c1d6;
  for (let i: u32 = 0; i < 4; i++) {
    // W0 in the highest lane holds E already added (SHA1NEXTE)
    let mixed: u32;
    if (f == 0) mixed = (b & c) ^ (~b & d);
    else if (f == 2) mixed = (b & c) ^ (b & d) ^ (c & d);
    else mixed = b ^ c ^ d;
    const next = mixed + rotl<u32>(a, 5) + lane(from, 3 - i) + e + k;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  setLanes(to, a, b, c, d);
}

export function sha1_next_e(to: usize, from: usize): void {
  const e = rotl<u32>(lane(to, 3), 30);
  setLanes(to, lane(from, 3) + e, lane(from, 2), lane(from, 1), lane(from, 0));
}

export function sha1_message1(to: usize, from: usize): void {
  const w0 = lane(to, 3);
  const w1 = lane(to, 2);
  const w2 = lane(to, 1);
  const w3 = lane(to, 0);
  const w4 = lane(from, 3);
  const w5 = lane(from, 2);
  setLanes(to, w2 ^ w0, w3 ^ w1, w4 ^ w2, w5 ^ w3);
}

export function sha1_message2(to: usize, from: usize): void {
  const w13 = lane(from, 2);
  const w14 = lane(from, 1);
  const w15 = lane(from, 0);
  const w16 = rotl<u32>(lane(to, 3) ^ w13, 1);
  const w17 = rotl<u32>(lane(to, 2) ^ w14, 1);
  const w18 = rotl<u32>(lane(to, 1) ^ w15, 1);
  const w19 = rotl<u32>(lane(to, 0) ^ w16, 1);
  setLanes(to, w16, w17, w18, w19);
}

/** Two rounds; `key` is the address of XMM0, whose low two dwords are W + K. */
export function sha256_rounds(to: usize, from: usize, key: usize): void {
  let a = lane(from, 3);
  let b = lane(from, 2);
  let c = lane(to, 3);
  let d = lane(to, 2);
  let e = lane(from, 1);
  let f = lane(from, 0);
  let g = lane(to, 1);
  let h = lane(to, 0);
  for (let i: usize = 0; i < 2; i++) {
    const choose = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t = choose + s1 + lane(key, i) + h;
    h = g;
    g = f;
    f = e;
    e = t + d;
    d = c;
    c = b;
    b = a;
    a = t + majority + s0;
  }
  setLanes(to, a, b, e, f);
}

function sigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}

function sigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}

export function sha256_message1(to: usize, from: usize): void {
  const w4 = lane(from, 0);
  const w3 = lane(to, 3);
  const w2 = lane(to, 2);
  const w1 = lane(to, 1);
  const w0 = lane(to, 0);
  setLanes(to, w3 + sigma0(w4), w2 + sigma0(w3), w1 + sigma0(w2), w0 + sigma0(w1));
}

export function sha256_message2(to: usize, from: usize): void {
  const w16 = lane(to, 0) + sigma1(lane(from, 2));
  const w17 = lane(to, 1) + sigma1(lane(from, 3));
  const w18 = lane(to, 2) + sigma1(w16);
  const w19 = lane(to, 3) + sigma1(w17);
  setLanes(to, w19, w18, w17, w16);
}
