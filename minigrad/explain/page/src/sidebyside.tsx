// Two recordings side by side (compare.ts says what differs): a row is an operation of both, or of one alone; what differs is marked. Only the rows in
// view are in the document.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Name, Picture, type Tone } from "./cells";
import { compare, MARKS, type Comparison, type Mark } from "./compare";
import { count, cut, shape, symbol, title } from "./format";
import type { Model } from "./model";
import { Magnitude } from "./num";
import * as store from "./store";
import { useStore } from "./store";
import type { Node, Stats } from "./trace";

const HIGH = 40;
const BEYOND = 8; // rows above and below the view

type Line = { pair: [number | null, number | null]; mark: Mark } | { equal: number; from: number };

const known = new WeakMap<Model[], Comparison>();

/** The comparison of the two recordings; null if there is one alone. */
export function comparison(models: Model[], names: string[]): Comparison | null {
  if (models.length < 2) return null;
  let found = known.get(models);
  if (!found) known.set(models, (found = compare(models[0].trace, models[1].trace, [cut(names[0], 24), cut(names[1], 24)])));
  return found;
}

/** Rows in tape order; where only differences are asked for, what is equal between them is one line. */
function lines(c: Comparison, all: boolean): Line[] {
  const out: Line[] = [];
  for (const pair of c.pairs) {
    const mark = pair[0] !== null ? c.marks[0].get(pair[0])! : c.marks[1].get(pair[1]!)!;
    const last = out[out.length - 1];
    if (all || mark !== "same") out.push({ pair, mark });
    else if (last && "equal" in last) last.equal += 1;
    else out.push({ equal: 1, from: pair[0]! });
  }
  return out;
}

