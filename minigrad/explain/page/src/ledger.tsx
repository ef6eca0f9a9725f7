// The ledger: a row is a forward operation, in tape order; its columns are what happens there, forward and back.
// Only the rows in view are in the document.

import { Component, type ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Bad, Figure, Name, Picture, type Tone } from "./cells";
import { CheckBadge } from "./check";
import { Edges, gutter } from "./edges";
import { adjointAt, connect, lastOp, passes, rows as rowsOf, search, trouble, type Model, type Row, type Rows } from "./model";
import * as store from "./store";
import { useStore } from "./store";
import { bytes, count, cut, isArray, isBad, num, plural, shape, stats, symbol, title } from "./text";
import { Digits } from "./num";
import { computed, taken } from "./walk";
import type { Node, Num, Stats } from "./trace";

const DEEP = 10; // levels that are indented
const BEYOND = 300; // pixels above and below the view for which rows are kept

export function Ledger() {
  const m = useStore((s) => s.models[s.current]);
  const open = useStore((s) => s.open);
  const constants = useStore((s) => s.constants);
  const cursor = useStore((s) => s.cursor);
  const selected = useStore((s) => s.selected);
  const hover = useStore((s) => s.hover);
  const step = useStore((s) => s.step);
  const query = useStore((s) => s.query);
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800, width: 1000 });
  const narrow = view.width < 600;
  const rows = useMemo(() => rowsOf(m, open, { constants, narrow }), [m, open, constants, narrow]);
  const links = useMemo(() => connect(m, rows), [m, rows]);
  const found = search(m, query);
  const said = useStore((s) => s.said !== ""); // someone has stepped
  const moved = said && step !== 0 ? (taken(m, step)?.id ?? null) : null; // what the last move took, forward or back
  const current = step > 0 ? moved : null;
  const fed = useMemo(() => new Set(current === null ? [] : (m.trace.nodes[current].inputs ?? []).filter((id) => m.trace.nodes[id].addends?.some((a) => a.from === current))), [m, current]);
  const width = gutter(links, narrow);
  const second = m.trace.order === 2;

  useLayoutEffect(() => {
    const el = box.current!;
    const measure = () => setView((v) => (v.top === el.scrollTop && v.height === el.clientHeight && v.width === el.clientWidth ? v : { top: el.scrollTop, height: el.clientHeight, width: el.clientWidth }));
    const watch = new ResizeObserver(measure);
    watch.observe(el);
    measure();
    return () => watch.disconnect();
  }, []);

  // the row of the cursor comes into view, and has the focus if a row had it
  const at = rows.index.get(cursor) ?? -1;
  const begun = useRef(false);
  const stepped = useRef(step);
  useLayoutEffect(() => {
    const row = rows.list[at];
    const el = box.current!;
    if (!begun.current) return void (begun.current = true); // it opens at the top
    if (!row) return;
    const head = el.querySelector<HTMLElement>(".head")!.offsetHeight;
    const [from, to] = [el.scrollTop, el.scrollTop + el.clientHeight - head];
    // the walk goes on above or below: its next rows stay in view
    const spare = stepped.current === step ? 0 : Math.min(110, (to - from) / 4);
    stepped.current = step;
    const up = row.top - spare < from && from > 0;
    const down = row.top + row.height + spare > to && to < rows.height;
    if (up || down) {
      const near = row.top + row.height > from - 60 && row.top < to + 60;
      el.scrollTop = !near ? row.top - (to - from) / 2 + row.height / 2 : up ? row.top - Math.max(8, spare) : row.top + row.height - (to - from) + Math.max(8, spare);
      setView((v) => ({ ...v, top: el.scrollTop }));
    }
  }, [cursor, open]);
  useLayoutEffect(() => {
    const el = box.current!;
    const active = document.activeElement;
    if (active === document.body ? held.current : el.contains(active) && active !== el) el.querySelector<HTMLElement>(`[data-key="${cursor}"]`)?.focus({ preventScroll: true });
  }, [cursor, rows]);
  const held = useRef(false); // a row has the focus

  const from = Math.max(0, Math.min(rows.list.length - 1, find(rows, view.top - BEYOND))); // after folding, the view is past the end
  const to = Math.min(rows.list.length - 1, find(rows, view.top + view.height + BEYOND));
  const places: number[] = [];
  for (let i = from; i <= to; i++) places.push(i);
  if (at >= 0 && (at < from || at > to)) places.push(at);
  const lit = hover !== null ? links.row[hover] : at >= 0 && rows.list[at].kind !== "ghost" && !rows.list[at].open ? at : -1;

  const onKeyDown = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !(e.target as HTMLElement).closest("[data-key]")) return;
    if (move(e.key, m, rows, Math.max(0, at), view.height)) e.preventDefault();
  };
  const result = m.trace.nodes[m.trace.result];
  const of = result.name || "result";
  let frame = 0;
  const onScroll = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      const el = box.current;
      if (el) setView((v) => (v.top === el.scrollTop ? v : { ...v, top: el.scrollTop }));
    });
  };
  return (
    <div class={`ledger${narrow ? " narrow" : ""}${second ? " second" : ""}`} ref={box} onScroll={onScroll} onKeyDown={onKeyDown}
      onFocusIn={() => (held.current = true)} onFocusOut={(e) => (held.current = e.relatedTarget === null)} onMouseLeave={() => store.get().hover !== null && store.set({ hover: null })}
      role="treegrid" aria-label="Operations in tape order" aria-rowcount={rows.list.length + 1} aria-colcount={second ? 6 : 4}
      style={{ "--gutter": `${width}px` } as any}>
      <div class="head" role="row" aria-rowindex={1}>
        <Title class="c-op" name="operation" note="in tape order" />
        <Title class="c-leaves" name="parameters" note="and inputs, at first use" />
        <Title class="c-value" name="value" note="computed forward" />
        <Title class="c-adjoint" name="adjoint" note={<>∂<Name text={of} limit={12} /> / ∂·</>} />
        {second && <Title class="c-tangent" name="tangent" note="the value along v" />}
        {second && <Title class="c-turn" name="adjoint's tangent" note="the adjoint along v" />}
      </div>
      <div class="rows" role="rowgroup" style={{ height: `${rows.height + 8}px` }}>
        {rows.list.length > 0 && <Edges m={m} rows={rows} links={links} width={width} from={from} to={to} lit={lit} step={current} />}
        {places.map((i) => {
          const row = rows.list[i];
          const here = moved !== null && links.row[moved] === i;
          const kept = selected !== null && row.kind === "op" && (selected === row.id || row.leaves.includes(selected) || row.again.includes(selected)) ? selected : null;
          const fresh = fed.size && row.kind === "op" ? [row.id, ...row.leaves].filter((id) => fed.has(id)).join() : !row.open && [...fed].some((id) => links.row[id] === i) ? "any" : "";
          let hits = 0;
          if (found.length) {
            if (row.kind === "op") for (const id of [row.id, ...row.leaves]) hits += within(found, id, id);
            else if (!row.open && row.kind !== "ghost") hits = within(found, row.first, row.last);
          }
          return <Line key={row.key} m={m} row={row} place={i} step={step} here={here} fresh={fresh} focus={i === at || (at < 0 && i === 0)} selected={kept} hits={hits} />;
        })}
      </div>
    </div>
  );
}

