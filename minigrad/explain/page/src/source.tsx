// The source text of the functions that were recorded; the line of the selected operation is lit up. A click on a line
// selects the operations that it made, one after the other.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { cut, plural, visible } from "./format";
import type { Model } from "./model";
import { model, reveal, useStore } from "./store";
import type { Source } from "./trace";

const TOKENS = /(?<comment>#.*)|(?<string>[rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))|(?<keyword>\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|False|finally|for|from|global|if|import|in|is|lambda|None|nonlocal|not|or|pass|raise|return|True|try|while|with|yield|self)\b)|(?<digits>\b\d[\d_.]*(?:[eE][+-]?\d+)?j?\b)|(?<name>\w+)/g;

type Piece = [text: string, kind?: string];

/** Lines of Python as tinted pieces; a string over several lines stays one. */
function tint(lines: string[]): Piece[][] {
  const out: Piece[][] = lines.map(() => []);
  let open: string | null = null; // the quotes of a string that goes on
  lines.forEach((line, i) => {
    let at = 0;
    if (open) {
      const end = line.indexOf(open);
      at = end < 0 ? line.length : end + 3;
      out[i].push([line.slice(0, at), "string"]);
      if (end < 0) return;
      open = null;
    }
    for (const match of line.slice(at).matchAll(TOKENS)) {
      const [kind] = Object.entries(match.groups!).find(([, text]) => text !== undefined)!;
      const start = at + match.index;
      const shown = out[i].reduce((n, [text]) => n + text.length, 0);
      if (start > shown) out[i].push([line.slice(shown, start)]);
      out[i].push([match[0], kind === "name" ? undefined : kind]);
      const quotes = kind === "string" ? /^[a-zA-Z]*("""|''')/.exec(match[0])?.[1] : undefined;
      if (quotes && !(match[0].length >= match[0].indexOf(quotes) + 6 && match[0].endsWith(quotes))) open = quotes;
    }
    const shown = out[i].reduce((n, [text]) => n + text.length, 0);
    if (shown < line.length) out[i].push([line.slice(shown)]);
  });
  return out;
}

/** Ids of the operations by source and line, in tape order. */
function operationsByLine(m: Model): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const node of m.trace.nodes) {
    if (!node.line) continue;
    const key = node.line.join(":");
    found.get(key)?.push(node.id) ?? found.set(key, [node.id]);
  }
  return found;
}

export function SourcePanel() {
  const m = useStore(model);
  const selected = useStore((s) => s.selected);
  const made = useMemo(() => operationsByLine(m), [m]);
  const line = selected === null ? null : (m.trace.nodes[selected].line ?? null);
  if (!m.trace.sources.length) return null;
  return (
    <section class="source" aria-label="Source">
      <h2>Source</h2>
      <div class="texts" tabIndex={0} role="region" aria-label="Source text">
        {m.trace.sources.map((source, i) => (
          <Text key={i} source={source} index={i} lit={line && line[0] === i ? line[1] : null} made={made} selected={selected} />
        ))}
      </div>
    </section>
  );
}

function Text({ source, index, lit, made, selected }: { source: Source; index: number; lit: number | null; made: Map<string, number[]>; selected: number | null }) {
  const tinted = useMemo(() => tint(source.lines), [source]);
  const now = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // scrolled by hand: scrollIntoView would move the whole page too
    const row = now.current;
    const box = row?.closest<HTMLElement>(".texts");
    if (!row || !box) return;
    const top = row.offsetTop - box.offsetTop;
    if (top < box.scrollTop + 24 || top > box.scrollTop + box.clientHeight - 48) box.scrollTop = top - box.clientHeight / 2;
  }, [lit]);
  const indent = Math.min(...source.lines.filter((l) => l.trim()).map((l) => l.length - l.trimStart().length));
  return (
    <div class="text">
      <h3><b>{cut(source.function, 32)}</b> <small>{cut(source.file, 40)}</small></h3>
      <div class="code">
        {tinted.map((pieces, k) => {
          const number = source.first + k;
          const ids = made.get(`${index}:${number}`) ?? [];
          const body = dedent(pieces, indent).map(([text, kind], j) => (kind ? <span key={j} class={kind}>{visible(text)}</span> : visible(text).replaceAll("␉", "    ")));
          const next = (): void => reveal(ids[(ids.indexOf(selected ?? -1) + 1) % ids.length]);
          return (
            <div key={k} ref={number === lit ? now : undefined} class={number === lit ? "line lit" : "line"} aria-current={number === lit ? "step" : undefined}>
              {ids.length
                ? <button type="button" class="number" onClick={next} aria-label={`line ${number}: ${plural(ids.length, "operation")}`} title={`Select ${plural(ids.length, "operation")} of this line`}>{number}</button>
                : <span class="number">{number}</span>}
              <code onClick={ids.length ? next : undefined} class={ids.length ? "made" : undefined}>{body}</code>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function dedent(pieces: Piece[], indent: number): Piece[] {
  if (!pieces.length || indent <= 0) return pieces;
  const [[text, kind], ...rest] = pieces;
  return [[text.slice(Math.min(indent, text.length - text.trimStart().length)), kind], ...rest];
}
