// What follows from a trace: users, the walk back's order, the tree of modules, the rows of the ledger. Pure functions.

import { isBad, shape } from "./text";
import type { Node, Stats, Trace } from "./trace";

export interface Use {
  user: number; // id of the operation
  argument: number; // which argument of it
}

/** What stands in a module call, in tape order. */
export type Item = { op: number } | { group: number } | { skip: number };

export interface Model {
  trace: Trace;
  users: Use[][]; // by node
  order: number[]; // ids of the operations in the order of the walk back
  at: Int32Array; // by node: its place in `order`, -1 if the walk does not pass it
  home: Int32Array; // by node: the operation in whose row it stands (itself, or where a leaf is first used)
  leaves: number[][]; // by node: leaves that stand in its row
  groupOf: (number | null)[]; // by node: the innermost group of its row
  items: Item[][]; // by group; the last entry is the top
  ops: number[]; // by group: how many operations it holds
  alone: boolean[]; // by group: it holds one operation and nothing else, and gets no row of its own
  level: number[]; // by group: how deep its row is indented
  runs: number[]; // by group: the first of the alike siblings in a row with it
  length: number[]; // by group: how many are in the run that begins with it
  depth: number; // of the deepest row
}

export function derive(trace: Trace): Model {
  const { nodes, groups } = trace;
  const users: Use[][] = nodes.map(() => []);
  const home = Int32Array.from(nodes, (n) => n.id);
  const leaves: number[][] = nodes.map(() => []);
  for (const n of nodes)
    n.inputs?.forEach((id, argument) => {
      if (nodes[id].kind !== "operation" && !users[id].length) {
        home[id] = n.id;
        leaves[n.id].push(id);
      }
      users[id].push({ user: n.id, argument });
    });
  const order = nodes.filter((n) => n.kind === "operation" && n.step != null).sort((a, b) => a.step! - b.step!).map((n) => n.id);
  const at = new Int32Array(nodes.length).fill(-1);
  order.forEach((id, k) => (at[id] = k));
  const groupOf = nodes.map((n) => nodes[home[n.id]].group);

  const items: Item[][] = [...groups.map(() => []), []];
  const top = groups.length;
  const seen = new Set<number>();
  const enter = (g: number | null): Item[] => {
    if (g === null) return items[top];
    if (!seen.has(g)) {
      seen.add(g);
      enter(groups[g].parent).push({ group: g });
    }
    return items[g];
  };
  const skips = trace.skipped.map((s, i) => [s.before, i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let s = 0;
  for (const n of [...nodes, null]) {
    while (s < skips.length && (n === null || skips[s][0] <= n.id)) {
      const skip = skips[s++][1];
      enter(trace.skipped[skip].group).push({ skip });
    }
    if (n && home[n.id] === n.id) enter(n.group).push({ op: n.id });
  }

  const ops = items.map(() => 0);
  const alone = groups.map(() => false);
  for (let g = groups.length - 1; g >= 0; g--) {
    const holds = items[g];
    ops[g] = holds.reduce((sum, i) => sum + ("op" in i ? 1 : "group" in i ? ops[i.group] : 0), 0);
    alone[g] = holds.length === 1 && ("op" in holds[0] || ("group" in holds[0] && alone[holds[0].group]));
  }
  const runs = groups.map((g) => g.id);
  const length = groups.map(() => 1);
  for (const list of items)
    list.forEach((item, i) => {
      const before = list[i - 1];
      if ("group" in item && before && "group" in before && groups[item.group].same === before.group) {
        runs[item.group] = runs[before.group];
        length[runs[before.group]]++;
      }
    });
  const level: number[] = [];
  for (const g of groups) level.push(g.parent === null ? 0 : level[g.parent] + (alone[g.parent] ? 0 : 1));
  const depth = groups.reduce((most, g) => Math.max(most, alone[g.id] ? 0 : level[g.id] + 1), 0);
  return { trace, users, order, at, home, leaves, groupOf, items, ops, alone, level, runs, length, depth };
}

// ---- rows

export interface Row {
  key: string; // "n12" an operation, "g3" a group, "r3" a run of alike groups, "s0" a block that was not executed
  kind: "op" | "group" | "run" | "ghost";
  id: number; // of the node, the group, the run's first group, or the place among the skipped
  level: number;
  open: boolean; // groups and runs: what they hold is shown below
  leaves: number[]; // operations: the leaves that are shown beside it
  more: number; // how many leaves are not drawn
  again: number[]; // operations: leaves that it uses and that stand in an earlier row
  first: number; // ids of the nodes it stands for
  last: number;
  top: number; // in pixels
  height: number;
}

export const HEIGHT = { op: 46, group: 46, run: 46, ghost: 34, open: 32, leaf: 21, line: 38 };
const MOST = 6; // leaves that are drawn beside an operation

export interface Rows {
  list: Row[];
  narrow: boolean;
  height: number;
  index: Map<string, number>;
}

/** The rows that are shown, in tape order; narrow ones have the numbers in a line below, and the leaves below that. */
export function rows(m: Model, open: ReadonlySet<string>, { constants = false, narrow = false } = {}): Rows {
  const { groups, nodes, skipped } = m.trace;
  const list: Row[] = [];
  const index = new Map<string, number>();
  const folded = HEIGHT.group + (narrow ? HEIGHT.line : 0);
  let top = 0;
  const push = (key: string, kind: Row["kind"], id: number, level: number, first: number, last: number, height: number, more: Partial<Row> = {}) => {
    index.set(key, list.length);
    list.push({ key, kind, id, level, open: false, leaves: [], more: 0, again: [], first, last, top, height, ...more });
    top += height;
  };
  const walk = (items: Item[], level: number) => {
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if ("op" in item) {
        const shown = m.leaves[item.op].filter((l) => constants || nodes[l].kind !== "constant");
        const again: number[] = [];
        for (const l of nodes[item.op].inputs ?? [])
          if (nodes[l].kind !== "operation" && m.home[l] !== item.op && (constants || nodes[l].kind !== "constant") && !again.includes(l)) again.push(l);
        const lines = Math.min(shown.length, MOST) + (shown.length > MOST ? 1 : 0) + (again.length ? 1 : 0);
        const height = narrow ? HEIGHT.op + HEIGHT.line + lines * HEIGHT.leaf : Math.max(HEIGHT.op, lines * HEIGHT.leaf + 4);
        push(`n${item.op}`, "op", item.op, level, item.op, item.op, height, { leaves: shown.slice(0, MOST), more: shown.length - Math.min(shown.length, MOST), again });
      } else if ("skip" in item) push(`s${item.skip}`, "ghost", item.skip, level, skipped[item.skip].before, skipped[item.skip].before - 1, HEIGHT.ghost);
      else {
        const g = item.group;
        let inside = level;
        if (m.runs[g] === g && m.length[g] > 1) {
          const unfolded = open.has(`r${g}`);
          const end = items[i + m.length[g] - 1] as { group: number };
          push(`r${g}`, "run", g, level, groups[g].first, groups[end.group].last, unfolded ? HEIGHT.open : folded, { open: unfolded });
          if (!unfolded) {
            i += m.length[g] - 1;
            continue;
          }
        }
        if (m.length[m.runs[g]] > 1) inside++;
        if (m.alone[g]) {
          walk(m.items[g], inside);
          continue;
        }
        const unfolded = open.has(`g${g}`);
        push(`g${g}`, "group", g, inside, groups[g].first, groups[g].last, unfolded ? HEIGHT.open : folded, { open: unfolded });
        if (unfolded) walk(m.items[g], inside + 1);
      }
    }
  };
  walk(m.items[m.items.length - 1], 0);
  return { list, narrow, height: top, index };
}

/** Key of the row in which a node is shown: its own, or that of the folded group that holds it. */
export function rowKeyOf(m: Model, open: ReadonlySet<string>, id: number): string {
  const path: number[] = [];
  for (let g = m.groupOf[id]; g !== null; g = m.trace.groups[g].parent) path.unshift(g);
  for (const g of path) {
    if (m.length[m.runs[g]] > 1 && !open.has(`r${m.runs[g]}`)) return `r${m.runs[g]}`;
    if (!m.alone[g] && !open.has(`g${g}`)) return `g${g}`;
  }
  return `n${m.home[id]}`;
}

/** The first operation that a group holds. */
export function firstOp(m: Model, g: number): number | null {
  for (const item of m.items[g]) {
    const id = "op" in item ? item.op : "group" in item ? firstOp(m, item.group) : null;
    if (id !== null) return id;
  }
  return null;
}

/** The last operation that a group holds: its value is the group's. */
export function lastOp(m: Model, g: number): number | null {
  for (const item of [...m.items[g]].reverse()) {
    const id = "op" in item ? item.op : "group" in item ? lastOp(m, item.group) : null;
    if (id !== null) return id;
  }
  return null;
}

/** Keys of all that is unfolded when the slider stands at a depth. */
export function openTo(m: Model, depth: number): Set<string> {
  const open = new Set<string>();
  for (const g of m.trace.groups)
    if (m.level[g.id] < depth) {
      open.add(`g${g.id}`);
      if (m.length[g.id] > 1) open.add(`r${g.id}`);
    }
  return open;
}

/** The deepest unfolding that still fits about one screen; a lone outermost module is always unfolded. */
export function defaultDepth(m: Model): number {
  let depth = 0;
  for (let d = 0, lone = true; d <= m.depth; d++) {
    const { list } = rows(m, openTo(m, d));
    if (list.length > 40 && !lone) break;
    depth = d;
    const folded = list.filter((r) => r.kind !== "op" && !r.open);
    lone = list.length < 5 && folded.length === 1 && folded[0].kind === "group";
  }
  return depth;
}

// ---- the edges between rows

export interface Link {
  from: number; // place of a row among the rows
  to: number[]; // rows further down that use it, but for the one right below
  lane: number; // 0 is the nearest to the rows; -1: no room, drawn as a stub
}

export interface Links {
  row: Int32Array; // by node: place of the row in which it is shown
  straight: Int32Array; // by row: the row right above whose value it takes, or -1
  links: Link[];
  lanes: number;
}

const LANES = 7;

/** Who takes whose value, row by row: a line to the row below, a lane beside the rows for what goes further. */
export function connect(m: Model, { list }: Rows): Links {
  const row = new Int32Array(m.trace.nodes.length).fill(-1);
  const slot = new Int32Array(list.length).fill(-1);
  let slots = 0;
  list.forEach((r, i) => {
    if (r.kind === "ghost" || r.open) return;
    slot[i] = slots++;
    if (r.kind === "op") for (const id of [r.id, ...m.leaves[r.id]]) row[id] = i;
    else row.fill(i, r.first, r.last + 1);
  });
  const straight = new Int32Array(list.length).fill(-1);
  const far = new Map<number, Set<number>>();
  for (const n of m.trace.nodes) {
    const to = row[n.id];
    if (n.kind !== "operation" || to < 0) continue;
    for (const id of n.inputs ?? []) {
      const from = row[id];
      if (m.trace.nodes[id].kind !== "operation" || from < 0 || from === to) continue;
      if (slot[to] - slot[from] === 1) straight[to] = from;
      else (far.get(from) ?? far.set(from, new Set()).get(from)!).add(to);
    }
  }
  const links = [...far].map(([from, to]): Link => ({ from, to: [...to].sort((a, b) => a - b), lane: -1 }));
  const end = (l: Link) => l.to[l.to.length - 1];
  const taken = Array.from({ length: LANES }, () => new Uint8Array(slots));
  let lanes = 0;
  for (const l of [...links].sort((a, b) => slot[end(a)] - slot[a.from] - (slot[end(b)] - slot[b.from]) || a.from - b.from)) {
    const [first, last] = [slot[l.from], slot[end(l)]];
    if (last - first > 2000) continue;
    l.lane = taken.findIndex((lane) => {
      for (let i = first; i < last; i++) if (lane[i]) return false;
      return true;
    });
    if (l.lane < 0) continue;
    taken[l.lane].fill(1, first, last);
    lanes = Math.max(lanes, l.lane + 1);
  }
  return { row, straight, links: links.sort((a, b) => a.from - b.from), lanes };
}

// ---- the walk back

export interface Adjoint {
  state: "none" | "waiting" | "partial" | "done"; // none: no gradient flows here
  arrived: number;
  total: number;
  value: Stats | null; // done: the adjoint; partial: the running total, if it is a scalar
}

/** What has arrived at a node once k operations are walked back. */
export function adjointAt(m: Model, id: number, k: number): Adjoint {
  const n = m.trace.nodes[id];
  const all = n.addends ?? [];
  const total = all.length;
  if (n.adjoint === null || n.adjoint === undefined) return { state: "none", arrived: 0, total, value: null };
  const done = { state: "done", arrived: total, total, value: n.adjoint } as Adjoint;
  const waiting = { state: "waiting", arrived: 0, total, value: null } as Adjoint;
  if (k >= m.order.length) return done;
  if (id === m.trace.result) return k > 0 ? done : waiting;
  if (!total) return m.at[id] >= 0 && m.at[id] < k ? done : waiting;
  let arrived = 0;
  while (arrived < total && m.at[all[arrived].from] < k) arrived++;
  if (arrived === total) return done;
  return arrived ? { state: "partial", arrived, total, value: all[arrived - 1].sum ?? (arrived === 1 ? all[0].value : null) } : waiting;
}

/** Whether two summaries are of the same numbers, as far as they tell. */
export function sameStats(a: Stats | null | undefined, b: Stats | null | undefined): boolean {
  if (a === null || a === undefined || b === null || b === undefined) return false;
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  return a.norm === b.norm && a.mean === b.mean && a.min === b.min && a.max === b.max && a.std === b.std;
}

/** Whether a node's adjoint is that of its one user, unchanged. */
export function passes(m: Model, id: number): boolean {
  const n = m.trace.nodes[id];
  if (n.addends?.length !== 1) return false;
  const { from, argument, value } = n.addends[0];
  const user = m.trace.nodes[from];
  const local = user.local?.[argument];
  if (local !== null && local !== undefined) return local === 1;
  return n.shape.join() === user.shape.join() && sameStats(value, user.adjoint);
}

const troubles = new WeakMap<Model, { wrong: number[]; nonfinite: number[] }>();

/** How many nodes from first to last the check suspects, and how many hold a NaN or an infinity. */
export function trouble(m: Model, first: number, last: number): { wrong: number; nonfinite: number } {
  let known = troubles.get(m);
  if (!known) {
    const { nodes, check } = m.trace;
    known = {
      wrong: (check?.suspects ?? []).flatMap((s) => (s.node === null ? [] : [s.node])),
      nonfinite: nodes.filter((n) => isBad(n.value) || isBad(n.adjoint)).map((n) => n.id),
    };
    troubles.set(m, known);
  }
  const within = (ids: number[]) => ids.reduce((sum, id) => sum + (id >= first && id <= last ? 1 : 0), 0);
  return { wrong: within(known.wrong), nonfinite: within(known.nonfinite) };
}

// ---- search

const haystacks = new WeakMap<Model, string[]>();
let last: { m: Model; query: string; found: number[] } | null = null;

/** Ids of the nodes whose name, operation, module, kind or shape holds every word of the query. */
export function search(m: Model, query: string): number[] {
  if (last && last.m === m && last.query === query) return last.found;
  const words = query.toLowerCase().split(/\s+/).filter(Boolean).map((w) => (/^\d+(x\d+)+$/.test(w) ? w.replaceAll("x", "×") : w));
  let hay = haystacks.get(m);
  if (!hay) {
    const kinds = (n: Node) => (n.group === null ? "" : m.trace.groups[n.group].kind);
    hay = m.trace.nodes.map((n) => `${n.name} ${n.op} ${n.module} ${n.kind} ${shape(n)} ${kinds(n)}`.toLowerCase());
    haystacks.set(m, hay);
  }
  const found = words.length ? m.trace.nodes.filter((n) => words.every((w) => hay[n.id].includes(w))).map((n) => n.id) : [];
  last = { m, query, found };
  return found;
}
