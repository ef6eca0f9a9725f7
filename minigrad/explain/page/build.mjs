// Builds ../static/explain.html, the page without its data, and ../static/LICENSES.txt: the same bytes from the same lock file.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const into = process.argv[2] ?? join(here, "..", "static");
const MARKER = "%TRACE%";

const { outputFiles, metafile } = await build({
  entryPoints: [join(here, "src/main.tsx")], outdir: join(here, "out"), absWorkingDir: here, write: false, metafile: true,
  bundle: true, minify: true, format: "iife", target: "es2023", charset: "utf8", legalComments: "eof", sourcemap: false,
  jsx: "automatic", jsxImportSource: "preact", logLevel: "warning",
});
const text = (end) => outputFiles.find((f) => f.path.endsWith(end)).text.trim();
const [script, style] = [text(".js"), text(".css")];
for (const part of [script, style]) if (part.includes(MARKER) || /<\/(script|style)/i.test(part)) throw new Error("the bundle holds what would end it");

const bundled = [...new Set(Object.keys(metafile.inputs).map((p) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(p)?.[1]).filter(Boolean))].sort();
const read = (...path) => readFileSync(join(here, "node_modules", ...path), "utf8");
const notices = bundled.map((name) => {
  const { version, license } = JSON.parse(read(name, "package.json"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "MIT-License.txt"].find((f) => { try { return read(name, f); } catch { return false; } });
  return `${name} ${version} (${license})\n\n${read(name, file).trim()}\n`;
});
const licences = "The page that mg.explain writes holds these packages.\n\n" + notices.join("\n" + "-".repeat(72) + "\n\n");

// the page runs this script and no other, and asks the network for nothing
const hash = createHash("sha256").update(script).digest("base64");
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; img-src data:">
<title>minigrad</title>
<link rel="icon" href="data:,">
<!--
${licences.replaceAll("--", "- -").trim()}
-->
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<noscript>This page shows a recording of a computation and its gradients; it needs JavaScript.</noscript>
<script type="application/json" id="trace">${MARKER}</script>
<script>${script}</script>
</body>
</html>
`;
mkdirSync(into, { recursive: true });
writeFileSync(join(into, "explain.html"), page);
writeFileSync(join(into, "LICENSES.txt"), licences);
console.log(`explain.html: ${(Buffer.byteLength(page) / 1000).toFixed(1)} kB`);
