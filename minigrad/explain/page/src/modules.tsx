// The tree of modules: where one is in the program, and a way to get to any part of it.

import { useState } from "preact/hooks";
import { Name } from "./cells";
import type { Model } from "./model";
import * as store from "./store";
import { useStore } from "./store";
import { count } from "./text";

const MOST = 200; // children that are listed at once

export function Modules() {
  const m = useStore((s) => s.models[s.current]);
  const group = useStore((s) => s.group ?? (s.selected === null ? null : s.models[s.current].groupOf[s.selected]));
  const [open, setOpen] = useState(() => new Set(m.trace.groups.filter((g) => g.parent === null).map((g) => g.id)));
  const roots = m.trace.groups.filter((g) => g.parent === null && m.ops[g.id] > 0).map((g) => g.id);
  if (!roots.length) return null;
  const toggle = (g: number, on: boolean) => {
    const next = new Set(open);
    if (on) next.add(g);
    else next.delete(g);
    setOpen(next);
  };
  const shown: number[] = [];
  const list = (of: number[]) => {
    for (const g of of.slice(0, MOST)) {
      shown.push(g);
      if (open.has(g)) list(children(m, g));
    }
  };
  list(roots);
  const focus = group !== null && shown.includes(group) ? group : shown[0];
  const onKeyDown = (e: KeyboardEvent) => {
    const at = shown.indexOf(Number((e.target as HTMLElement).dataset.group));
    const g = shown[at];
    let to = at;
    if (e.key === "ArrowDown") to = at + 1;
    else if (e.key === "ArrowUp") to = at - 1;
    else if (e.key === "Home") to = 0;
    else if (e.key === "End") to = shown.length - 1;
    else if (e.key === "ArrowRight" && !open.has(g)) toggle(g, true);
    else if (e.key === "ArrowRight") to = children(m, g).length ? at + 1 : at;
    else if (e.key === "ArrowLeft" && open.has(g) && children(m, g).length) toggle(g, false);
    else if (e.key === "ArrowLeft") to = shown.indexOf(m.trace.groups[g].parent ?? g);
    else if (e.key === "Enter" || e.key === " ") store.selectGroup(g);
    else return;
    e.preventDefault();
    e.stopPropagation();
    const item = (e.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-group="${shown[Math.max(0, Math.min(shown.length - 1, to))]}"]`);
    item?.focus();
  };
  return (
    <section class="modules" aria-label="Modules">
      <h2>Modules</h2>
      <ul role="tree" aria-label="Modules" onKeyDown={onKeyDown}>
        {shown.map((g) => {
          const { path, kind, parent } = m.trace.groups[g];
          const inner = children(m, g).length;
          return (
            <li key={g} role="treeitem" data-group={g} tabIndex={g === focus ? 0 : -1} aria-level={depthOf(m, g) + 1} aria-selected={g === group} aria-expanded={inner ? open.has(g) : undefined}
              style={{ "--level": depthOf(m, g) } as any} onClick={() => { store.selectGroup(g); if (inner) toggle(g, true); }}>
              <span class={`twist${inner ? "" : " none"}`} onClick={(e) => { e.stopPropagation(); toggle(g, !open.has(g)); }} />
              <Name text={path.split(".").pop() || kind || "module"} limit={24} />
              {path && kind && <Name class="op" text={kind} limit={20} />}
              <span class="n">{count(m.ops[g])}{parent === null ? " ops" : ""}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const children = (m: Model, g: number): number[] => m.items[g].flatMap((i) => ("group" in i && m.ops[i.group] > 0 ? [i.group] : []));

const depthOf = (m: Model, g: number): number => {
  let depth = 0;
  for (let p = m.trace.groups[g].parent; p !== null; p = m.trace.groups[p].parent) depth++;
  return depth;
};
