// Two recordings, row by row: which rows are the same operation, and what differs there. Pure functions of two traces.

import { plural } from "./format";
import type { Node, Stats, Trace } from "./trace";

export type Mark = "same" | "value" | "adjoint" | "both" | "only" | "skipped";

export interface Comparison {
  pairs: [number | null, number | null][]; // ids in tape order of both: a row of each, or of one alone
  partner: [Map<number, number>, Map<number, number>]; // id here -> id there, for either side
  marks: [Map<number, Mark>, Map<number, Mark>]; // what differs at a row, for either side
  differing: number; // rows that are in both and differ
  only: [number, number]; // rows that are in one alone
  skipped: [number, number]; // of those there, how many the other did not execute
  summary: string;
}

/** What differs at a row, in words. */
export const MARKS: { [m in Mark]: { glyph: string; text: string } } = {
  same: { glyph: "", text: "the same in both" },
  value: { glyph: "≠", text: "its value differs" },
  adjoint: { glyph: "≠∂", text: "its adjoint differs" },
  both: { glyph: "≠≠", text: "its value and its adjoint differ" },
  only: { glyph: "+", text: "only in this recording" },
  skipped: { glyph: "+", text: "not executed in the other recording" },
};

/** Rows are the same operation if module, operation and shape are the same; what the tape begins with, by its name. */
function key(node: Node): string {
  return node.kind === "operation"
    ? JSON.stringify([node.module, node.op, node.shape])
    : JSON.stringify([node.kind === "frozen" ? "parameter" : node.kind, node.name, node.shape]);
}

export function compare(a: Trace, b: Trace, names: [string, string]): Comparison {
  const codes = new Map<string, number>();
  const code = (n: Node): number => {
    const k = key(n);
    const known = codes.get(k);
    if (known !== undefined) return known;
    codes.set(k, codes.size);
    return codes.size - 1;
  };
  const pairs = align(Int32Array.from(a.nodes, code), Int32Array.from(b.nodes, code));
  const sides: [Trace, Trace] = [a, b];
  const partner: Comparison["partner"] = [new Map(), new Map()];
  const marks: Comparison["marks"] = [new Map(), new Map()];
  const only: [number, number] = [0, 0];
  const skipped: [number, number] = [0, 0];
  let differing = 0;
  for (const pair of pairs) {
    const [i, j] = pair;
    if (i !== null && j !== null) {
      partner[0].set(i, j);
      partner[1].set(j, i);
      const mark = difference(a.nodes[i], b.nodes[j]);
      marks[0].set(i, mark);
      marks[1].set(j, mark);
      if (mark !== "same") differing += 1;
    } else {
      const side = i !== null ? 0 : 1;
      const id = (i ?? j) as number;
      const ghost = isGhost(sides[side], id, sides[1 - side]);
      marks[side].set(id, ghost ? "skipped" : "only");
      only[side] += 1;
      if (ghost) skipped[side] += 1;
    }
  }
  const parts = [`${plural(differing, "row")} ${differing === 1 ? "differs" : "differ"}`];
  for (const side of [0, 1] as const) {
    if (!only[side]) continue;
    const there = skipped[side] ? ` (${skipped[side]} of them not executed in “${names[1 - side]}”)` : "";
    parts.push(`${only[side]} only in “${names[side]}”${there}`);
  }
  const equal = differing + only[0] + only[1] === 0;
  return { pairs, partner, marks, differing, only, skipped, summary: equal ? "the two recordings are equal" : parts.join(", ") };
}

function difference(x: Node, y: Node): Mark {
  const value = !same(x.value, y.value) || !same(x.tangent, y.tangent);
  const adjoint = !same(x.adjoint, y.adjoint) || !same(x.adjoint_tangent, y.adjoint_tangent);
  return value ? (adjoint ? "both" : "value") : adjoint ? "adjoint" : "same";
}

/** Equal to the last bit, in all that the trace says of them. */
function same(x: Stats | null | undefined, y: Stats | null | undefined): boolean {
  if (x === null || x === undefined || y === null || y === undefined) return (x ?? null) === (y ?? null);
  if (typeof x !== "object" || typeof y !== "object") return x === y;
  return JSON.stringify(x) === JSON.stringify(y);
}

