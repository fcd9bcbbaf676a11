/** A civil date and time. `month` and `day` count from 1. */
export interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Seconds from 1970-01-01 00:00:00 in the same, unnamed time zone. Fields out of their range carry over. */
export function secondsOf(civil: Civil): number {
  const date = new Date(0);
  date.setUTCFullYear(civil.year, civil.month - 1, civil.day);
  date.setUTCHours(civil.hour, civil.minute, civil.second);
  return date.getTime() / 1000;
}

export function civilOf(seconds: number): Civil {
  const date = new Date(seconds * 1000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  };
}

/** 0 = Sunday. */
export function weekdayOf(seconds: number): number {
  return (((Math.floor(seconds / 86400) + 4) % 7) + 7) % 7; // 1970-01-01 was a Thursday
}
