; The guest of kill.node.ts, a boot sector: writes sector after sector of the primary master, each filled with its number and at a place far from the
; last, flushes the drive's cache, and only then says the number on COM1. Assembled by: nasm -f bin kill-guest.asm -o /dev/stdout | base64 -w0
bits 16
org 0x7c00
  cli
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  cld
  mov dx, 0x3fb
  mov al, 3
  out dx, al
  xor ebp, ebp
next:
  inc ebp
  mov di, 0x8000
  mov cx, 128
  mov eax, ebp
  rep stosd
  mov eax, ebp              ; LBA = 2048 + number * 7919 mod 61440
  mov ecx, 7919
  mul ecx
  mov ecx, 61440
  div ecx
  add edx, 2048
  mov ebx, edx
  call ready
  mov dx, 0x1f6
  mov al, 0xe0
  out dx, al
  mov dx, 0x1f2
  mov al, 1
  out dx, al
  inc dx
  mov al, bl
  out dx, al
  inc dx
  mov al, bh
  out dx, al
  inc dx
  mov eax, ebx
  shr eax, 16
  out dx, al
  mov dx, 0x1f7
  mov al, 0x30              ; WRITE SECTORS
  out dx, al
  call ready
  mov dx, 0x1f0
  mov si, 0x8000
  mov cx, 256
  rep outsw
  call ready
  mov al, 0xe7              ; FLUSH CACHE
  out dx, al
  call ready
  mov eax, ebp
  mov cx, 4
say:
  mov bl, al
  mov dx, 0x3fd
wait_uart:
  in al, dx
  test al, 0x20
  jz wait_uart
  mov dx, 0x3f8
  mov al, bl
  out dx, al
  ror ebp, 8                ; four times: as it was
  mov eax, ebp
  loop say
  jmp next
ready:
  mov dx, 0x1f7
wait_drive:
  in al, dx
  test al, 0x80
  jnz wait_drive
  test al, 0x21
  jz done
halt:
  hlt
  jmp halt
done:
  ret
  times 510 - ($ - $$) db 0
  db 0x55, 0xaa
