// The inspector: all that the trace says of the selected row. What has arrived is told as of the step at which the walk
// stands; numbers are the trace's own, and the products of the chain rule are made of its local derivatives.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { Name, Spark, Thumb, type Tone } from "./cells";
import { CheckCard } from "./check";
import { Other } from "./sidebyside";
import { bytes, count, cut, exact, isArray, num, plural, shape, time, title, visible } from "./format";
import { adjointAt, type Model } from "./model";
import { Digits, Magnitude } from "./num";
import { goTo, model, reveal, useStore } from "./store";
import type { Addend, Group, Node, Stats, Summary } from "./trace";
import { computed, paths, stepOf, type Path } from "./walk";

const MOST = 12; // addends, users and factors listed before the rest is counted

export function Inspector() {
  const m = useStore(model);
  const id = useStore((s) => s.selected);
  const group = useStore((s) => s.group);
  const step = useStore((s) => s.step);
  if (group !== null) return <GroupCard m={m} group={m.trace.groups[group]} />;
  const node = id === null ? null : m.trace.nodes[id];
  if (!node) return <p class="hint">Select a row to look into it.</p>;
  return (
    <div class="inspect" key={node.id}>
      <Head m={m} node={node} />
      <Columns m={m} node={node} step={step} />
      <CheckCard m={m} node={node.id} />
      <Other node={node} />
      <Arriving m={m} node={node} step={step} />
      <RuleCard m={m} node={node} step={step} />
      <ChainRule m={m} node={node} />
      <Cost m={m} node={node} />
    </div>
  );
}

/** A link to another row. */
function To({ node, children }: { node: Node; children?: ComponentChildren }) {
  const what = node.kind === "operation" ? (node.name ? `${node.op} → ${node.name}` : node.op) : `${node.kind} ${node.name}`;
  return (
    <button type="button" class="link" title={`Go to ${visible(what).slice(0, 300)}`} onClick={() => reveal(node.id)}>
      {children ?? <Short node={node} />}
    </button>
  );
}

/** What a node is called in a line of text: its name, its operation, or, for a constant, its number. */
function Short({ node, limit = 24 }: { node: Node; limit?: number }) {
  if (!node.name && node.kind === "constant") return <i>{isArray(node.value) ? `constant ${shape(node)}` : num(node.value)}</i>;
  return node.name ? <Name text={node.name} limit={limit} /> : <i>{cut(title(node), limit)}</i>;
}

const KINDS: Record<Node["kind"], string> = { operation: "operation", parameter: "parameter", frozen: "frozen parameter: asks for no gradient", input: "input", constant: "constant" };

function Head({ m, node }: { m: Model; node: Node }) {
  const { nodes } = m.trace;
  const inputs = node.inputs ?? [];
  const params = Object.entries(node.params ?? {});
  const users = [...new Set(m.users[node.id].map((u) => u.user))];
  const times = (user: number): number => m.users[node.id].filter((u) => u.user === user).length;
  return (
    <header class="ihead">
      <h2>
        {node.name ? <Name text={node.name} limit={48} /> : node.kind === "operation" ? null : <Short node={node} />}
        {node.kind === "operation" && (
          <span class="call">
            {node.name && " = "}
            <b>{cut(node.op)}</b>(
            {inputs.slice(0, MOST).map((i, k) => <span key={k}>{k > 0 && ", "}<To node={nodes[i]} /></span>)}
            {inputs.length > MOST && `, … ${inputs.length - MOST} more`}
            {params.map(([name, value], k) => <span class="param" key={name}>{(k > 0 || inputs.length > 0) && ", "}{cut(name)}={cut(value, 24)}</span>)}
            )
          </span>
        )}
      </h2>
      <p class="about">
        {node.kind !== "operation" && <span>{KINDS[node.kind]}</span>}
        <span>{shape(node)}</span>
        <span>{cut(node.dtype)}</span>
        <span title={`${node.bytes} bytes`}>{bytes(node.bytes)}</span>
        {node.module && <span>in <Name text={node.module} limit={40} /></span>}
      </p>
      {users.length > 0 && (
        <p class="users">
          <span class="dim">used by </span>
          {users.slice(0, MOST).map((u, k) => <span key={u}>{k > 0 && ", "}<To node={nodes[u]} />{times(u) > 1 && ` (${times(u)} times)`}</span>)}
          {users.length > MOST && ` … and ${count(users.length - MOST)} more`}
        </p>
      )}
      {node.id === m.trace.result && <p class="users"><span class="dim">the result: </span>what is differentiated</p>}
    </header>
  );
}