const Title = ({ name, note, class: kind }: { name: string; note: ComponentChildren; class: string }) => (
  <div class={kind} role="columnheader"><b>{name}</b> <span class="small">{note}</span></div>
);

/** How many of n things in order come before the place where `after` begins to hold. */
function bisect(n: number, after: (i: number) => boolean): number {
  let low = 0;
  while (low < n) {
    const mid = (low + n) >> 1;
    if (after(mid)) n = mid;
    else low = mid + 1;
  }
  return low;
}

/** Place of the row at a height. */
const find = ({ list }: Rows, y: number): number => bisect(list.length, (i) => list[i].top + list[i].height > y);

/** How many ids of a sorted list lie from first to last. */
const within = (ids: number[], first: number, last: number): number => bisect(ids.length, (i) => ids[i] > last) - bisect(ids.length, (i) => ids[i] >= first);

// ---- keys

/** What a key does at a row: up and down in tape order, left and right fold or follow the edges. */
function move(key: string, m: Model, { list }: Rows, at: number, view: number): boolean {
  const row = list[at];
  if (!row) return false;
  const { selected } = store.get();
  const go = (i: number) => store.focusRow(list[Math.max(0, Math.min(list.length - 1, i))]);
  const page = Math.max(1, Math.floor(view / 44) - 2);
  const folds = row.kind === "group" || row.kind === "run";
  switch (key) {
    case "ArrowDown": go(at + 1); return true;
    case "ArrowUp": go(at - 1); return true;
    case "PageDown": go(at + page); return true;
    case "PageUp": go(at - page); return true;
    case "Home": go(0); return true;
    case "End": go(list.length - 1); return true;
    case "ArrowRight":
      if (folds && !row.open) store.toggle(row.key, true);
      else if (folds) go(at + 1);
      else if (row.kind === "op") {
        const leaf = selected !== null && selected !== row.id;
        const next = leaf ? m.users[selected].find((u) => u.user >= row.id)?.user : m.users[row.id][0]?.user;
        if (next !== undefined) store.select(next);
      }
      return true;
    case "ArrowLeft": {
      if (folds && row.open) store.toggle(row.key, false);
      else if (row.kind === "op") {
        // its inputs one after another, then the module around it
        const inputs = [...new Set(m.trace.nodes[row.id].inputs ?? [])].filter((id) => m.trace.nodes[id].kind === "operation" || row.leaves.includes(id));
        const next = inputs[selected === row.id ? 0 : inputs.indexOf(selected!) + 1];
        store.select(next ?? row.id);
      } else for (let i = at - 1; i >= 0; i--) if (list[i].level < row.level) { go(i); break; }
      return true;
    }
    case "Enter":
      if (folds) store.toggle(row.key);
      else {
        store.set({ panel: "inspector" });
        requestAnimationFrame(() => document.getElementById("inspector")?.focus());
      }
      return true;
    default: return false;
  }
}

