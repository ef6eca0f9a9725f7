// What the panels write beside text.ts: exact numbers, times.

import type { Num } from "./trace";
export * from "./text";

/** The shortest text that reads back as exactly this number. */
export const exact = (x: Num | null | undefined): string => (x === null || x === undefined ? "" : Object.is(x, -0) ? "-0" : String(x));

/** The number that a Num stands for. */
export const real = (x: Num): number => (typeof x === "number" ? x : x === "inf" ? Infinity : x === "-inf" ? -Infinity : NaN);

/** 830 ns, 12.4 µs, 1.3 ms, 2.1 s */
export function time(ns: number | null | undefined): string {
  if (ns === null || ns === undefined) return "–";
  const units = ["ns", "µs", "ms", "s"];
  let i = 0;
  while (ns >= 999.5 && i < 3) [ns, i] = [ns / 1000, i + 1];
  return `${i && ns < 99.95 ? ns.toFixed(1) : ns.toFixed(0)} ${units[i]}`;
}
