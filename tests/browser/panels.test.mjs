// Inspector, source, gradient check, two recordings side by side.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agree } from "./numbers.mjs";
import { goTo, open, payload, row, shoot } from "./page.mjs";

for (const name of ["scalar", "fanout", "wrong", "mlp_hvp", "lenet", "resnet20", ...Array.from({ length: 8 }, (_, i) => `random${i}`)])
  test(`${name}: every number of every row is the trace's`, () => open(name, async (page) => {
    const { traces: [trace] } = await payload(page);
    const unfold = page.getByRole("button", { name: "unfold all" });
    if (await unfold.count()) await unfold.click();
    await page.locator(".row").first().click();
    await page.keyboard.press("Home");
    const steps = trace.nodes.filter((n) => n.step != null).length;
    const rows = Number(await page.locator("[role=treegrid]").getAttribute("aria-rowcount")) - 1;
    let seen = 0;
    for (let i = 0; i < rows; i++) {
      if (rows > 60 && i % 7) { await page.keyboard.press("ArrowDown"); continue; }
      await page.locator("#inspector details").evaluateAll((all) => all.forEach((e) => (e.open = true)));
      seen += await agree(page);
      await page.locator(".row.cursor").focus();
      await page.keyboard.press("ArrowDown");
    }
    for (let k = 0; k <= steps; k += Math.max(1, Math.floor(steps / 12))) {
      await goTo(page, k);
      seen += await agree(page);
    }
    assert.ok(seen > 10 * Math.min(rows, 20), `${seen} numbers`);
  }));

test("links lead to inputs and users", () => open("scalar", async (page) => {
  await row(page, "o").click();
  await page.locator(".ihead .call").getByRole("button", { name: "n", exact: true }).click();
  assert.match(await page.locator(".ihead h2").innerText(), /^n = add\(s, b\)/);
  await page.locator(".ihead .users").getByRole("button", { name: "o", exact: true }).click();
  assert.match(await page.locator(".ihead h2").innerText(), /^o = tanh\(n\)/);
}));

test("a click on a line selects its operations one after the other", () => open("fanout", async (page) => {
  const line = page.locator(".source .line", { hasText: "return e * d + a" }).locator("code");
  await line.click();
  assert.match(await page.locator(".ihead h2").innerText(), /mul\(e, d\)/);
  await line.click();
  assert.match(await page.locator(".ihead h2").innerText(), /add\(mul, a\)/);
  assert.equal(await page.locator(".source .lit").count(), 1);
}));

test("a wrong rule is found by the check and shown where it is", () => open("wrong", async (page) => {
  const { traces: [{ check }] } = await payload(page);
  assert.equal(check.ok, false);
  await row(page, "h").click();
  const suspect = page.locator("#inspector .suspects li");
  assert.match(await suspect.innerText(), /cube.*got.*expected/s);
  assert.equal(Number(await suspect.locator(".got [data-value]").getAttribute("data-value")), check.suspects[0].got);
  assert.equal(Number(await suspect.locator(".expected [data-value]").getAttribute("data-value")), check.suspects[0].expected);
  await shoot(page, "wrong-rule");
  await page.getByRole("button", { name: /gradient check failed/ }).click();
  const dialog = page.getByRole("dialog");
  assert.match(await dialog.innerText(), /WRONG/);
  await shoot(page, "wrong-check");
  await dialog.getByRole("button", { name: "h", exact: true }).or(dialog.getByRole("button", { name: "cube → h" })).click();
  await dialog.waitFor({ state: "hidden" });
}));

test("the error against the step size is one click from a badge", () => open("scalar", async (page) => {
  await page.locator(".leafline .badge").first().click();
  const dialog = page.getByRole("dialog");
  assert.match(await dialog.locator("svg[role=img]").getAttribute("aria-label"), /central difference: smallest error/);
  assert.equal(await dialog.locator("path.series").count(), 3);
  await shoot(page, "error-curve");
  await dialog.getByText("As a table").click();
  assert.ok(await agree(page) > 30);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
}));

test("two recordings: a block that one did not execute, and what differs", () => open("train_eval", async (page) => {
  const { traces } = await payload(page);
  assert.ok(traces[0].skipped.length > 0 && traces[1].skipped.length === 0);
  assert.match(await page.locator(".difference").innerText(), /rows differ,.* \d+ only in “eval” \(\d+ of them not executed in “train”\)/);
  await shoot(page, "train-and-eval");
  await page.getByRole("button", { name: "Next difference" }).click();
  await page.getByRole("button", { name: "Next difference" }).click();
  assert.ok(await page.locator(".pair.chosen").count());
  await agree(page);
  await page.getByRole("button", { name: "eval", exact: true }).click();
  assert.ok(await page.locator(".row").count());
  await page.getByRole("button", { name: "side by side" }).click();
  await page.getByLabel("only differences").check();
  await shoot(page, "train-and-eval-differences");
}));

test("two recordings of a neuron: numbers of both, marked where they differ", () => open("before_after", async (page) => {
  const { traces: [a, b] } = await payload(page);
  const differing = a.nodes.filter((n, i) => n.value !== b.nodes[i].value || n.adjoint !== b.nodes[i].adjoint).length;
  assert.equal(await page.locator(".difference b").innerText(), `${differing} rows differ`);
  await agree(page);
  await page.locator(".pair", { hasText: "tanh" }).locator("[data-side='1']").first().click();
  assert.match(await page.locator(".other h3").innerText(), /In before/);
  await agree(page, 1);
  await shoot(page, "before-and-after");
}));

test("equal recordings are said to be equal", () => open("equal", async (page) => {
  assert.match(await page.locator(".difference").innerText(), /the two recordings are equal/);
}));