// ---- a row

interface LineProps {
  m: Model;
  row: Row;
  place: number;
  step: number;
  here: boolean; // the walk back is at it
  fresh: string; // ids of its nodes to which the walk back has just sent something
  focus: boolean;
  selected: number | null; // which of its nodes is selected
  hits: number; // how many of its nodes the search finds
}

class Line extends Component<LineProps> {
  shouldComponentUpdate(next: LineProps) {
    for (const key in next) if (next[key as keyof LineProps] !== this.props[key as keyof LineProps]) return true;
    return false;
  }

  render({ m, row, place, step, here, fresh, focus, selected, hits }: LineProps) {
    const node = row.kind === "op" ? m.trace.nodes[row.id] : null;
    const classes = ["row", row.kind, row.open && "open", here && (step < 0 ? "here ahead" : "here"), row.kind !== "ghost" && !row.open && !computed(m, row.kind === "op" ? row.id : row.last, step) && "later", focus && "cursor", hits && "found", node?.id === m.trace.result && "result"];
    const folds = row.kind === "group" || row.kind === "run";
    return (
      <div class={classes.filter(Boolean).join(" ")} role="row" data-key={row.key} tabIndex={focus ? 0 : -1}
        aria-level={row.level + 1} aria-rowindex={place + 2} aria-selected={focus} aria-expanded={folds ? row.open : undefined} aria-current={here ? "step" : undefined}
        style={{ top: `${row.top}px`, height: `${row.height}px`, "--level": Math.min(row.level, DEEP) } as any}
        onClick={(e) => { if (!(e.target as HTMLElement).closest("button")) store.focusRow(row); }}
        onFocus={(e) => { if (e.target === e.currentTarget && !focus) store.focusRow(row); }}
        onDblClick={() => folds && store.toggle(row.key)}
        onMouseEnter={() => store.set({ hover: node ? node.id : folds && !row.open ? row.last : null })}>
        {node ? <Operation fresh={fresh} m={m} row={row} node={node} step={step} selected={selected} hits={hits} />
          : row.kind === "ghost" ? <Ghost m={m} row={row} /> : <Folded fresh={fresh} m={m} row={row} step={step} hits={hits} />}
      </div>
    );
  }
}

