// What the reader has chosen, in one object, and the actions that change it. It never touches the page itself.

import { useLayoutEffect, useReducer } from "preact/hooks";
import { defaultDepth, firstOp, openTo, rowKeyOf, search, type Model, type Row } from "./model";
import { describe, taken, walkOf } from "./walk";

export type Theme = "auto" | "light" | "dark";
export type Panel = "ledger" | "inspector" | "modules" | "source" | "check";

export interface State {
  models: Model[]; // one recording, or two
  names: string[];
  current: number; // which recording is shown
  compare: boolean; // both, row beside row
  selected: number | null; // id of a node (operation or leaf)
  group: number | null; // id of a group, when its row is selected: then selected is null
  cursor: string; // key of the row that has the focus
  hover: number | null; // id of the node under the pointer
  step: number; // 0: forward only; k: k operations are walked back; −k: the last k are not computed yet
  playing: boolean;
  speed: number; // steps a second
  open: ReadonlySet<string>; // keys of unfolded rows: "g3" a group, "r3" a run of repeats that begins with group 3
  depth: number;
  query: string;
  constants: boolean; // constants are shown
  overview: boolean; // the chart of the whole tape is shown
  theme: Theme;
  panel: Panel; // the panel in front, where only one has room
  curve: number | "all" | null; // id of the parameter whose check is open, or the whole check
  said: string; // what the live region says
}

let state: State;
const listeners = new Set<() => void>();

export const get = (): State => state;

export function set(patch: Partial<State>): void {
  state = { ...state, ...patch };
  for (const listener of [...listeners]) listener();
}

/** A piece of the state; the component is drawn again when the piece changes. */
export function useStore<T>(select: (state: State) => T): T {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const now = select(state);
  useLayoutEffect(() => {
    let last = now;
    const listener = () => {
      const next = select(state);
      if (!Object.is(next, last)) {
        last = next;
        draw(undefined as never);
      }
    };
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  });
  return now;
}

export const model = (s: State = state): Model => s.models[s.current];

export function start(models: Model[], names: string[]): void {
  const depth = defaultDepth(models[0]);
  const { result, check } = models[0].trace;
  const first = check?.suspects.find((s) => s.node !== null)?.node ?? result; // where there is something to see
  const open = openTo(models[0], depth);
  state = {
    models, names, current: 0, compare: models.length > 1,
    selected: first, group: null, cursor: rowKeyOf(models[0], open, first), hover: null,
    step: models[0].order.length, playing: false, speed: 2,
    open, depth, query: "", constants: false, overview: false, theme: "auto", panel: "ledger", curve: null, said: "",
  };
}

/** Select a node: its row gets the cursor (the folded group that holds it, if it is hidden). */
export function select(id: number | null): void {
  if (id === null) return set({ selected: null, group: null });
  set({ selected: id, group: null, cursor: rowKeyOf(model(), state.open, id) });
}

/** Select a node and unfold whatever hides it. */
export function reveal(id: number): void {
  const open = new Set(state.open);
  const m = model();
  const constants = state.constants || m.trace.nodes[id].kind === "constant"; // it is shown, too
  for (let g = m.groupOf[id]; g !== null; g = m.trace.groups[g].parent) {
    open.add(`g${g}`);
    open.add(`r${m.runs[g]}`);
  }
  set({ open, constants, selected: id, group: null, cursor: rowKeyOf(m, open, id) });
}

/** Go to a place of the walk (k operations are walked back; −k: the last k not computed yet); what the move took is selected and announced. */
export function goTo(k: number): void {
  const m = model();
  const step = Math.max(-walkOf(m).forward.length, Math.min(m.order.length, k));
  const node = step === 0 ? m.trace.result : (taken(m, step)?.id ?? walkOf(m).forward[0] ?? m.trace.result);
  const rushing = state.playing && state.speed > 2; // nobody can listen at that pace
  set({
    step, selected: node, group: null, cursor: rowKeyOf(m, state.open, node),
    said: rushing ? state.said : describe(m, step), playing: state.playing && step < m.order.length,
  });
}

export const back = (): void => goTo(state.step - 1);
export const forward = (): void => goTo(state.step + 1);

/** Play or pause; at the end it begins again. */
export function play(on = !state.playing): void {
  if (on && state.step >= model().order.length) goTo(0);
  set({ playing: on });
}

/** Select a group's row, and unfold what hides it. */
export function selectGroup(g: number): void {
  const m = model();
  const open = new Set(state.open);
  for (let p = m.trace.groups[g].parent; p !== null; p = m.trace.groups[p].parent) {
    open.add(`g${p}`);
    open.add(`r${m.runs[p]}`);
  }
  if (m.length[m.runs[g]] > 1) open.add(`r${m.runs[g]}`);
  const only = m.alone[g] ? firstOp(m, g) : null;
  set({ open, selected: only, group: only === null ? g : null, cursor: only === null ? `g${g}` : `n${only}` });
}

/** Move the cursor to a row. */
export function focusRow(row: Row): void {
  if (row.kind === "op") set({ cursor: row.key, selected: row.id, group: null });
  else set({ cursor: row.key, selected: null, group: row.kind === "ghost" ? null : row.id });
}

export function toggle(key: string, on?: boolean): void {
  const open = new Set(state.open);
  if (on ?? !open.has(key)) open.add(key);
  else open.delete(key);
  set({ open });
}

export function setDepth(depth: number): void {
  const open = openTo(model(), depth);
  const id = state.selected;
  set({ depth, open, ...(id === null ? {} : { cursor: rowKeyOf(model(), open, id) }) });
}

/** Go to the next (or previous) node that the query finds. */
export function find(direction: 1 | -1): void {
  const found = search(model(), state.query);
  if (!found.length) return;
  const at = state.selected ?? -1;
  const next = direction > 0 ? found.find((id) => id > at) ?? found[0] : found.findLast((id) => id < at) ?? found[found.length - 1];
  reveal(next);
}

/** Show the other recording; the selection stays if the node's name or place is there. */
export function show(current: number): void {
  const m = state.models[current];
  const open = openTo(m, state.depth);
  const selected = state.selected !== null && state.selected < m.trace.nodes.length ? state.selected : m.trace.result;
  set({ current, open, selected, group: null, cursor: rowKeyOf(m, open, selected), step: Math.max(-walkOf(m).forward.length, Math.min(state.step, m.order.length)), playing: false });
}

export function setTheme(theme: Theme): void {
  set({ theme });
}
