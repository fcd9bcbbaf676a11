/** An initramfs of regular files, uncompressed ("newc", the kernel's Documentation/driver-api/early-userspace/buffer-format.rst): a second one behind the first adds to it. */
export function cpio(files: Readonly<Record<string, string>>): Uint8Array {
  const parts: Buffer[] = [];
  let length = 0;
  const put = (bytes: Buffer) => {
    parts.push(bytes);
    length += bytes.length;
    const pad = -length & 3;
    parts.push(Buffer.alloc(pad));
    length += pad;
  };
  let inode = 1;
  const entry = (name: string, mode: number, data: Buffer) => {
    const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    put(Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`, 'latin1'));
    put(data);
  };
  for (const [name, text] of Object.entries(files)) entry(name, 0o100755, Buffer.from(text));
  entry('TRAILER!!!', 0, Buffer.alloc(0));
  return Buffer.concat(parts);
}

/** `second` where the kernel looks for it: at the next multiple of four behind `first`. */
export function behind(first: Uint8Array, second: Uint8Array): Uint8Array {
  const at = Math.ceil(first.length / 4) * 4;
  const both = new Uint8Array(at + second.length);
  both.set(first);
  both.set(second, at);
  return both;
}