function Operation({ m, row, node, step, fresh, selected, hits }: { m: Model; fresh: string; row: Row; node: Node; step: number; selected: number | null; hits: number }) {
  let around = node.group; // the innermost module that has a row of its own
  while (around !== null && m.alone[around]) around = m.trace.groups[around].parent;
  const module = node.module !== (around === null ? "" : m.trace.groups[around].path) ? node.module : "";
  const now = fresh.split(",");
  const wrong = m.trace.check?.suspects.some((s) => s.node === node.id);
  const leaf = node.kind !== "operation";
  return (
    <>
      <div class="c-op" role="gridcell">
        <span class={`chip${["", "", " two", " two"][symbol(node.op || "•").length] ?? " word"}${wrong ? " wrong" : ""}`} aria-hidden="true">{leaf ? "•" : symbol(node.op)}</span>
        <span class="what">
          <span class="first">
            {node.name ? <><Name class="name" text={node.name} limit={28} /><Name class="op" text={node.op || node.kind} limit={20} /></> : <Name class="name plain" text={node.op || node.kind} limit={30} />}
            {node.id === m.trace.result && <span class="tag ink">result</span>}
            {wrong && <span class="tag wrong" title="the gradient check suspects this operation's rule">✗ suspect</span>}
            {node.kinks && node.kinks.near > 0 && <span class="tag kink" title={`${count(node.kinks.near)} of ${count(node.kinks.of)} decisions change when the inputs move by ±${num(node.kinks.within)}`}><span aria-hidden="true">⌵ {count(node.kinks.near)}</span><span class="sr">{plural(node.kinks.near, "decision")} near a kink</span></span>}
            {hits > 0 && <span class="tag hit">found</span>}
          </span>
          <span class="small">{node.shape.length === 1 ? `vector of ${node.shape[0]}` : node.shape.length || leaf ? shape(node) : <Call m={m} node={node} />}{module && <> · <Name text={module} limit={26} /></>}</span>
        </span>
      </div>
      <div class="c-leaves" role="gridcell">
        {row.leaves.map((id) => <Leaf key={id} m={m} id={id} step={step} chosen={selected === id} fresh={now.includes(`${id}`)} />)}
        {row.more > 0 && <span class="small">and {row.more} more</span>}
        {row.again.length > 0 && <span class="again">
          {row.again.slice(0, 3).map((id) => <button type="button" tabIndex={-1} key={id} class={selected === id ? "chosen" : ""} title={`used again: ${cut(title(m.trace.nodes[id]), 80)}; stands where it is first used`} onClick={() => store.select(id)}>↑ {cut(short(m.trace.nodes[id]), 12)}</button>)}
          {row.again.length > 3 && <span class="small">+{row.again.length - 3}</span>}
        </span>}
      </div>
      <Cell class="c-value" at={`nodes.${node.id}.value`} stats={computed(m, node.id, step) ? node.value : undefined} tone="value" />
      <AdjointCell m={m} id={node.id} step={step} fresh={now.includes(`${node.id}`)} />
      {m.trace.order === 2 && <Second m={m} id={node.id} step={step} />}
    </>
  );
}

const SIGNS: Record<string, string> = { add: "+", sub: "−", mul: "×", div: "÷", truediv: "÷", matmul: "@" };

/** What a scalar operation computes, with the names of its inputs: "x1 × w1". */
function Call({ m, node }: { m: Model; node: Node }) {
  const names = (node.inputs ?? []).slice(0, 4).map((id) => {
    const n = m.trace.nodes[id];
    return n.name ? <Name text={short(n)} limit={14} /> : n.kind === "constant" && !isArray(n.value) ? num(n.value) : <Name text={n.op || n.kind} limit={14} class="anonymous" />;
  });
  const sign = names.length === 2 ? SIGNS[node.op] : undefined;
  if (sign) return <>{names[0]} {sign} {names[1]}</>;
  return <>{names.map((n, i) => <>{i > 0 && ", "}{n}</>)}{(node.inputs?.length ?? 0) > 4 && ", …"}</>;
}

const Second = ({ m, id, step }: { m: Model; id: number; step: number }) => {
  const node = m.trace.nodes[id];
  return (
    <>
      <Cell class="c-tangent" at={`nodes.${id}.tangent`} stats={computed(m, id, step) ? node.tangent : undefined} tone="tangent" />
      <Cell class="c-turn" at={`nodes.${id}.adjoint_tangent`} stats={adjointAt(m, id, step).state === "done" ? node.adjoint_tangent : undefined} tone="turn" />
    </>
  );
};

