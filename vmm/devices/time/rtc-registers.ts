import { civilOf, secondsOf, weekdayOf, type Civil } from './calendar.ts';

/* Registers of the MC146818A (Motorola data sheet ADI-1024) and how time stands in them. */

export const SECONDS = 0x00;
export const SECONDS_ALARM = 0x01;
export const MINUTES = 0x02;
export const MINUTES_ALARM = 0x03;
export const HOURS = 0x04;
export const HOURS_ALARM = 0x05;
export const DAY_OF_WEEK = 0x06;
export const DAY_OF_MONTH = 0x07;
export const MONTH = 0x08;
export const YEAR = 0x09;
export const REG_A = 0x0a;
export const REG_B = 0x0b;
export const REG_C = 0x0c;
export const REG_D = 0x0d;
/** The century stands in RAM: here on a PC/AT (FADT.CENTURY names it), at 37h on a PS/2. */
export const CENTURY = 0x32;
export const CENTURY_PS2 = 0x37;

export const A_UIP = 0x80; // update in progress
// Divider, bits 6-4: 010 runs at 32768 Hz, 11x holds it in reset.
export const A_DV_RESET = 0x60;
export const A_DV_32768 = 0x20;
export const A_RS = 0x0f; // periodic rate

export const B_SET = 0x80; // updates are held off
export const B_PIE = 0x40;
export const B_AIE = 0x20;
export const B_UIE = 0x10;
export const B_SQWE = 0x08;
export const B_DM = 0x04; // binary, not BCD
export const B_24H = 0x02;

export const C_IRQF = 0x80;
export const C_PF = 0x40;
export const C_AF = 0x20;
export const C_UF = 0x10;

export const D_VRT = 0x80; // the battery is good

/** An alarm register of C0h-FFh matches any value. */
export const ALARM_ANY = 0xc0;

const PM = 0x80;

/** The registers that count time. */
export const TIME_REGISTERS: readonly number[] = [SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY_OF_MONTH, MONTH, YEAR, CENTURY, CENTURY_PS2];

/** Ticks of the 32768 Hz time base per periodic interrupt; 0 is none (data sheet, table 5). */
export function periodicTicks(regA: number): number {
  const rate = regA & A_RS;
  if (rate === 0) return 0;
  return rate <= 2 ? 64 << rate : 1 << (rate - 1);
}

function encode(value: number, regB: number): number {
  return (regB & B_DM) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decode(value: number, regB: number): number {
  return (regB & B_DM) !== 0 ? value : (value >> 4) * 10 + (value & 15);
}

export function encodeHour(hour: number, regB: number): number {
  if ((regB & B_24H) !== 0) return encode(hour, regB);
  return encode(hour % 12 || 12, regB) | (hour >= 12 ? PM : 0);
}

function decodeHour(value: number, regB: number): number {
  if ((regB & B_24H) !== 0) return decode(value, regB);
  return (decode(value & ~PM, regB) % 12) + ((value & PM) !== 0 ? 12 : 0);
}

export function encodeSixtieth(value: number, regB: number): number {
  return encode(value, regB);
}

/** Writes `seconds` (since 1970) into the time registers. `weekdayShift`: what the guest's day of the week is ahead of the calendar's. */
export function storeTime(cmos: Uint8Array, seconds: number, weekdayShift: number): void {
  const regB = cmos[REG_B]!;
  const civil = civilOf(seconds);
  cmos[SECONDS] = encode(civil.second, regB);
  cmos[MINUTES] = encode(civil.minute, regB);
  cmos[HOURS] = encodeHour(civil.hour, regB);
  cmos[DAY_OF_WEEK] = ((weekdayOf(seconds) + weekdayShift) % 7) + 1;
  cmos[DAY_OF_MONTH] = encode(civil.day, regB);
  cmos[MONTH] = encode(civil.month, regB);
  cmos[YEAR] = encode(civil.year % 100, regB);
  cmos[CENTURY] = cmos[CENTURY_PS2] = encode(Math.floor(civil.year / 100), regB);
}

/** What the time registers say; impossible fields are brought into their range, as a counter would reach it. */
export function readTime(cmos: Uint8Array): { readonly seconds: number; readonly weekdayShift: number } {
  const regB = cmos[REG_B]!;
  const field = (register: number, max: number) => Math.min(decode(cmos[register]!, regB), max);
  const civil: Civil = {
    year: field(CENTURY, 99) * 100 + field(YEAR, 99),
    month: Math.max(field(MONTH, 12), 1),
    day: Math.max(field(DAY_OF_MONTH, 31), 1),
    hour: Math.min(decodeHour(cmos[HOURS]!, regB), 23),
    minute: field(MINUTES, 59),
    second: field(SECONDS, 59),
  };
  const seconds = secondsOf(civil);
  const weekday = (cmos[DAY_OF_WEEK]! + 6) % 7;
  return { seconds, weekdayShift: (weekday - weekdayOf(seconds) + 7) % 7 };
}
