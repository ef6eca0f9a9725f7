// The page: a header, modules and source on the left, the ledger in the middle, the inspector on the right, transport below.

import { render } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { Name } from "./cells";
import { CheckDialog } from "./check";
import { Inspector } from "./inspector";
import { Ledger } from "./ledger";
import { derive, search } from "./model";
import { Overview } from "./overview";
import { Modules } from "./modules";
import { Compare } from "./sidebyside";
import { SourcePanel } from "./source";
import * as store from "./store";
import { start, useStore, type Panel } from "./store";
import { plural } from "./text";
import type { Payload } from "./trace";
import { Transport } from "./transport";
import "./page.css";
import "./panels.css";

function App() {
  const said = useStore((s) => s.said);
  const panel = useStore((s) => s.panel);
  const compare = useStore((s) => s.compare);
  const overview = useStore((s) => s.overview);
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <div class="app" data-panel={panel}>
      <Header />
      <Tabs />
      <aside class="left" aria-label="Modules and source"><div class="p-modules"><Modules /></div><div class="p-source"><SourcePanel /></div></aside>
      <main>{compare ? <Compare /> : <><Toolbar />{overview && <Overview />}<Ledger /></>}</main>
      <aside class="right" id="inspector" tabIndex={-1} aria-label="Inspector"><Inspector /></aside>
      <footer><Transport /></footer>
      <CheckDialog />
      <div class="sr" role="status" aria-live="polite">{said}</div>
    </div>
  );
}

/** Keys that hold everywhere but in a field: "/" searches, "[" and "]" (or p and n) step, space plays. */
function onKey(e: KeyboardEvent): void {
  const target = e.target as HTMLElement;
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || target.closest("input, select, textarea, [contenteditable], dialog")) return;
  const onControl = target.closest("button, summary, a, [role=treeitem], [role=slider], [role=tab]");
  if (e.key === "/") document.getElementById("search")?.focus();
  else if (e.key === "[" || e.key === "p") store.back();
  else if (e.key === "]" || e.key === "n") store.forward();
  else if (e.key === " " && !onControl) store.play();
  else if (e.key === "Escape") document.querySelector<HTMLElement>(".row.cursor")?.focus();
  else return;
  e.preventDefault();
}

const THEMES = { auto: ["light", "◐"], light: ["dark", "☀"], dark: ["auto", "☾"] } as const;

function Header() {
  const m = useStore((s) => s.models[s.current]);
  const names = useStore((s) => s.names);
  const current = useStore((s) => s.current);
  const compare = useStore((s) => s.compare);
  const theme = useStore((s) => s.theme);
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const { trace } = m;
  const ops = trace.nodes.filter((n) => n.kind === "operation").length;
  const [then, glyph] = THEMES[theme];
  return (
    <header>
      <h1><Name text={trace.title || "computation"} limit={40} /></h1>
      <span class="summary">{plural(ops, "operation")}<span class="how" title={trace.how_text}><b>{trace.how === "kernels" ? "fused kernels" : "compositions"}</b> on the way back</span></span>
      {trace.check && <button type="button" class={`verdict ${trace.check.ok ? "ok" : "wrong"}`} title={trace.check.summary} aria-haspopup="dialog" onClick={() => store.set({ curve: "all" })}>
        <span aria-hidden="true">{trace.check.ok ? "✓" : "✗"}</span> <span class="long">gradient</span> check {trace.check.ok ? "passed" : "failed"}</button>}
      <span class="grow" />
      {names.length > 1 && (
        <span class="switch" role="group" aria-label="Recording">
          {names.map((name, i) => <button type="button" key={i} aria-pressed={!compare && i === current} onClick={() => { store.set({ compare: false }); store.show(i); }}><Name text={name} limit={18} /></button>)}
          <button type="button" aria-pressed={compare} onClick={() => store.set({ compare: true })}>side by side</button>
        </span>
      )}
      <button type="button" class="icon" aria-label={`Theme: ${theme}; change to ${then}`} title={`Theme: ${theme}`} onClick={() => store.setTheme(then)}>{glyph}</button>
    </header>
  );
}

function Toolbar() {
  const m = useStore((s) => s.models[s.current]);
  const query = useStore((s) => s.query);
  const depth = useStore((s) => s.depth);
  const selected = useStore((s) => s.selected);
  const constants = useStore((s) => s.constants);
  const found = search(m, query);
  const at = selected === null ? -1 : found.indexOf(selected);
  const overview = useStore((s) => s.overview);
  const some = m.trace.nodes.some((n) => n.kind === "constant");
  return (
    <div class="toolbar" role="search">
      <span class="search">
        <input id="search" type="search" placeholder="Search  /" aria-label="Search names, operations, modules, shapes" value={query} autocomplete="off" spellcheck={false}
          onInput={(e) => store.set({ query: e.currentTarget.value })}
          onKeyDown={(e) => {
            if (e.key === "Enter") store.find(e.shiftKey ? -1 : 1);
            else if (e.key === "Escape") { store.set({ query: "" }); document.querySelector<HTMLElement>(".row.cursor")?.focus(); }
          }} />
        {query.trim() && <>
          <span class="small count" role="status">{found.length ? `${at >= 0 ? `${at + 1} of ` : ""}${found.length}` : "none"}</span>
          <button type="button" class="icon" aria-label="Previous match" disabled={!found.length} onClick={() => store.find(-1)}>↑</button>
          <button type="button" class="icon" aria-label="Next match" disabled={!found.length} onClick={() => store.find(1)}>↓</button>
        </>}
      </span>
      {m.depth > 0 && (
        <span class="depth">
          <label>depth <input type="range" min={0} max={m.depth} value={depth} aria-valuetext={`${depth} of ${m.depth} levels unfolded`} onInput={(e) => store.setDepth(Number(e.currentTarget.value))} /></label>
          <button type="button" onClick={() => store.setDepth(m.depth)}>unfold all</button>
          <button type="button" onClick={() => store.setDepth(0)}>fold all</button>
        </span>
      )}
      <label class="toggle"><input type="checkbox" checked={overview} onChange={(e) => store.set({ overview: e.currentTarget.checked })} /> overview</label>
      {some && <label class="toggle"><input type="checkbox" checked={constants} onChange={(e) => store.set({ constants: e.currentTarget.checked })} /> constants</label>}
    </div>
  );
}

const TABS: [Panel, string][] = [["ledger", "Ledger"], ["inspector", "Inspector"], ["modules", "Modules"], ["source", "Source"]];

/** Where not all panels have room, one is in front. */
function Tabs() {
  const panel = useStore((s) => s.panel);
  return (
    <nav class="tabs" aria-label="Panels">
      {TABS.map(([id, name]) => <button type="button" key={id} class={`t-${id}`} aria-pressed={panel === id} onClick={() => store.set({ panel: id })}>{name}</button>)}
    </nav>
  );
}

const page = document.getElementById("page")!;
try {
  const { traces, names } = JSON.parse(document.getElementById("trace")!.textContent!) as Payload;
  for (const { format, version } of traces) if (format !== "minigrad-trace" || version !== 1) throw new Error(`this page reads version 1 of minigrad-trace, not ${format} ${version}`);
  start(traces.map(derive), names);
  document.title = `${traces[0].title.slice(0, 80) || "computation"} · minigrad`;
  render(<App />, page);
} catch (error) {
  page.textContent = `The recording cannot be shown: ${(error as Error).message}`;
  throw error;
}
