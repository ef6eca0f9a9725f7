// The page: a header, modules and source on the left, the ledger in the middle, the inspector on the right, transport below.

import { render } from "preact";
import { Ledger } from "./ledger";
import { Modules } from "./modules";
import { Inspector } from "./inspector";
import { Transport } from "./transport";
import { SourcePanel } from "./source";
import { derive } from "./model";
import { start, useStore } from "./store";
import type { Payload } from "./trace";
import "./page.css";
import "./panels.css";

function App() {
  const said = useStore((s) => s.said);
  return (
    <>
      <header />
      <aside class="left"><Modules /><SourcePanel /></aside>
      <main><Ledger /></main>
      <aside class="right" id="inspector" tabIndex={-1} aria-label="Inspector"><Inspector /></aside>
      <footer><Transport /></footer>
      <div class="sr" aria-live="polite">{said}</div>
    </>
  );
}

const payload = JSON.parse(document.getElementById("trace")!.textContent!) as Payload;
start(payload.traces.map(derive), payload.names);
document.title = `${payload.traces[0].title} · minigrad`;
render(<App />, document.getElementById("page")!);