const derivative = (m: Model, node: Node): string => `∂${cut(m.trace.nodes[m.trace.result].name || "result", 12)}/∂${cut(node.name || "this", 16)}`;

function Columns({ m, node, step }: { m: Model; node: Node; step: number }) {
  const second = m.trace.order === 2;
  const at = `nodes.${node.id}`;
  const here = computed(m, node.id, step);
  const adjoint = adjointAt(m, node.id, step);
  const ready = adjoint.state === "done";
  const partial = adjoint.state === "partial";
  const last = (node.addends ?? [])[adjoint.arrived - 1];
  const waiting = adjoint.total ? `not yet: ${adjoint.arrived} of ${adjoint.total} arrived` : "not yet";
  const said =
    adjoint.state === "none" ? (node.kind === "frozen" ? "frozen: no gradient is asked for" : "no gradient flows here")
    : partial ? `${adjoint.arrived} of ${adjoint.total} arrived` : ready ? null : waiting;
  return (
    <div class="columns">
      <Quantity label="value" tone="value" of={here ? node.value : null} at={`${at}.value`} note={here ? null : "not computed yet"} />
      <Quantity label="adjoint" sub={derivative(m, node)} tone="adjoint" note={said}
        of={ready ? node.adjoint : partial ? adjoint.value : null}
        at={ready ? `${at}.adjoint` : last?.sum !== undefined ? `${at}.addends.${adjoint.arrived - 1}.sum` : `${at}.addends.0.value`} />
      {second && <Quantity label="tangent" sub="along the direction" tone="tangent" of={here ? (node.tangent ?? null) : null} at={`${at}.tangent`} />}
      {second && <Quantity label="adjoint’s tangent" sub={node.kind === "parameter" ? "its part of H·v" : undefined} tone="turn" of={ready ? (node.adjoint_tangent ?? null) : null} at={`${at}.adjoint_tangent`} />}
    </div>
  );
}

function Quantity({ label, sub, tone, of, at, note }: { label: string; sub?: string; tone: Tone; of: Stats | null; at: string; note?: string | null }) {
  return (
    <section class={`card quantity ${tone}`}>
      <h3>{label}{sub && <small> {sub}</small>}</h3>
      <p class="big"><Magnitude of={of} at={at} /></p>
      {note && <p class="note">{note}</p>}
      {isArray(of) && <Statistics of={of} at={at} tone={tone} />}
    </section>
  );
}

function Statistics({ of, at, tone }: { of: Summary; at: string; tone: Tone }) {
  return (
    <>
      <div class="pictures">
        {of.thumb && of.thumb.rows > 1 && <Thumb of={of} tone={tone} size={72} />}
        {of.histogram && (
          <figure class="histogram">
            <Spark of={of} width={128} height={48} />
            <figcaption><span>{num(of.histogram.low, 2)}</span><span>{num(of.histogram.high, 2)}</span></figcaption>
          </figure>
        )}
      </div>
      <dl class="facts">
        <dt>mean</dt><dd><Digits x={of.mean} at={`${at}.mean`} /></dd>
        <dt>std</dt><dd><Digits x={of.std} at={`${at}.std`} /></dd>
        <dt>min</dt><dd><Digits x={of.min} at={`${at}.min`} /></dd>
        <dt>max</dt><dd><Digits x={of.max} at={`${at}.max`} /></dd>
        {of.zeros > 0 && <><dt>zeros</dt><dd>{count(of.zeros)}</dd></>}
        {of.nonfinite > 0 && <><dt class="bad">not finite</dt><dd class="bad">{count(of.nonfinite)}</dd></>}
      </dl>
      {of.values && (
        <details>
          <summary>all entries</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="Entries"><Entries of={of.values} at={`${at}.values`} /></div>
        </details>
      )}
    </>
  );
}

