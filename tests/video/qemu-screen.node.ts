/** Talking to a running QEMU over its sockets, and comparing what it shows with what we do. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Surface } from '../../vmm/display/surface.ts';

/** Our DAC widens six bits as a monitor shows them, QEMU's differently; 5-bit colours too. The lower bits of each component are not compared. */
const COMPARED = 0xf8;

/** Lines sent, lines answered, in order. */
export class LineClient {
  readonly #socket: Socket;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(socket: Socket, wanted: (line: string) => boolean) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      if (wanted(line)) this.#waiting.shift()?.(line);
    });
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${line}\n`);
    });
  }
}

export async function openSocket(path: string): Promise<Socket> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect(path, () => resolve(socket));
        socket.once('error', reject);
      });
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

export function parsePpm(file: Buffer): Surface {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.toString('latin1', 0, 64));
  if (header === null) throw new Error('not a PPM picture');
  const surface = new Surface(Number(header[1]), Number(header[2]));
  const data = file.subarray(header[0].length);
  for (let pixel = 0; pixel < surface.words.length; pixel++) {
    surface.words[pixel] = data[pixel * 3]! | (data[pixel * 3 + 1]! << 8) | (data[pixel * 3 + 2]! << 16) | (0xff << 24);
  }
  return surface;
}

/** Differing pixels; QEMU repeats doubled pixels and lines, ours has each once. */
export function comparePictures(ours: Surface, theirs: Surface): string | undefined {
  const across = theirs.width / ours.width;
  const down = theirs.height / ours.height;
  if (!Number.isInteger(across) || !Number.isInteger(down)) return `size ${ours.width}x${ours.height}, QEMU ${theirs.width}x${theirs.height}`;
  const mask = COMPARED * 0x010101;
  let differing = 0;
  let first = '';
  for (let y = 0; y < theirs.height; y++) {
    for (let x = 0; x < theirs.width; x++) {
      const our = ours.words[Math.floor(y / down) * ours.width + Math.floor(x / across)]! & mask;
      const their = theirs.words[y * theirs.width + x]! & mask;
      if (our !== their && differing++ === 0) first = `first at ${x},${y}: ours ${our.toString(16)}, QEMU ${their.toString(16)}`;
    }
  }
  return differing === 0 ? undefined : `${differing} of ${theirs.words.length} pixels differ, ${first}`;
}
