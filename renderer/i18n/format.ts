import { currentLanguage } from './i18n.ts';

/** IEC 80000-13 names; `Intl` knows only decimal units. */
const units = { en: ['B', 'KiB', 'MiB', 'GiB', 'TiB'], fr: ['o', 'Kio', 'Mio', 'Gio', 'Tio'] } as const;

/** `1.41 MiB`: binary multiples, as the sizes of memory and images are. */
export function bytes(value: number): string {
  const names = units[currentLanguage()];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1023.5 && unit < names.length - 1) {
    scaled /= 1024;
    unit++;
  }
  const digits = unit === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return `${number(scaled, digits)}\u00a0${names[unit] ?? ''}`;
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(currentLanguage(), { maximumFractionDigits: digits }).format(value);
}

export function percent(value: number): string {
  return new Intl.NumberFormat(currentLanguage(), { style: 'percent', maximumFractionDigits: value < 0.1 ? 1 : 0 }).format(value);
}

export function dateTime(ms: number): string {
  return new Intl.DateTimeFormat(currentLanguage(), { dateStyle: 'medium', timeStyle: 'short' }).format(ms);
}

/** `3 min ago`, from the largest unit that fits. */
export function ago(ms: number, now: number): string {
  const seconds = Math.round((ms - now) / 1000);
  const steps = [
    [60, 'second', 1],
    [3600, 'minute', 60],
    [86400, 'hour', 3600],
    [2592000, 'day', 86400],
    [31536000, 'month', 2592000],
    [Infinity, 'year', 31536000],
  ] as const;
  const [, unit, size] = steps.find(([limit]) => Math.abs(seconds) < limit) ?? steps[5];
  return new Intl.RelativeTimeFormat(currentLanguage(), { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

/** `1:02:03` of a duration in milliseconds. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}
