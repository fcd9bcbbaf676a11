import { assert } from '../../base/errors.ts';
import { SCRATCH, type Entry } from './boot-plan.ts';

/*
 * The option ROM that starts a kernel given by --kernel. SeaBIOS runs it as a boot device (BIOS Boot Specification 1.01, BEV), after it has set up PCI,
 * video, ACPI and interrupts. The ROM asks the BIOS for the memory map, hands it to the machine through a writable fw_cfg file, and jumps to code
 * that the machine has placed in low memory together with the kernel. Everything clever happens in TypeScript (direct-boot.ts).
 */

export const BOOT_ROM_FILE = 'genroms/strate-kernel.rom';
/** The fw_cfg file the ROM writes the memory map to: room for 102 entries of 20 bytes. */
export const MAP_FILE = 'etc/strate/kernel-boot';
export const MAP_FILE_SIZE = 2040;
const MAP_ENTRY_SIZE = 20;

/** Layout of the scratch page: the fw_cfg DMA descriptor, the memory map, then the code that enters the kernel. */
const DESCRIPTOR = SCRATCH.start + 0x1000;
const MAP = DESCRIPTOR + 0x10;
export const ENTRY_CODE = DESCRIPTOR + 0x1000;
const GDT = ENTRY_CODE + 0x100;

const ROM_SIZE = 512;
const PNP_HEADER = 0x20;
const CODE = 0x40;
const FW_CFG_DMA_LOW = 0x518;
const DMA_SELECT_AND_WRITE = 0x18;

const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
const bigEndian = (value: number): number[] => u32(value).reverse();

/** The ROM; `mapKey` is the fw_cfg key of MAP_FILE. */
export function bootRom(mapKey: number): Uint8Array {
  const rom = new Uint8Array(ROM_SIZE);
  const code = [
    [0x31, 0xc0], //                                       xor ax, ax
    [0x8e, 0xd8], //                                       mov ds, ax
    [0x8e, 0xc0], //                                       mov es, ax
    [0xfc], //                                             cld
    [0xbf, ...u16(MAP)], //                                mov di, MAP
    [0x66, 0x31, 0xdb], //                                 xor ebx, ebx
    // next:
    [0x66, 0xb8, ...u32(0xe820)], //                       mov eax, 0E820h
    [0x66, 0xba, ...u32(0x534d_4150)], //                  mov edx, 'SMAP'
    [0x66, 0xb9, ...u32(MAP_ENTRY_SIZE)], //               mov ecx, 20
    [0xcd, 0x15], //                                       int 15h
    [0x72, 0x0e], //                                       jc done
    [0x83, 0xc7, MAP_ENTRY_SIZE], //                       add di, 20
    [0x66, 0x85, 0xdb], //                                 test ebx, ebx
    [0x74, 0x06], //                                       jz done
    [0x81, 0xff, ...u16(MAP + MAP_FILE_SIZE)], //          cmp di, end of the buffer
    [0x72, 0xdc], //                                       jb next
    // done: the DMA descriptor, big-endian
    [0x66, 0xc7, 0x06, ...u16(DESCRIPTOR), ...bigEndian((mapKey << 16) | DMA_SELECT_AND_WRITE)], // mov dword [control], ...
    [0x66, 0xc7, 0x06, ...u16(DESCRIPTOR + 8), ...u32(0)], // mov dword [address high], 0
    [0x66, 0xc7, 0x06, ...u16(DESCRIPTOR + 12), ...bigEndian(MAP)], // mov dword [address low], MAP
    [0x81, 0xef, ...u16(MAP)], //                          sub di, MAP
    [0x89, 0xf8], //                                       mov ax, di
    [0x86, 0xe0], //                                       xchg ah, al
    [0xc7, 0x06, ...u16(DESCRIPTOR + 4), ...u16(0)], //    mov word [length high], 0
    [0xa3, ...u16(DESCRIPTOR + 6)], //                     mov [length low], ax
    [0xba, ...u16(FW_CFG_DMA_LOW)], //                     mov dx, fw_cfg DMA address, low half
    [0x66, 0xb8, ...bigEndian(DESCRIPTOR)], //             mov eax, DESCRIPTOR
    [0x66, 0xef], //                                       out dx, eax
    [0x66, 0x83, 0x3e, ...u16(DESCRIPTOR), 0x00], //       cmp dword [control], 0
    [0x75, 0x05], //                                       jne failed
    [0xea, ...u16(ENTRY_CODE), ...u16(0)], //              jmp 0:ENTRY_CODE
    [0xcd, 0x18], // failed:                               int 18h: the BIOS tries the next boot device
    [0xcb], //                                             retf
  ].flat();

  rom.set([0x55, 0xaa, ROM_SIZE / 512, 0xcb]); // signature, size, initialization: retf
  rom.set(u16(PNP_HEADER), 0x1a);
  const nameAt = CODE + code.length;
  rom.set(code, CODE);
  rom.set(new TextEncoder().encode('Kernel\0'), nameAt);
  // Plug and Play BIOS Specification 1.0A, 3.2: header of 32 bytes.
  rom.set([0x24, 0x50, 0x6e, 0x50, 0x01, 0x02], PNP_HEADER);
  rom.set([...u16(nameAt), ...u16(nameAt)], PNP_HEADER + 0x0e);
  rom.set(u16(CODE), PNP_HEADER + 0x1a); // bootstrap entry vector
  rom[PNP_HEADER + 9] = -sum(rom.subarray(PNP_HEADER, PNP_HEADER + 32)) & 0xff;
  assert(nameAt + 8 < ROM_SIZE, 'the boot ROM is too long');
  rom[ROM_SIZE - 1] = -sum(rom) & 0xff;
  return rom;
}