function Cell({ class: kind, at, stats: s, tone }: { class: string; at: string; stats: Node["value"] | null | undefined; tone: Tone }) {
  return (
    <div class={`${kind} cell`} role="gridcell">
      {s === null || s === undefined ? <Dash /> : <><span class="picture"><Picture of={s} tone={tone} /></span><Figure of={s} at={at} /></>}
    </div>
  );
}

const Dash = ({ text = "not known yet" }: { text?: string }) => <span class="dash" role="img" aria-label={text} title={text}>–</span>;

function AdjointCell({ m, id, step, fresh }: { m: Model; id: number; step: number; fresh: boolean }) {
  const node = m.trace.nodes[id];
  const a = adjointAt(m, id, step);
  if (a.state === "none") return <div class="c-adjoint cell" role="gridcell"><Dash text="no gradient flows here" /><span class="small">no gradient</span></div>;
  if (a.state === "waiting") return <div class="c-adjoint cell" role="gridcell"><Dash text="not walked back yet" /></div>;
  const sum = isArray(node.value) ? null : spell(m, node, a.arrived);
  const paths = a.total > 1 && (
    <span class="tag fan" title={`${a.total} paths arrive here on the way back and are added`}>
      ⊕ {a.state === "done" ? count(a.total) : `${a.arrived} of ${a.total}`}<span class="long"> {a.state === "done" ? "paths" : "arrived"}</span>
    </span>
  );
  const pass = passes(m, id) && <span class="tag pass" title="its user passes the adjoint on unchanged">×1</span>;
  if (a.value === null) return <div class={`c-adjoint cell partial${fresh ? " fresh" : ""}`} role="gridcell"><span class="number">… {paths}</span></div>;
  return (
    <div class={`c-adjoint cell ${a.state}${fresh ? " fresh" : ""}`} role="gridcell">
      <span class="picture"><Picture of={a.value} tone="adjoint" /></span>
      <Figure of={a.value} at={a.state === "done" ? `nodes.${id}.adjoint` : `nodes.${id}.addends.${a.arrived - 1}.${node.addends![a.arrived - 1].sum === undefined ? "value" : "sum"}`} tag={paths || pass}>{sum ? <span class="small sum" title={sum}>{sum}</span> : undefined}</Figure>
    </div>
  );
}

/** How a scalar's adjoint comes about: the addends at a fan-out, else what its user sends times the local derivative. */
function spell(m: Model, node: Node, arrived: number): string | null {
  const all = node.addends ?? [];
  if (all.length > 1) {
    const shown = all.slice(0, arrived).slice(-3).map((x) => stats(x.value));
    return (arrived > 3 ? "… + " : arrived > 1 ? "" : "") + shown.join(" + ").replaceAll("+ −", "− ") + (arrived < all.length && arrived > 1 ? ` = ${num(all[arrived - 1].sum, 4)}` : "");
  }
  if (!all.length) return null;
  const user = m.trace.nodes[all[0].from];
  const local = user.local?.[all[0].argument];
  if (local === null || local === undefined || local === 1 || isArray(user.adjoint)) return null;
  return `${num(user.adjoint)} · ${num(local)}`;
}

/** The last part of a path. */
const short = (n: Node): string => title(n).split(".").pop() || title(n);

const norm = (s: Stats): Num => (isArray(s) ? s.norm : s);

/** A leaf beside its operation: name, value, gradient. */
function Leaf({ m, id, step, chosen, fresh }: { m: Model; id: number; step: number; chosen: boolean; fresh: boolean }) {
  const n = m.trace.nodes[id];
  const a = adjointAt(m, id, step);
  const label = n.name ? short(n) : n.kind;
  const bad = isBad(n.value) || (a.state === "done" && isBad(n.adjoint));
  return (
    <span class="leafline">
      <button type="button" tabIndex={-1} class={`leaf ${n.kind}${chosen ? " chosen" : ""}${fresh ? " fresh" : ""}${bad ? " nonfinite" : ""}`} onClick={() => store.select(id)} title={`${n.kind}${n.name ? ` ${cut(n.name, 200)}` : ""}, ${shape(n)} ${n.dtype}, ${bytes(n.bytes)}`}>
        <span class="l-name"><Name text={label} limit={14} /> <span class={isArray(n.value) ? "l-value l-shape" : "l-value"}>{isArray(n.value) ? shape(n) : <Digits x={n.value} at={`nodes.${id}.value`} />}</span>{bad && <Bad />}</span>
        {n.kind === "frozen" ? <span class="l-grad">frozen</span>
          : a.state === "none" ? null
          : <span class="l-grad">∂ {a.state === "waiting" ? "–" : a.value === null ? "…" : a.state === "done" ? <Digits x={norm(a.value)} at={`nodes.${id}.adjoint${isArray(a.value) ? ".norm" : ""}`} digits={3} /> : num(norm(a.value), 3)}{a.total > 1 && (a.state === "partial" ? ` ⊕ ${a.arrived}/${a.total}` : ` ⊕ ${a.total}`)}</span>}
        {m.trace.order === 2 && a.state === "done" && n.adjoint_tangent != null && <span class="l-turn"><Digits x={norm(n.adjoint_tangent)} at={`nodes.${id}.adjoint_tangent${isArray(n.adjoint_tangent) ? ".norm" : ""}`} digits={3} /></span>}
      </button>
      <CheckBadge node={id} />
    </span>
  );
}