export function Compare() {
  const models = useStore((s) => s.models);
  const names = useStore((s) => s.names);
  const selected = useStore((s) => s.selected);
  const current = useStore((s) => s.current);
  const c = comparison(models, names)!;
  const [all, setAll] = useState(true);
  const list = useMemo(() => lines(c, all), [c, all]);
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [cursor, setCursor] = useState(0);
  const held = useRef(false);

  useLayoutEffect(() => {
    const el = box.current!;
    const watch = new ResizeObserver(() => setView({ top: el.scrollTop, height: el.clientHeight }));
    watch.observe(el);
    return () => watch.disconnect();
  }, []);

  // the selected node's row comes into view and gets the cursor
  const at = useMemo(() => list.findIndex((l) => "pair" in l && l.pair[current] === selected), [list, selected, current]);
  const show = (i: number): void => {
    const el = box.current!;
    const head = 52;
    if (i * HIGH < el.scrollTop) el.scrollTop = i * HIGH;
    else if ((i + 1) * HIGH > el.scrollTop + el.clientHeight - head) el.scrollTop = (i + 1) * HIGH - el.clientHeight + head;
  };
  const fresh = useRef(true); // it opens at its top
  useLayoutEffect(() => {
    if (at >= 0 && !fresh.current) {
      setCursor(at);
      show(at);
    }
    fresh.current = false;
  }, [at]);
  useLayoutEffect(() => {
    if (held.current) box.current!.querySelector<HTMLElement>(".pair.cursor")?.focus({ preventScroll: true });
  }, [cursor, view]);

  const choose = (side: number, id: number): void => {
    if (side !== store.get().current) store.set({ current: side, playing: false, group: null, step: Math.min(store.get().step, models[side].order.length) });
    store.select(id);
  };
  const pick = (i: number, side?: number): void => {
    setCursor(i);
    show(i);
    const line = list[i];
    if (!line || !("pair" in line)) return;
    const on = side ?? (line.pair[store.get().current] !== null ? store.get().current : 1 - store.get().current);
    if (line.pair[on] !== null) choose(on, line.pair[on]);
  };
  const next = (by: 1 | -1): void => {
    for (let i = cursor + by; i >= 0 && i < list.length; i += by) {
      const line = list[i];
      if ("pair" in line && line.mark !== "same") return pick(i);
    }
  };
  const onKeyDown = (e: KeyboardEvent): void => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.shiftKey || !(e.target as Element).closest(".pair")) return;
    const page = Math.max(1, Math.floor(view.height / HIGH) - 2);
    const line = list[cursor];
    const moves: Record<string, () => void> = {
      ArrowDown: () => pick(Math.min(cursor + 1, list.length - 1)), ArrowUp: () => pick(Math.max(cursor - 1, 0)),
      PageDown: () => pick(Math.min(cursor + page, list.length - 1)), PageUp: () => pick(Math.max(cursor - page, 0)),
      Home: () => pick(0), End: () => pick(list.length - 1), ArrowLeft: () => pick(cursor, 0), ArrowRight: () => pick(cursor, 1),
      Enter: () => (line && "equal" in line ? setAll(true) : store.set({ panel: "inspector" })),
    };
    if (!moves[e.key]) return;
    e.preventDefault();
    moves[e.key]();
  };

  const from = Math.max(0, Math.floor(view.top / HIGH) - BEYOND);
  const to = Math.min(list.length, Math.ceil((view.top + view.height) / HIGH) + BEYOND);
  const different = c.differing + c.only[0] + c.only[1];
  return (
    <div class="compare">
      <div class="difference" role="status">
        <span>{different === 0 ? <b class="good">✓ {c.summary}</b> : <b>{c.summary}</b>}</span>
        <span class="grow" />
        {different > 0 && <span class="steps">
          <label class="toggle"><input type="checkbox" checked={!all} onChange={(e) => setAll(!e.currentTarget.checked)} /> only differences</label>
          <button type="button" class="icon" aria-label="Previous difference" title="Previous difference" onClick={() => next(-1)}>↑</button>
          <button type="button" class="icon" aria-label="Next difference" title="Next difference" onClick={() => next(1)}>↓</button>
        </span>}
      </div>
      <div class="pairs" ref={box} role="grid" aria-label="Two recordings, row beside row" aria-rowcount={list.length + 1} aria-colcount={6}
        onScroll={() => setView({ top: box.current!.scrollTop, height: box.current!.clientHeight })} onKeyDown={onKeyDown}
        onFocusIn={() => (held.current = true)} onFocusOut={(e) => (held.current = e.relatedTarget === null)}>
        <div class="phead" role="row" aria-rowindex={1}>
          <div role="columnheader" class="p-mark"><span class="sr">what differs</span></div>
          <div role="columnheader" class="p-op">operation</div>
          {([0, 1] as const).map((side) => [
            <div role="columnheader" key={`v${side}`} class={`p-value s${side}`}><b><Name text={names[side]} limit={16} /></b> value</div>,
            <div role="columnheader" key={`a${side}`} class={`p-adjoint s${side}`}><span class="sr"><Name text={names[side]} limit={16} /> </span>adjoint</div>,
          ])}
        </div>
        <div class="plist" role="rowgroup" style={{ height: `${list.length * HIGH}px` }}>
          {list.slice(from, to).map((line, k) => {
            const i = from + k;
            const here = "pair" in line && line.pair[current] !== null && line.pair[current] === selected;
            const props = {
              role: "row", tabIndex: i === Math.min(cursor, list.length - 1) ? 0 : -1, "aria-rowindex": i + 2, "aria-selected": here,
              class: `pair ${"pair" in line ? line.mark : "equal"}${i === cursor ? " cursor" : ""}${here ? " chosen" : ""}`, style: { top: `${i * HIGH}px`, height: `${HIGH}px` },
            } as const;
            if ("equal" in line)
              return <div key={`e${line.from}`} {...props} onClick={() => setAll(true)}><div role="gridcell" aria-colspan={6} class="p-equal">⋯ {count(line.equal)} equal {line.equal === 1 ? "row" : "rows"}</div></div>;
            const node = (line.pair[0] !== null ? models[0] : models[1]).trace.nodes[(line.pair[0] ?? line.pair[1])!];
            return (
              <div key={`${line.pair}`} {...props} onClick={(e) => pick(i, (e.target as Element).closest("[data-side]") ? Number((e.target as Element).closest<HTMLElement>("[data-side]")!.dataset.side) : undefined)}>
                <div role="gridcell" class="p-mark" title={MARKS[line.mark].text}><span aria-hidden="true">{MARKS[line.mark].glyph}</span><span class="sr">{MARKS[line.mark].text}</span></div>
                <div role="gridcell" class="p-op"><Label node={node} /></div>
                {([0, 1] as const).map((side) => {
                  const id = line.pair[side];
                  const trace = models[side].trace;
                  if (id === null) {
                    const text = line.mark === "skipped" ? "not executed" : "–";
                    return <div key={side} role="gridcell" aria-colspan={2} class={`p-none s${side}`}>{text}</div>;
                  }
                  const n = trace.nodes[id];
                  return [
                    <Side key={`v${side}`} side={side} what="value" of={n.value} at={`nodes.${id}.value`} differs={line.mark === "value" || line.mark === "both"} />,
                    <Side key={`a${side}`} side={side} what="adjoint" of={n.adjoint} at={`nodes.${id}.adjoint`} differs={line.mark === "adjoint" || line.mark === "both"} />,
                  ];
                })}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Side({ side, what, of, at, differs }: { side: number; what: Tone; of: Stats | null; at: string; differs: boolean }) {
  return (
    <div role="gridcell" class={`p-${what} s${side}${differs ? " differs" : ""}`} data-side={side}>
      {of === null ? <span class="dash" role="img" aria-label="no gradient flows here">–</span> : <><Picture of={of} tone={what} /><Magnitude of={of} at={at} trace={side} /></>}
    </div>
  );
}

function Label({ node }: { node: Node }) {
  return (
    <>
      <span class="psymbol" aria-hidden="true">{node.kind === "operation" ? symbol(node.op) : "•"}</span>
      <span class="pname">
        <span class="first"><Name class="name" text={title(node)} limit={30} />{node.kind !== "operation" ? <span class="op">{node.kind}</span> : node.name ? <Name class="op" text={node.op} limit={20} /> : null}</span>
        <span class="small">{shape(node)}{node.module && <> · <Name text={node.module} limit={26} /></>}</span>
      </span>
    </>
  );
}

/** In the inspector: the same row in the other recording. */
export function Other({ node }: { node: Node }) {
  const models = useStore((s) => s.models);
  const names = useStore((s) => s.names);
  const current = useStore((s) => s.current);
  const c = comparison(models, names);
  if (!c) return null;
  const there = 1 - current;
  const id = c.partner[current].get(node.id);
  const mark = c.marks[current].get(node.id)!;
  const n = id === undefined ? null : models[there].trace.nodes[id];
  return (
    <section class="card other">
      <h3><span>In <Name text={names[there]} limit={24} /></span> <small>{MARKS[mark].text}</small></h3>
      {n && (
        <dl class="facts">
          <dt>value</dt><dd><Magnitude of={n.value} at={`nodes.${id}.value`} trace={there} /></dd>
          <dt>adjoint</dt><dd><Magnitude of={n.adjoint} at={`nodes.${id}.adjoint`} trace={there} /></dd>
        </dl>
      )}
      {n && <button type="button" class="link" onClick={() => { store.show(there); store.reveal(id!); }}>look at it there</button>}
    </section>
  );
}