/** What goes to ENTRY_CODE: real-mode code that gives the processor the state a kernel expects, and jumps. */
export function entryCode(entry: Entry): Uint8Array {
  return entry.mode === 'real' ? realEntry(entry) : protectedEntry(entry);
}

function realEntry({ segment, offset, data, stack }: Entry & { mode: 'real' }): Uint8Array {
  return Uint8Array.from([
    ...[0xfa], //                      cli
    ...[0xb8, ...u16(data)], //        mov ax, data
    ...[0x8e, 0xd8], //                mov ds, ax
    ...[0x8e, 0xc0], //                mov es, ax
    ...[0x8e, 0xe0], //                mov fs, ax
    ...[0x8e, 0xe8], //                mov gs, ax
    ...[0x8e, 0xd0], //                mov ss, ax
    ...[0x66, 0xbc, ...u32(stack)], // mov esp, stack
    ...[0xea, ...u16(offset), ...u16(segment)], // jmp segment:offset
  ]);
}

const FLAT_CODE = 0x08;
const FLAT_DATA = 0x10;
/** Null, flat 4 GiB code, flat 4 GiB data (SDM vol.3 3.4.5). */
const FLAT_GDT = [...new Array<number>(8).fill(0), 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0];

function protectedEntry({ address, eax, ebx }: Entry & { mode: 'protected' }): Uint8Array {
  const start = [
    ...[0xfa], //                                    cli
    ...[0x31, 0xc0], //                              xor ax, ax
    ...[0x8e, 0xd8], //                              mov ds, ax
    ...[0x0f, 0x01, 0x16, ...u16(GDT + FLAT_GDT.length)], // lgdt
    ...[0x0f, 0x20, 0xc0], //                        mov eax, cr0
    ...[0x0c, 0x01], //                              or al, 1
    ...[0x0f, 0x22, 0xc0], //                        mov cr0, eax
  ];
  const far = [0x66, 0xea, ...u32(ENTRY_CODE + start.length + 8), ...u16(FLAT_CODE)]; // jmp 08h:next
  const flat = [
    ...[0x66, 0xb8, ...u16(FLAT_DATA)], //           mov ax, 10h
    ...[0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0x8e, 0xd0], // mov ds, es, fs, gs, ss, ax
    ...[0xbc, ...u32(SCRATCH.end)], //               mov esp, end of scratch
    ...[0x31, 0xc9, 0x31, 0xd2, 0x31, 0xf6, 0x31, 0xff, 0x31, 0xed], // xor ecx, edx, esi, edi, ebp
    ...[0xb8, ...u32(eax)], //                       mov eax, magic
    ...[0xbb, ...u32(ebx)], //                       mov ebx, information
  ];
  const next = ENTRY_CODE + start.length + far.length + flat.length + 5;
  const code = [...start, ...far, ...flat, 0xe9, ...u32(address - next)]; // jmp address
  const bytes = new Uint8Array(GDT - ENTRY_CODE + FLAT_GDT.length + 6);
  bytes.set(code);
  bytes.set([...FLAT_GDT, ...u16(FLAT_GDT.length - 1), ...u32(GDT)], GDT - ENTRY_CODE);
  return bytes;
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
}