function Folded({ m, row, step, fresh, hits }: { m: Model; row: Row; step: number; fresh: string; hits: number }) {
  const { groups } = m.trace;
  const g = groups[row.id];
  const many = row.kind === "run" ? m.length[row.id] : 1;
  const all = Array.from({ length: many }, (_, i) => i).reduce((list: number[]) => [...list, list.length ? next(m, list[list.length - 1]) : row.id], []);
  const ops = all.reduce((sum, i) => sum + m.ops[i], 0);
  const parameters = all.reduce((sum, i) => sum + groups[i].parameters, 0);
  const end = lastOp(m, all[all.length - 1]);
  const bad = trouble(m, row.first, row.last);
  const node = end === null ? null : m.trace.nodes[end];
  return (
    <>
      <div class="c-op" role="gridcell">
        {!row.open && <button type="button" tabIndex={-1} class="chip fold" aria-label="unfold" onClick={() => store.toggle(row.key)}><i /></button>}
        <span class="what">
          <span class="first">
            {row.open && <button type="button" tabIndex={-1} class="unfold" aria-label="fold" onClick={() => store.toggle(row.key)}><i /></button>}
            <Name class="name" text={last(g.path) || g.kind || "module"} limit={24} />
            {row.kind === "run" && <><span class="op">…</span><Name class="name" text={last(groups[all[many - 1]].path)} limit={12} /></>}
            {g.kind && last(g.path) && <Name class="op" text={g.kind} limit={22} />}
            {row.kind === "run" && <span class="tag ink" title={`${many} in a row that have the same form`}>× {many}</span>}
            {bad.wrong > 0 && !row.open && <span class="tag wrong">✗ {plural(bad.wrong, "suspect")}</span>}
            {bad.nonfinite > 0 && !row.open && <span class="tag wrong">⚠ {bad.nonfinite} not finite</span>}
            {hits > 0 && <span class="tag hit">{hits} found</span>}
          </span>
          <span class="small">{plural(ops, "op")}{parameters > 0 && <> · {plural(parameters, "parameter")}</>}</span>
        </span>
      </div>
      {row.open || !node ? null : (
        <>
          <div class="c-leaves" role="gridcell"><span class="small">{shape(node)} <span class="faint">out</span></span></div>
          <Cell class="c-value" at={`nodes.${node.id}.value`} stats={computed(m, node.id, step) ? node.value : undefined} tone="value" />
          <AdjointCell m={m} id={node.id} step={step} fresh={fresh !== ""} />
          {m.trace.order === 2 && <Second m={m} id={node.id} step={step} />}
        </>
      )}
    </>
  );
}

const last = (path: string): string => path.split(".").pop()!;

/** The sibling after g in its run. */
const next = (m: Model, g: number): number => {
  for (let i = g + 1; i < m.runs.length; i++) if (m.runs[i] === m.runs[g] && m.trace.groups[i].same === g) return i;
  return g;
};

function Ghost({ m, row }: { m: Model; row: Row }) {
  const s = m.trace.skipped[row.id];
  return (
    <div class="c-op" role="gridcell">
      <span class="chip" aria-hidden="true">∅</span>
      <span class="what"><span class="first"><Name class="name" text={last(s.path) || s.kind} limit={24} />{s.kind && <Name class="op" text={s.kind} limit={22} />}<Name class="said" text={s.text} limit={60} /></span></span>
    </div>
  );
}