/** A small array as tables: its last two axes are rows and columns. */
function Entries({ of, at, index = [] }: { of: unknown[]; at: string; index?: number[] }) {
  const deep = (x: unknown): number => (Array.isArray(x) ? 1 + deep(x[0]) : 0);
  const depth = deep(of);
  if (depth > 2) return <>{of.map((part, i) => <Entries key={i} of={part as unknown[]} at={`${at}.${i}`} index={[...index, i]} />)}</>;
  const rows = (depth === 2 ? of : of.map((x) => [x])) as (number | string)[][];
  return (
    <table class="values">
      {index.length > 0 && <caption>[{index.join(", ")}, :, :]</caption>}
      <tbody>
        {rows.map((row, i) => (
          <tr key={i}>
            <th scope="row">{i}</th>
            {row.map((x, j) => <td key={j}><Digits x={x} at={depth === 2 ? `${at}.${i}.${j}` : `${at}.${i}`} /></td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The addends of the adjoint, listed and added as they come. */
function Arriving({ m, node, step }: { m: Model; node: Node; step: number }) {
  const all = node.addends ?? [];
  const { arrived } = adjointAt(m, node.id, step);
  if (!all.length || node.adjoint === null) return null;
  const from = arrived > MOST ? Math.min(arrived - MOST + 2, all.length - MOST) : 0; // keep the newest in sight
  const shown = all.slice(from, from + MOST);
  const sum = all[arrived - 1]?.sum;
  const at = `nodes.${node.id}.addends`;
  const argument = (a: Addend): string => {
    const user = m.trace.nodes[a.from];
    if (m.users[node.id].filter((u) => u.user === a.from).length < 2) return "";
    return ` as ${cut(m.trace.rules[user.op]?.arguments[a.argument] ?? `argument ${a.argument + 1}`, 16)}`;
  };
  return (
    <section class="card arriving">
      <h3>{all.length > 1 ? "Fan-out: what arrives is added" : "What arrives"} <small>{arrived} of {count(all.length)} arrived</small></h3>
      <ol start={from + 1}>
        {from > 0 && <li class="more">… {count(from)} before</li>}
        {shown.map((a, k) => {
          const i = from + k;
          const here = i < arrived;
          return (
            <li key={i} class={here ? (i === arrived - 1 && m.at[a.from] === step - 1 ? "in now" : "in") : "coming"}>
              <span class="sign" aria-hidden="true">{i > 0 ? "+" : ""}</span>
              <span class="amount">{here ? <Magnitude of={a.value} at={`${at}.${i}.value`} /> : "still to come"}</span>
              <span class="sender">from <To node={m.trace.nodes[a.from]} />{argument(a)}</span>
            </li>
          );
        })}
        {from + MOST < all.length && <li class="more">… and {count(all.length - from - MOST)} more</li>}
      </ol>
      {all.length > 1 && arrived > 0 && (
        <p class="sum" data-arrived={arrived}>
          {sum !== undefined && (from > 0
            ? <>… + <Digits x={all[arrived - 1].value as number} at={`${at}.${arrived - 1}.value`} /> = </>
            : <>{all.slice(0, arrived).map((a, i) => <Term key={i} first={i === 0} x={a.value as number} at={`${at}.${i}.value`} />)} = </>)}
          <b>{sum !== undefined ? <Digits x={sum} at={`${at}.${arrived - 1}.sum`} />
            : arrived === all.length ? <Magnitude of={node.adjoint} at={`nodes.${node.id}.adjoint`} /> : "the sum is not whole yet"}</b>
          , {arrived} of {count(all.length)} arrived
        </p>
      )}
    </section>
  );
}

/** A term of a sum; a negative one that is not the first stands in brackets. */
function Term({ x, at, first }: { x: number | string; at?: string; first: boolean }) {
  const bracket = !first && (typeof x === "number" ? x < 0 : x === "-inf");
  return <>{first ? "" : " + "}{bracket && "("}<Digits x={x} at={at} />{bracket && ")"}</>;
}

/** A factor of a product, likewise. */
function Factor({ x, at, first }: { x: number | string; at?: string; first: boolean }) {
  const bracket = !first && (typeof x === "number" ? x < 0 : x === "-inf");
  return <>{first ? "" : " · "}{bracket && "("}<Digits x={x} at={at} />{bracket && ")"}</>;
}

const minus = (text: string): string => visible(text).replace(/(^|[\s(])-(?=[\d.(a-z])/g, "$1−").replace(/ - /g, " − ").replace(/(\de)-(?=\d)/g, "$1−").replace(/ \* /g, " · ");

/** The rule as declared, and with the numbers of this case put in. */
function RuleCard({ m, node, step }: { m: Model; node: Node; step: number }) {
  if (node.kind !== "operation") return null;
  const rule = m.trace.rules[node.op];
  const passed = m.at[node.id] >= 0 && m.at[node.id] < step;
  const how = { kernel: "On the way back its fused kernel ran.", composition: "On the way back it was walked through its composition." }[node.back ?? ""];
  const sent = (node.inputs ?? []).map((id, argument) => {
    const to = m.trace.nodes[id];
    const i = to.addends?.findIndex((a) => a.from === node.id && a.argument === argument) ?? -1;
    return { to, argument, i };
  });
  const open = sent.filter((s) => s.i >= 0);
  return (
    <section class="card rule">
      <h3>Rule of {cut(node.op, 24)} {rule && <small>{rule.kind}</small>}</h3>
      {rule?.doc && <p class="doc">{visible(rule.doc)}</p>}
      {m.at[node.id] >= 0 && how && <p class="note">{how}</p>}
      {m.at[node.id] < 0 && <p class="note">The walk back does not pass this operation.</p>}
      {rule && rule.up.length === 1 && sent.length !== 1 && <Formula>{minus(rule.up[0])}</Formula>}
      {open.length > 0 && (
        <ul class="sent">
          {open.slice(0, MOST).map(({ to, argument, i }) => {
            const local = node.local?.[argument];
            const worked = node.worked?.[argument];
            const up = rule && rule.up.length === sent.length ? rule.up[argument] : null;
            return (
              <li key={argument}>
                <p class="to">to <To node={to} />{rule?.arguments[argument] && <small>, its <i>{cut(rule.arguments[argument], 16)}</i></small>}</p>
                {up && <Formula>{minus(up)}</Formula>}
                {worked != null && <Formula worked><span class={passed ? "" : "coming"}>{minus(worked)} = {passed ? <b><Magnitude of={to.addends![i].value} at={`nodes.${to.id}.addends.${i}.value`} /></b> : "?"}</span></Formula>}
                {worked == null && passed && <Formula worked>sends <b><Magnitude of={to.addends![i].value} at={`nodes.${to.id}.addends.${i}.value`} /></b></Formula>}
                {local != null && <p class="local">local derivative <i>∂{cut(title(node), 12)}/∂{cut(title(to), 12)}</i> = <Digits x={local} at={`nodes.${node.id}.local.${argument}`} /></p>}
              </li>
            );
          })}
          {open.length > MOST && <li class="more">… and {count(open.length - MOST)} more</li>}
        </ul>
      )}
      {rule?.composition && <details><summary>the composition that it equals</summary><pre class="scroll" tabIndex={0}>{visible(rule.composition).replaceAll("␊", "\n").replaceAll("␉", "\t")}</pre></details>}
    </section>
  );
}

const Formula = ({ children, worked }: { children: ComponentChildren; worked?: boolean }) => <p class={worked ? "formula worked" : "formula"}>{children}</p>;

/** Every path from here to the result, as a product of local derivatives; their sum is the gradient. */
function ChainRule({ m, node }: { m: Model; node: Node }) {
  const found = useMemo(() => paths(m.trace, node), [m, node]);
  if (!found) return null;
  const { count: all, shown, sum } = found;
  const rest = all - BigInt(shown.length);
  return (
    <section class="card paths">
      <h3>Chain rule <small>{plural(all, "path")} to {cut(title(m.trace.nodes[m.trace.result]), 16)}</small></h3>
      <ol>{shown.map((p, i) => <PathLine key={i} m={m} node={node} path={p} />)}</ol>
      {rest > 0n && <p class="more">… and {count(rest)} more</p>}
      {all > 1n && (
        <p class="sum">
          {all <= 4n ? <>{shown.map((p, i) => <Term key={i} first={i === 0} x={p.product} />)} = </> : "the sum over all paths = "}
          <b><Digits x={sum} /></b>
        </p>
      )}
      {!isArray(node.adjoint) && node.adjoint !== null && <p class="note">{agree(sum, node.adjoint) ? "This is the adjoint." : <>The adjoint is <Digits x={node.adjoint} at={`nodes.${node.id}.adjoint`} />.</>}</p>}
    </section>
  );
}

const agree = (sum: number, adjoint: number | string): boolean => num(sum) === num(adjoint);

function PathLine({ m, node, path }: { m: Model; node: Node; path: Path }) {
  const hops = path.hops;
  const head = hops.length > MOST ? hops.slice(0, MOST - 3) : hops;
  const tail = hops.length > MOST ? hops.slice(-2) : [];
  const gap = hops.length - head.length - tail.length;
  const hop = (h: Path["hops"][number], k: number) => {
    const { inputs, op } = m.trace.nodes[h.node];
    const twice = inputs!.filter((i) => i === inputs![h.argument]).length > 1; // then the argument tells the paths apart
    return <span key={k}> → <Short node={m.trace.nodes[h.node]} limit={12} />{twice && <sub>{m.trace.rules[op]?.arguments[h.argument] ?? h.argument + 1}</sub>}</span>;
  };
  return (
    <li>
      <p class="trail"><Short node={node} limit={12} />{head.map(hop)}{gap > 0 && ` → … ${count(gap)} more …`}{tail.map(hop)}</p>
      <p class="product">
        {head.map((h, k) => <Factor key={k} first={k === 0} x={h.local} at={`nodes.${h.node}.local.${h.argument}`} />)}
        {gap > 0 && " · …"}
        {tail.map((h, k) => <Factor key={k} first={false} x={h.local} at={`nodes.${h.node}.local.${h.argument}`} />)}
        {hops.length > 1 && <> = <b><Digits x={path.product} /></b></>}
      </p>
    </li>
  );
}

function Cost({ m, node }: { m: Model; node: Node }) {
  if (node.kind !== "operation") return null;
  const after = stepOf(m, node);
  const { kinks } = node;
  return (
    <section class="card cost">
      <h3>Cost</h3>
      <dl class="facts">
        <dt>forward</dt><dd title={`${node.forward_ns} ns`}>{time(node.forward_ns)}</dd>
        <dt>back</dt><dd title={node.backward_ns == null ? undefined : `${node.backward_ns} ns`}>{time(node.backward_ns)}</dd>
        <dt>kept for the way back</dt><dd title={`${node.kept ?? 0} bytes`}>{bytes(node.kept ?? 0)}</dd>
        <dt>let go</dt>
        <dd>{(node.freed ?? 0) > 0 && after !== null ? <>{bytes(node.freed!)} <button type="button" class="link" onClick={() => goTo(after)}>at step {after}</button></> : "nothing"}</dd>
      </dl>
      {kinks && kinks.near > 0 && (
        <p class="kinks"><span class="glyph warn" aria-hidden="true">∠</span> {count(kinks.near)} of {plural(kinks.of, "decision")} {kinks.near === 1 ? "changes" : "change"} when the inputs move by ±{num(kinks.within, 2)}: a kink is near.</p>
      )}
    </section>
  );
}

function GroupCard({ m, group }: { m: Model; group: Group }) {
  const inside = m.trace.nodes.slice(group.first, group.last + 1).filter((n) => n.kind === "operation");
  const total = (of: (n: Node) => number | null | undefined): number => inside.reduce((sum, n) => sum + (of(n) ?? 0), 0);
  return (
    <div class="inspect">
      <header class="ihead">
        <h2><Name text={group.path || m.trace.title} limit={48} /></h2>
        <p class="about"><span>{cut(group.kind) || "module"}</span><span>{plural(inside.length, "operation")}</span><span>{plural(group.parameters, "parameter entry").replace("entrys", "entries")}</span></p>
      </header>
      <section class="card cost">
        <h3>Cost</h3>
        <dl class="facts">
          <dt>forward</dt><dd>{time(total((n) => n.forward_ns))}</dd>
          <dt>back</dt><dd>{time(total((n) => n.backward_ns))}</dd>
          <dt>kept for the way back</dt><dd title={exact(total((n) => n.kept))}>{bytes(total((n) => n.kept))}</dd>
        </dl>
      </section>
      {inside.length > 0 && (
        <p class="users"><span class="dim">from </span><To node={inside[0]} /><span class="dim"> to </span><To node={inside[inside.length - 1]} /></p>
      )}
    </div>
  );
}
