/* A kernel that says what its loader gave it, by multiboot 1 or (with -DPVH) by the PVH boot protocol, on the debug console, and ends the machine with status 33. */
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef PVH
__asm__(".section .note.Xen, \"a\", @note\n"
        ".long 4, 4, 18\n" /* XEN_ELFNOTE_PHYS32_ENTRY */
        ".asciz \"Xen\"\n"
        ".long _start\n");
#else
__asm__(".text\n"
        ".align 4\n"
        ".long 0x1badb002, 3, -(0x1badb002 + 3)\n"); /* page-aligned modules, memory information */
#endif
__asm__(".text\n"
        ".globl _start\n"
        "_start: mov $stack_top, %esp\n"
        "push %ebx\n"
        "push %eax\n"
        "call report\n"
        "mov $16, %al\n" /* (16 << 1) | 1 = 33 */
        "out %al, $0xf4\n"
        "1: hlt\n"
        "jmp 1b\n"
        ".bss\n"
        ".lcomm stack, 4096\n"
        ".set stack_top, stack + 4096\n"
        ".text\n");

static void put(char c) { __asm__ volatile("outb %0, $0xe9" : : "a"(c)); }

static void text(const char *s) {
  while (*s) put(*s++);
}

static void number(u64 n) {
  int digit = 60;
  while (digit > 0 && !(n >> digit)) digit -= 4;
  for (; digit >= 0; digit -= 4) put("0123456789abcdef"[(n >> digit) & 15]);
}

static void field(const char *name, u64 value) {
  text(name);
  put(' ');
  number(value);
  put('\n');
}

static void module(u32 start, u32 end, const char *arguments) {
  text("module ");
  for (; start < end; start++) put(*(const char *)start);
  text(" [");
  text(arguments);
  text("]\n");
}

static void memory(u64 base, u64 length, u32 type) {
  text("memory ");
  number(base);
  put(' ');
  number(length);
  put(' ');
  number(type);
  put('\n');
}

/** A word of a structure in memory. */
static u32 at(u32 base, u32 offset) { return *(const u32 *)(base + offset); }
static u64 at64(u32 base, u32 offset) { return *(const u64 *)(base + offset); }

void report(u32 magic, u32 info) {
#ifdef PVH
  (void)magic;
  field("magic", at(info, 0));
  text("arguments ");
  text((const char *)at(info, 24));
  put('\n');
  for (u32 i = 0; i < at(info, 12); i++) {
    u32 entry = at(info, 16) + 32 * i;
    module(at(entry, 0), at(entry, 0) + at(entry, 8), at(entry, 16) ? (const char *)at(entry, 16) : "");
  }
  field("rsdp", at64(info, 32) && *(const u64 *)at(info, 32) == 0x2052545020445352ull); /* "RSD PTR " */
  for (u32 i = 0; i < at(info, 48); i++) memory(at64(at(info, 40), 24 * i), at64(at(info, 40), 24 * i + 8), at(at(info, 40), 24 * i + 16));
#else
  field("magic", magic);
  u32 flags = at(info, 0);
  if (flags & 1) {
    field("lower", at(info, 4));
    field("upper", at(info, 8));
  }
  if (flags & 4) {
    text("arguments ");
    text((const char *)at(info, 16));
    put('\n');
  }
  if (flags & 8)
    for (u32 i = 0; i < at(info, 20); i++) {
      u32 entry = at(info, 24) + 16 * i;
      field("aligned", (at(entry, 0) & 4095) == 0);
      module(at(entry, 0), at(entry, 4), (const char *)at(entry, 8));
    }
  if (flags & 64)
    for (u32 entry = at(info, 48); entry < at(info, 48) + at(info, 44); entry += at(entry, 0) + 4)
      memory(at64(entry, 4), at64(entry, 12), at(entry, 20));
#endif
  text("end\n");
}
