// The walk over the tape, both halves: every operation forward, then every operation back. Its place is one number, the
// store's `step`: 0 when all is computed, k when k operations are walked back, −k when the last k are not computed yet.
// Pure functions of a model; sums and adjoints are the trace's own numbers.

import { bytes, cut, num, real, stats } from "./format";
import type { Model } from "./model";
import type { Node, Num, Trace } from "./trace";

export interface Walk {
  forward: number[]; // ids of the operations, in tape order
  back: number[]; // ids of the operations, in the order of the walk back
  place: Int32Array; // by node: its place in `forward`, -1 for what the tape begins with
  kept: Float64Array; // by step + forward.length: bytes that the tape keeps
  peak: number; // the most of them
}

const walks = new WeakMap<Model, Walk>();

export function walkOf(m: Model): Walk {
  const known = walks.get(m);
  if (known) return known;
  const { nodes, memory } = m.trace;
  const forward = nodes.filter((n) => n.kind === "operation").map((n) => n.id);
  const place = new Int32Array(nodes.length).fill(-1);
  forward.forEach((id, i) => (place[id] = i));
  const kept = new Float64Array(forward.length + m.order.length + 1);
  let sum = 0;
  forward.forEach((id, i) => (kept[i + 1] = sum += nodes[id].kept ?? 0));
  kept[forward.length] = sum = memory.kept;
  m.order.forEach((id, k) => (kept[forward.length + k + 1] = sum -= nodes[id].freed ?? 0));
  const walk = { forward, back: m.order, place, kept, peak: kept.reduce((a, b) => Math.max(a, b), 0) };
  walks.set(m, walk);
  return walk;
}

/** Bytes that the tape keeps at a step. */
export function keptAt(m: Model, step: number): number {
  const { forward, kept } = walkOf(m);
  return kept[Math.max(0, Math.min(kept.length - 1, forward.length + step))];
}

/** Has this node a value at this step? What the tape begins with always has. */
export function computed(m: Model, id: number, step: number): boolean {
  const { forward, place } = walkOf(m);
  return step >= 0 || place[id] < forward.length + step;
}

/** The operation that the last move took: forward or back; null at the very start. */
export function taken(m: Model, step: number): Node | null {
  const { forward, back } = walkOf(m);
  const id = step > 0 ? back[step - 1] : forward[forward.length + step - 1];
  return id === undefined ? null : m.trace.nodes[id];
}

/** The step right after a node was walked back; for a leaf, after its last addend has arrived; null: never. */
export function stepOf(m: Model, node: Node): number | null {
  if (node.kind === "operation") return m.at[node.id] < 0 ? null : m.at[node.id] + 1;
  const steps = (node.addends ?? []).map((a) => m.at[a.from] + 1);
  return steps.length ? Math.max(...steps) : null;
}

/** "step 3 of 12 back: tanh" */
export function placeText(m: Model, step: number): string {
  const { forward, back } = walkOf(m);
  const node = taken(m, step);
  const name = node ? `: ${cut(node.op)}${node.name ? ` → ${cut(node.name)}` : ""}` : "";
  if (step > 0) return `step ${step} of ${back.length} back${name}`;
  if (!node) return "nothing is computed yet";
  if (step === 0) return `all ${forward.length} computed, nothing walked back`;
  return `${forward.length + step} of ${forward.length} forward${name}`;
}

/** A move in words, for the live region: what was taken, what it sent on, and what the tape still keeps. */
export function describe(m: Model, step: number): string {
  const node = taken(m, step);
  const memory = `Memory ${bytes(keptAt(m, step))}.`;
  const place = placeText(m, step);
  const head = `${place[0].toUpperCase()}${place.slice(1)}.`;
  if (!node || step === 0) return `${head} ${memory}`;
  if (step < 0) return `${head} Value ${stats(node.value)}. ${memory}`;
  const sent: string[] = [];
  node.inputs?.forEach((id, argument) => {
    const to = m.trace.nodes[id];
    const i = to.addends?.findIndex((a) => a.from === node.id && a.argument === argument) ?? -1;
    if (i < 0) return;
    const { value, sum } = to.addends![i];
    const of = to.addends!.length;
    const total = of > 1 ? `, ${i + 1} of ${of} arrived${sum === undefined ? "" : `, sum ${num(sum)}`}` : "";
    sent.push(`${stats(value)} to ${cut(to.name || to.op || to.kind)}${total}`);
  });
  return `${head} Adjoint ${stats(node.adjoint)}. ${sent.length ? `Sends ${sent.join("; ")}. ` : ""}${memory}`;
}

/** One path from a node to the result: the operations that it passes, with the slope at each. */
export interface Path {
  hops: { node: number; argument: number; local: Num }[];
  product: number;
}

export interface Paths {
  count: bigint; // all of them, however many
  shown: Path[]; // the first of them
  sum: number; // of the products of all paths
}

/**
 * The chain rule spelled out: every path by which the adjoint came to `start`, as a product of local derivatives. Null
 * where an operation on the way has no single number for its slope (arrays), or no path leads to the result.
 */
export function paths(trace: Trace, start: Node, most = 20): Paths | null {
  const { nodes, result } = trace;
  if (start.id === result || !start.addends?.length) return null;
  const slope = (from: number, argument: number): Num | null | undefined => nodes[from].local?.[argument];
  const above = new Set([start.id]); // what the adjoint passed on its way; users stand after their inputs on the tape
  for (let id = start.id; id < result; id++)
    if (above.has(id))
      for (const { from, argument } of nodes[id].addends ?? []) {
        if (slope(from, argument) == null) return null;
        above.add(from);
      }
  const counts = new Map<number, bigint>([[result, 1n]]);
  const sums = new Map<number, number>([[result, 1]]);
  for (let id = result - 1; id >= start.id; id--) {
    if (!above.has(id)) continue;
    let count = 0n;
    let sum = 0;
    for (const { from, argument } of nodes[id].addends ?? []) {
      count += counts.get(from) ?? 0n;
      if (counts.get(from)) sum += real(slope(from, argument)!) * sums.get(from)!;
    }
    counts.set(id, count);
    sums.set(id, sum);
  }
  const count = counts.get(start.id)!;
  if (!count) return null;
  const shown: Path[] = [];
  const hops: Path["hops"] = []; // depth first, by hand: chains are 20,000 operations deep
  const trail = [{ id: start.id, next: 0 }];
  while (trail.length && shown.length < most) {
    const top = trail[trail.length - 1];
    const addend = top.id === result ? undefined : nodes[top.id].addends?.[top.next++];
    if (top.id === result) shown.push({ hops: hops.slice(), product: hops.reduce((p, h) => p * real(h.local), 1) });
    if (!addend) {
      trail.pop();
      hops.pop();
    } else if (counts.get(addend.from)) {
      hops.push({ node: addend.from, argument: addend.argument, local: slope(addend.from, addend.argument)! });
      trail.push({ id: addend.from, next: 0 });
    }
  }
  return { count, shown, sum: sums.get(start.id)! };
}

