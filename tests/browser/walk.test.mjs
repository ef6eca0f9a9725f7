// The walk over the tape: forward and back, sums at fan-outs, bytes let go, announcements.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agree } from "./numbers.mjs";
import { goTo, open, payload, row, shoot } from "./page.mjs";

const place = (page) => page.locator(".scrubber .place").innerText();

test("buttons and keys walk from the first operation to the last and back again", () => open("scalar", async (page) => {
  const { traces: [trace] } = await payload(page);
  const operations = trace.nodes.filter((n) => n.kind === "operation").length;
  const back = trace.nodes.filter((n) => n.step != null).length;
  await page.getByRole("button", { name: "First", exact: true }).click();
  assert.equal(await place(page), "nothing is computed yet");
  for (let i = 1; i < operations; i++) {
    await page.getByRole("button", { name: "Step forward", exact: true }).click();
    assert.match(await place(page), new RegExp(`^${i} of ${operations} forward`));
  }
  await page.keyboard.press("Shift+ArrowRight");
  assert.equal(await place(page), `all ${operations} computed, nothing walked back`);
  for (let k = 1; k <= back; k++) {
    await page.keyboard.press("Shift+ArrowRight");
    const node = trace.nodes.find((n) => n.step === k - 1);
    assert.match(await place(page), new RegExp(`^step ${k} of ${back} back: ${node.op}`));
    assert.match(await page.locator("[aria-live]").innerText(), new RegExp(`^Step ${k} of ${back} back: ${node.op}.*Adjoint .*Memory `));
  }
  assert.equal(await page.getByRole("button", { name: "Last", exact: true }).getAttribute("aria-disabled"), "true");
  await page.keyboard.press("Shift+ArrowLeft");
  assert.match(await place(page), new RegExp(`^step ${back - 1} of ${back}`));
  await page.keyboard.press("Shift+Home");
  assert.equal(await place(page), "nothing is computed yet");
  await page.keyboard.press("Shift+End");
  assert.match(await place(page), new RegExp(`^step ${back} of ${back}`));
}));

test("playing takes step after step and stops at the end", () => open("scalar", async (page) => {
  await goTo(page, 4);
  await page.getByLabel("Speed, operations a second").selectOption("16");
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await page.getByRole("button", { name: "Play", exact: true }).waitFor(); // "Pause" until then
  assert.match(await place(page), /^step 7 of 7/);
}));

for (const name of ["scalar", "lenet", "resnet20", "mlp_hvp"])
  test(`${name}: the bytes that are kept fall by what each step lets go`, () => open(name, async (page) => {
    const { traces: [trace] } = await payload(page);
    const steps = trace.nodes.filter((n) => n.step != null).sort((a, b) => a.step - b.step);
    const kept = async () => Number(await page.locator(".memory [data-value]").getAttribute("data-value"));
    let bytes = trace.memory.kept;
    await goTo(page, 0);
    assert.equal(await kept(), bytes);
    for (const [k, node] of steps.entries()) {
      await page.keyboard.press("Shift+ArrowRight");
      bytes -= node.freed;
      assert.equal(await kept(), bytes, `after step ${k + 1}`);
    }
    assert.equal(bytes, 0);
  }));

test("at a fan-out the addends are listed and added as they come", () => open("fanout", async (page) => {
  const { traces: [trace] } = await payload(page);
  const node = trace.nodes.find((n) => n.addends?.length === 3) ?? trace.nodes.find((n) => n.addends?.length > 1);
  const total = node.addends.length;
  for (const [i, addend] of node.addends.entries()) {
    await goTo(page, trace.nodes[addend.from].step + 1);
    await (node.kind === "operation" ? row(page, node.name) : page.locator(".leaf", { hasText: new RegExp(`^${node.name}\\b`) }).first()).click();
    const arrived = node.addends.filter((a) => trace.nodes[a.from].step <= trace.nodes[addend.from].step).length;
    const sum = page.locator(".arriving .sum");
    assert.equal(await sum.getAttribute("data-arrived"), String(arrived));
    const last = sum.locator("b [data-value]");
    assert.equal(Number(await last.getAttribute("data-value")), node.addends[arrived - 1].sum);
    assert.match(await sum.innerText(), new RegExp(`${arrived} of ${total} arrived`));
    await agree(page);
    if (i === 0) await shoot(page, "fanout-first-addend");
  }
}));

test("the third step back of a scalar expression", () => open("scalar", async (page) => {
  await goTo(page, 3);
  assert.match(await place(page), /^step 3 of 7 back: tanh → o/);
  assert.match(await page.locator(".source .lit").innerText(), /mg\.tanh\(n\)/);
  assert.match(await page.locator(".rule .worked").first().innerText(), /1 − .* = /);
  assert.ok(await agree(page) > 10);
  await shoot(page, "scalar-third-step-back");
  await row(page, "d").click();
  assert.match(await page.locator(".arriving .sum").innerText(), /\+ .* = .*, 2 of 2 arrived/s);
  await shoot(page, "scalar-fanout-sum");
}));

test("2²⁰ paths are counted exactly, twenty are shown, and their sum is the gradient", () => open("diamonds", async (page) => {
  await page.locator(".leaf", { hasText: /^x\b/ }).first().click();
  const card = page.locator(".paths");
  assert.match(await card.innerText(), /1[\s,]048[\s,]576 paths/);
  assert.equal(await card.locator("ol > li").count(), 20);
  assert.equal(await card.locator(".sum b [data-value]").getAttribute("data-value"), "1");
}));