/** Does this row belong to a block that the other recording did not execute? */
function isGhost(here: Trace, id: number, there: Trace): boolean {
  const dropped = new Set(there.skipped.map((s) => s.path));
  for (let g = here.nodes[id].group; g !== null; g = here.groups[g].parent) {
    if (dropped.has(here.groups[g].path)) return true;
  }
  return false;
}

const PATIENCE = 1500; // differences up to which the shortest script is looked for

/** A longest common subsequence of two sequences of codes, as pairs of indices with what is in one alone between them. */
export function align(a: Int32Array, b: Int32Array): [number | null, number | null][] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const inner = (x: Int32Array): Int32Array => x.subarray(head, x.length - tail);
  const matches = myers(inner(a), inner(b)) ?? unique(inner(a), inner(b));
  const pairs: [number | null, number | null][] = [];
  let i = 0;
  let j = 0;
  const upTo = (m: number, n: number): void => {
    while (i < m) pairs.push([i++, null]);
    while (j < n) pairs.push([null, j++]);
  };
  for (let k = 0; k < head; k++) pairs.push([i++, j++]);
  for (const [x, y] of matches) {
    upTo(head + x, head + y);
    pairs.push([i++, j++]);
  }
  upTo(a.length - tail, b.length - tail);
  while (i < a.length) pairs.push([i++, j++]);
  return pairs;
}

/** Myers' shortest edit script (1986), as matching pairs; null if more than PATIENCE edits are needed. */
function myers(a: Int32Array, b: Int32Array): [number, number][] | null {
  const n = a.length;
  const m = b.length;
  const most = Math.min(n + m, PATIENCE);
  const v = new Int32Array(2 * most + 3);
  const middle = most + 1;
  const history: Int32Array[] = []; // the part of v that each round wrote: v[middle - d .. middle + d]
  for (let d = 0; d <= most; d++) {
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && v[middle + k - 1] < v[middle + k + 1]) ? v[middle + k + 1] : v[middle + k - 1] + 1;
      while (x < n && x - k < m && a[x] === b[x - k]) x += 1;
      v[middle + k] = x;
      if (x >= n && x - k >= m) return trace(history, d, n, m);
    }
    history.push(v.slice(middle - d, middle + d + 1));
  }
  return null;
}

function trace(history: Int32Array[], rounds: number, n: number, m: number): [number, number][] {
  const pairs: [number, number][] = [];
  let x = n;
  let y = m;
  for (let d = rounds; d > 0; d--) {
    const v = history[d - 1];
    const at = (k: number): number => (Math.abs(k) <= d - 1 ? v[k + d - 1] : -1);
    const k = x - y;
    const previous = k === -d || (k !== d && at(k - 1) < at(k + 1)) ? k + 1 : k - 1;
    const px = at(previous);
    const py = px - previous;
    while (x > px && y > py) pairs.push([--x, --y]);
    x = px;
    y = py;
  }
  while (x > 0 && y > 0) pairs.push([--x, --y]);
  return pairs.reverse();
}

/** For very different recordings: the k-th of a code here goes with the k-th there, as far as their order agrees. */
function unique(a: Int32Array, b: Int32Array): [number, number][] {
  const places = new Map<number, number[]>();
  b.forEach((c, j) => (places.get(c) ?? places.set(c, []).get(c)!).push(j));
  const used = new Map<number, number>();
  const candidates: [number, number][] = [];
  a.forEach((c, i) => {
    const k = used.get(c) ?? 0;
    used.set(c, k + 1);
    const j = places.get(c)?.[k];
    if (j !== undefined) candidates.push([i, j]);
  });
  // the longest run of candidates whose places there increase
  const ends: number[] = [];
  const before = new Int32Array(candidates.length).fill(-1);
  candidates.forEach(([, j], c) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (candidates[ends[mid]][1] < j) low = mid + 1;
      else high = mid;
    }
    before[c] = low ? ends[low - 1] : -1;
    ends[low] = c;
  });
  const pairs: [number, number][] = [];
  for (let c = ends.length ? ends[ends.length - 1] : -1; c >= 0; c = before[c]) pairs.push(candidates[c]);
  return pairs.reverse();
}
